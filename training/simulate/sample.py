"""A labelled sample of jets: events are made in batches until enough jets have been kept."""

from __future__ import annotations

import hashlib
import json
import logging
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.contracts.events import Events, write_events
from naetrigger.training.simulate import detector, jets, pythia
from naetrigger.training.simulate.processes import PROCESSES

LABEL = "simulation: Pythia 8 + parametric detector, never collision data"
CITATION = (
    "naetrigger; Pythia 8.3, arXiv:2203.11601; FastJet, arXiv:1111.6097; "
    "choice of inputs: CMS-MLG-24-002, arXiv:2510.02168"
)
BATCH_EVENTS = 250
MIN_DARK_PT_FRACTION = 0.5

log = logging.getLogger(__name__)


def simulate_jets(
    process_name: str,
    n_jets: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Events:
    """`n_jets` jets of one process; the same seed gives the same jets.

    The process name enters the seed, so processes of one sample are independent. Weights are
    Pythia's, scaled to mean 1 over the kept jets, or 1 where the process is not biased.
    `progress` is called with the numbers of jets kept and of events generated after each batch.
    """
    if process_name not in PROCESSES:
        raise InputError(
            f"no process '{process_name}'{suggestion(process_name, PROCESSES)} "
            f"(has {', '.join(PROCESSES)})"
        )
    if n_jets < 1:
        raise InputError(f"number of jets of {process_name}: must be at least 1, got {n_jets}")
    process = PROCESSES[process_name]
    pythia_seed, detector_seed = seeds(process_name, seed)
    generator = pythia.EventGenerator(process.commands, pythia_seed)
    rng = np.random.default_rng(detector_seed)

    values: list[npt.NDArray[np.float32]] = []
    context: list[npt.NDArray[np.float32]] = []
    weights: list[npt.NDArray[np.float64]] = []
    event_ids: list[npt.NDArray[np.uint64]] = []
    kept = generated = dropped = 0
    while kept < n_jets:
        particles = generator.batch(BATCH_EVENTS)
        found = jets.cluster(detector.reconstruct(particles, rng))
        if process.dark_jets_only:
            dark = dark_pt_fraction(found, particles.dark_hadrons)
            found = found.select(dark > MIN_DARK_PT_FRACTION)
        if len(found):
            observed = jets.substructure(found)
            defined = np.isfinite(observed.values).all(1) & np.isfinite(observed.context).all(1)
            event = found.event[defined]
            values.append(observed.values[defined].astype(np.float32))
            context.append(observed.context[defined].astype(np.float32))
            weights.append(particles.weights[event])
            event_ids.append((event + generated).astype(np.uint64))
            kept += len(event)
            dropped += len(found) - len(event)
        generated += particles.n_events
        if progress is not None:
            progress(min(kept, n_jets), generated)
    log.info("%s: %d jets from %d events", process_name, n_jets, generated)

    weight = np.concatenate(weights)[:n_jets]
    if not process.weighted:
        # Pythia gives weights above 1 to the few events where it had underestimated the cross
        # section while sampling (seen up to 25): noise in a sample this small.
        weight = np.ones(n_jets)
    return Events(
        process=process_name,
        role=process.role,
        columns=jets.COLUMNS,
        values=np.concatenate(values)[:n_jets],
        weights=weight / weight.mean(),
        event_ids=np.concatenate(event_ids)[:n_jets],
        context_columns=jets.CONTEXT_COLUMNS,
        context=np.concatenate(context)[:n_jets],
        units=jets.UNITS,
        context_units=jets.CONTEXT_UNITS,
        attributes={
            "generator": f"Pythia {pythia.version()}, {' '.join(pythia.BEAMS)}",
            "commands": json.dumps(process.commands),
            "seeds": json.dumps(
                {"sample": seed, "pythia": pythia_seed, "detector": list(detector_seed)}
            ),
            "cross_section_mb": generator.cross_section_mb(),
            "events_generated": generated,
            "jets_dropped": dropped,
            "description": process.description,
            "citation": process.citation,
        },
    )


def seeds(process_name: str, seed: int) -> tuple[int, tuple[int, int]]:
    """Pythia's seed and the detector's, distinct for each process."""
    key = (seed, zlib.crc32(process_name.encode()))
    state = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])
    return 1 + state % pythia.MAX_SEED, key


def dark_pt_fraction(found: jets.Jets, dark_hadrons: pythia.DarkHadrons) -> pythia.Floats:
    """Scalar pT sum of the dark hadrons within R of each jet's axis over the jet's pT, shape (N,).

    It exceeds 1 where dark hadrons decay invisibly.
    """
    fraction = np.zeros(len(found))
    for jet, event in enumerate(found.event):
        start, end = np.searchsorted(dark_hadrons.event, [event, event + 1])
        rows = slice(start, end)
        d_phi = np.mod(dark_hadrons.phi[rows] - found.phi[jet] + np.pi, 2 * np.pi) - np.pi
        near = np.hypot(dark_hadrons.eta[rows] - found.eta[jet], d_phi) < jets.RADIUS
        fraction[jet] = dark_hadrons.pt[rows][near].sum() / found.pt[jet]
    return fraction


def write_sample(path: Path, samples: Iterable[Events]) -> None:
    """Write the file with its label and citation."""
    write_events(path, samples, {"label": LABEL, "citation": CITATION})


def content_hash(samples: Iterable[Events]) -> str:
    """SHA-256 over names and stored values: equal for equal samples in any order."""
    digest = hashlib.sha256()
    for sample in sorted(samples, key=lambda sample: sample.process):
        digest.update(sample.process.encode())
        for array in (sample.values, sample.weights, sample.event_ids, sample.context):
            little_endian = array.dtype.newbyteorder("<")
            digest.update(np.ascontiguousarray(array, little_endian).tobytes())
    return digest.hexdigest()
