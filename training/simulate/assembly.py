"""Chunks put together into one file: weights, ids, attributes, and the rows in their order.

Row weights of a sliced process are sigma_i / n_i, its slices' cross-sections over the events they
were given, scaled to mean 1; slices do not overlap, so together they are the whole process.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from naetrigger.contracts.errors import EnvironmentProblem
from naetrigger.contracts.event_stream import EventWriter
from naetrigger.contracts.events import Events
from naetrigger.contracts.parts import chunk_path
from naetrigger.contracts.progress import Progress
from naetrigger.training.simulate.chunks import Chunk, Order, load_chunk
from naetrigger.training.simulate.particles import Floats, Integers
from naetrigger.training.simulate.process import L1_OBJECTS, TRIGGER_VIEWS
from naetrigger.training.simulate.processes import process_named
from naetrigger.training.simulate.sample import versions
from naetrigger.training.simulate.views import layout

EFFECTIVE_ABOVE_GEV = (60, 120, 180)


def assemble(
    order: Order,
    rows: int,
    folder: Path,
    counts: Sequence[int],
    writer: EventWriter,
    progress: Progress,
) -> None:
    """Write the first `rows` rows of the chunks, which hold `counts` rows each."""
    totals = Totals.of(order, rows, folder, counts)
    attributes = {**description(order, rows), **totals.attributes(order)}
    scale = totals.weight_of_slice()
    progress.start(f"{order.process}: writing", rows)
    done = 0
    for number, chunk in _chunks(folder, counts, rows):
        writer.append(_events(order, number, chunk, chunk.weights * scale[chunk.piece], attributes))
        done += len(chunk)
        progress.update(done)


def check_space(path: Path, folder: Path, chunks: int) -> None:
    """EnvironmentProblem where the disk has less room than the chunks take."""
    needed = sum(chunk_path(folder, number).stat().st_size for number in range(chunks))
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise EnvironmentProblem(
            f"{path}: needs about {needed / 1e6:.0f} MB, the disk has {free / 1e6:.0f} MB left; "
            "make room, and the same command goes on"
        )


def _chunks(folder: Path, counts: Sequence[int], rows: int) -> Iterator[tuple[int, Chunk]]:
    """All chunks in order, the last one cut so that there are `rows` rows."""
    left = rows
    for number in range(len(counts)):
        chunk = load_chunk(chunk_path(folder, number))
        yield number, chunk if len(chunk) <= left else first_rows(chunk, left)
        left -= len(chunk)


def first_rows(chunk: Chunk, rows: int) -> Chunk:
    """A chunk as if it had ended with this row's event.

    A sliced chunk keeps rows of all its slices: every so-many-th row of the whole.
    """
    kept = np.arange(rows) if len(chunk.generated) == 1 else _spread(rows, len(chunk))
    share = rows / len(chunk)
    if len(chunk.generated) == 1:
        generated = np.asarray([chunk.event[rows - 1] + 1])
    else:
        generated = chunk.generated * share
    return Chunk(
        values=chunk.values[kept],
        context=chunk.context[kept],
        weights=chunk.weights[kept],
        event=chunk.event[kept],
        piece=chunk.piece[kept],
        generated=generated,
        sigma_mb=chunk.sigma_mb,
        dropped=chunk.dropped,
    )


def _spread(rows: int, of: int) -> Integers:
    """`rows` indices spread evenly over 0 .. of - 1."""
    found: Integers = np.arange(rows) * of // rows
    return found


@dataclass(frozen=True)
class Totals:
    """What only all chunks together tell.

    generated, sigma_mb, sigma_error_mb : (S,) per slice; rows : (S,) rows kept
    sum_of_weights, sum_of_squares : over the rows, with the slices' weights still at 1
    """

    generated: Floats
    sigma_mb: Floats
    sigma_error_mb: Floats
    rows: Floats
    squares: Floats
    dropped: int
    pool: dict[str, float]

    @classmethod
    def of(cls, order: Order, rows: int, folder: Path, counts: Sequence[int]) -> Totals:
        """One pass over the chunks."""
        slices = len(order.slices)
        generated, kept, squares = np.zeros(slices), np.zeros(slices), np.zeros(slices)
        sigma: list[Floats] = []
        dropped = 0
        pool = PoolUse()
        for _, chunk in _chunks(folder, counts, rows):
            generated += chunk.generated
            kept += np.bincount(chunk.piece, chunk.weights, slices)
            squares += np.bincount(chunk.piece, chunk.weights**2, slices)
            sigma.append(chunk.sigma_mb)
            dropped += chunk.dropped
            if order.view in TRIGGER_VIEWS:
                pool.add(order, chunk)
        # Chunks make the same number of events, so their estimates count alike.
        estimates = np.stack(sigma)
        error = estimates.std(axis=0, ddof=1) if len(estimates) > 1 else np.full(slices, np.nan)
        return cls(
            generated=generated,
            sigma_mb=estimates.mean(axis=0),
            sigma_error_mb=error / np.sqrt(len(estimates)),
            rows=kept,
            squares=squares,
            dropped=dropped,
            pool=pool.effective(),
        )

    def weight_of_slice(self) -> Floats:
        """What to multiply rows of each slice by; 1 where there is one slice only."""
        if len(self.generated) == 1:
            return np.ones(1)
        weight = self.sigma_mb / self.generated
        kept = self.rows > 0
        total: float = (weight * self.rows)[kept].sum()
        return np.where(kept, weight * self.rows.sum() / total, 0)

    def attributes(self, order: Order) -> dict[str, str | int | float]:
        """For the file."""
        weight = self.weight_of_slice()
        effective = (weight * self.rows).sum() ** 2 / (weight**2 * self.squares).sum()
        found: dict[str, str | int | float] = {
            "events_generated": round(float(self.generated.sum())),
            "rows_dropped": self.dropped,
            "effective_rows": round(float(effective), 1),
        }
        if np.isfinite(self.sigma_mb).all():
            found["cross_section_mb"] = float(self.sigma_mb.sum())
        if np.isfinite(self.sigma_error_mb).all():
            found["cross_section_error_mb"] = float(np.sqrt((self.sigma_error_mb**2).sum()))
        if len(order.slices) > 1:
            columns = zip(order.slices, self.generated, self.sigma_mb, self.rows, strict=True)
            found["slices"] = json.dumps(
                [
                    {
                        "pt_hat_gev": [piece.low, piece.high],
                        "events": round(float(n), 1),
                        "cross_section_mb": float(sigma),
                        "rows": int(rows),
                    }
                    for piece, n, sigma, rows in columns
                ]
            )
        if self.pool:
            found["effective_pool_events"] = json.dumps(self.pool)
        return found


class PoolUse:
    """How many distinct collisions of the pool a file rests on, whole and above thresholds.

    Of each collision only the weight that it has so far is kept, so memory does not grow with rows.
    """

    def __init__(self) -> None:
        self._weights: dict[str, Floats] = {}

    def add(self, order: Order, chunk: Chunk) -> None:
        """Count the rows of a chunk; those without a collision (-1) rest on none."""
        table = layout(order.view)
        pool_event = chunk.context[:, table.context_columns.index("pool_event")].astype(np.int64)
        chosen = {"all": pool_event >= 0}
        if order.view == L1_OBJECTS:
            leading = chunk.values[:, table.columns.index("jet1_pt")] / 2
            chosen |= {
                f"leading jet >= {gev} GeV": (leading >= gev) & (pool_event >= 0)
                for gev in EFFECTIVE_ABOVE_GEV
            }
        size = int(pool_event.max(initial=-1)) + 1
        for name, rows in chosen.items():
            known = self._weights.get(name, np.zeros(0))
            if len(known) < size:
                known = np.concatenate([known, np.zeros(size - len(known))])
            np.add.at(known, pool_event[rows], chunk.weights[rows])
            self._weights[name] = known

    def effective(self) -> dict[str, float]:
        """See overlay.effective_pool_events."""
        if not self._weights:
            return {}
        from naetrigger.training.simulate.overlay import effective_pool_events

        return {
            name: round(effective_pool_events(weights[weights > 0], np.flatnonzero(weights > 0)), 1)
            for name, weights in self._weights.items()
        }


def description(order: Order, rows: int) -> dict[str, str | int | float]:
    """What a file says about where its rows come from."""
    process = process_named(order.process)
    seeds = {"sample": order.seed, "chunk_events": order.events, "schema": "chunks.py: make_chunk"}
    found: dict[str, str | int | float] = {
        "view": order.view,
        "description": process.description,
        "citation": process.citation,
        "commands": json.dumps(process.commands),
        "seeds": json.dumps(seeds),
        "versions": json.dumps(versions()),
    }
    if process.commands:
        from naetrigger.training.simulate import pythia

        found["generator"] = f"Pythia {pythia.version()}, {' '.join(pythia.BEAMS)}"
    if order.view in TRIGGER_VIEWS:
        found |= _pileup(zero_bias=not process.commands)
    return found


def _pileup(zero_bias: bool) -> dict[str, str | int | float]:
    from naetrigger.training.simulate.trigger_detector import TriggerDetector
    from naetrigger.training.simulate.zero_bias import CROSSING_RATE_KHZ

    detector = TriggerDetector()
    pileup = detector.pileup
    found: dict[str, str | int | float] = {
        "pileup": f"Gaussian mean {pileup.mean:g}, width {pileup.width:g}, clipped to "
        f"{pileup.low:g}..{pileup.high:g}",
        "pool_sha256": detector.pool.sha256,
    }
    if zero_bias:
        found |= {
            "generator": str(detector.pool.attributes.get("generator", "")),
            "rare_fraction": detector.rare_fraction,
            "crossing_rate_khz": CROSSING_RATE_KHZ,
        }
    return found


def _events(
    order: Order,
    number: int,
    chunk: Chunk,
    weights: Floats,
    attributes: dict[str, str | int | float],
) -> Events:
    table = layout(order.view)
    return Events(
        process=order.process,
        role=process_named(order.process).role(order.view),
        columns=table.columns,
        values=chunk.values.astype(np.float32),
        weights=weights,
        event_ids=(chunk.event + number * order.made_events).astype(np.uint64),
        context_columns=table.context_columns,
        context=chunk.context,
        attributes=attributes,
        units=table.units,
        context_units=table.context_units,
    )
