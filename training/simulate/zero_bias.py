"""Zero bias: weighted bunch crossings made from the shipped pile-up pool, no generator needed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from naetrigger.contracts import calo_regions, trigger_objects
from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import HARDWARE_UNIT, Events
from naetrigger.training.simulate.overlay import PileUp, effective_pool_events
from naetrigger.training.simulate.trigger_detector import (
    CONTEXT_COLUMNS,
    CONTEXT_UNITS,
    TriggerDetector,
    TriggerView,
    joined,
)
from naetrigger.training.simulate.trigger_objects import JETS

PROCESS = "zero_bias"
CHUNK = 1000
VIEWS = {"l1-objects": trigger_objects.COLUMNS, "regions": calo_regions.COLUMNS}
View = Literal["l1-objects", "regions"]
CROSSING_RATE_KHZ = 40_000 * 2544 / 3564  # filled bunches of the LHC in 2018
LABEL = "simulation: Pythia 8 + parametric trigger detector, never collision data"
CITATION = (
    "naetrigger; Pythia 8.3, arXiv:2203.11601; resolutions as in Delphes 3, arXiv:1307.6346; "
    "trigger algorithms after CMS, arXiv:2006.10165"
)


def simulate_zero_bias(
    n: int,
    seed: int,
    view: View = "l1-objects",
    pileup: PileUp | None = None,
    rare_fraction: float = 0.5,
    workers: int = 1,
) -> Events:
    """n crossings as hardware integers; the same numbers for any number of workers.

    Weights have the expectation 1, so their sum counts natural crossings. Crossing i is the same
    whatever n and view are: its id is i.
    """
    views = list(zero_bias_chunks(n, seed, pileup, rare_fraction, workers))
    whole = joined(views)
    attributes = zero_bias_attributes(whole, seed, pileup, rare_fraction)
    return trigger_events(whole, view, PROCESS, "background", attributes=attributes)


def zero_bias_chunks(
    n: int,
    seed: int,
    pileup: PileUp | None = None,
    rare_fraction: float = 0.5,
    workers: int = 1,
    first_chunk: int = 0,
) -> Iterator[TriggerView]:
    """Chunks of 1000 crossings (the last may be shorter), in order, n crossings in all.

    Chunk k depends on the seed and k alone; `first_chunk` goes on with a file half made, n still
    counting from chunk 0.
    """
    if n < 1:
        raise InputError(f"zero bias: number of crossings must be at least 1, got {n}")
    todo = [
        (seed, chunk, min(CHUNK, n - chunk * CHUNK), pileup, rare_fraction)
        for chunk in range(first_chunk, -(-n // CHUNK))
    ]
    if workers <= 1:
        detector = TriggerDetector(pileup=pileup, rare_fraction=rare_fraction)
        yield from (zero_bias_chunk(detector, job[0], job[1]).select(slice(job[2])) for job in todo)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        yield from executor.map(_chunk_in_worker, todo)


def zero_bias_chunk(detector: TriggerDetector, seed: int, chunk: int) -> TriggerView:
    """The 1000 crossings of one chunk."""
    rng = np.random.default_rng((seed, zlib.crc32(PROCESS.encode()), chunk))
    return detector.observe(None, CHUNK, rng)


def _chunk_in_worker(job: tuple[int, int, int, PileUp | None, float]) -> TriggerView:
    seed, chunk, n, pileup, rare_fraction = job
    detector = TriggerDetector(pileup=pileup, rare_fraction=rare_fraction)
    return zero_bias_chunk(detector, seed, chunk).select(slice(n))


def trigger_events(
    view: TriggerView,
    which: View,
    process: str,
    role: str,
    event_ids: npt.NDArray[np.uint64] | None = None,
    weights: npt.NDArray[np.float64] | None = None,
    attributes: dict[str, Any] | None = None,
) -> Events:
    """The view as Events of hardware integers: 57 columns of objects or 252 of regions.

    weights : default, those of the view; event_ids : default, 0, 1, ...
    """
    values = view.objects if which == "l1-objects" else view.regions
    columns = VIEWS[which]
    ids = event_ids if event_ids is not None else np.arange(len(view), dtype=np.uint64)
    return Events(
        process=process,
        role=role,
        columns=columns,
        values=values.reshape(len(view), len(columns)).astype(np.float32),
        weights=weights if weights is not None else view.weights,
        event_ids=ids,
        context_columns=CONTEXT_COLUMNS,
        context=view.context(),
        units=(HARDWARE_UNIT,) * len(columns),
        context_units=CONTEXT_UNITS,
        attributes=attributes or {},
    )


def zero_bias_attributes(
    view: TriggerView, seed: int, pileup: PileUp | None = None, rare_fraction: float = 0.5
) -> dict[str, str | int | float]:
    """What a file of zero bias says about itself, effective numbers of pool events among it."""
    detector = TriggerDetector(pileup=pileup, rare_fraction=rare_fraction)
    settings = detector.pileup
    leading_jet = view.objects[:, JETS.start, 0] * trigger_objects.PT_LSB
    effective = {"all": effective_pool_events(view.weights, view.pool_event)}
    for threshold in (60, 120, 180):
        above = leading_jet >= threshold
        effective[f"leading jet >= {threshold} GeV"] = effective_pool_events(
            view.weights[above], view.pool_event[above]
        )
    return {
        "label": LABEL,
        "citation": CITATION,
        "description": "bunch crossings as they come, weighted: rare collisions are sampled often",
        "generator": str(detector.pool.attributes.get("generator", "")),
        "pool_sha256": detector.pool.sha256,
        "seeds": json.dumps({"sample": seed, "chunk_events": CHUNK}),
        "pileup": f"Gaussian mean {settings.mean:g}, width {settings.width:g}, clipped to "
        f"{settings.low:g}..{settings.high:g}",
        "rare_fraction": rare_fraction,
        "crossing_rate_khz": CROSSING_RATE_KHZ,
        "effective_crossings": float(view.weights.sum() ** 2 / np.sum(view.weights**2)),
        "effective_pool_events": json.dumps({k: round(v, 1) for k, v in effective.items()}),
    }
