"""Generating a file of events: chunks by worker processes, then put together.

Finished chunks lie in ``FILE.parts/``, so what was interrupted goes on where it stopped. The rows
of a file are those of chunks 0, 1, 2, ... up to the number asked for: the same whatever the number
of workers, and whatever was killed on the way.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from naetrigger.contracts.errors import InputError, NaetriggerError
from naetrigger.contracts.event_stream import event_writer
from naetrigger.contracts.parts import chunk_path, chunk_paths, claimed
from naetrigger.contracts.progress import Progress, Silent
from naetrigger.contracts.workers import Pool, Workers, check_workers, working
from naetrigger.training.simulate import assembly
from naetrigger.training.simulate.chunks import (
    ChunkJob,
    Order,
    keep_chunk,
    load_chunk,
    order,
)
from naetrigger.training.simulate.processes import process_named
from naetrigger.training.simulate.sample import CITATION, LABEL
from naetrigger.training.simulate.views import check_view, layout

GIVE_UP_EVENTS = 20_000  # without a single row
PATIENCE_SECONDS = 1.0  # between words of progress
MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class Made:
    """What a finished generation holds."""

    rows: int
    events: int
    chunks: int


def generate(
    process: str,
    rows: int,
    seed: int,
    path: Path,
    view: str | None = None,
    workers: Workers = 1,
    progress: Progress | None = None,
    chunk_events: int | None = None,
) -> Made:
    """Simulate `rows` rows of a process and write them to `path`.

    rows : jets for jet views, bunch crossings for trigger views
    chunk_events : generated events a chunk; part of what the rows depend on

    Raises InputError for what cannot be asked for, EnvironmentProblem for a full disk, a file that
    another process works on, or a worker that died; finished chunks are kept.
    """
    wanted = checked_order(process, rows, seed, path, view, workers, chunk_events)
    layout(wanted.view)  # names a missing extra before anything starts
    with claimed(path, wanted.document(), "delete the folder") as folder:
        _require_new(path)  # again: whoever held the folder before may have finished it
        counts = make_chunks(wanted, rows, folder, workers, progress or Silent())
        made = Made(rows, wanted.made_events * len(counts), len(counts))
        assembly.check_space(path, folder, len(counts))
        with event_writer(path, {"label": LABEL, "citation": CITATION}) as writer:
            assembly.assemble(wanted, rows, folder, counts, writer, progress or Silent())
    return made


def checked_order(
    process: str,
    rows: int,
    seed: int,
    path: Path,
    view: str | None,
    workers: Workers,
    chunk_events: int | None = None,
) -> Order:
    """The order, if it can be carried out."""
    found = process_named(process)
    view = found.views[0] if view is None else view
    check_view(process, found, view)
    for name, value, low, high in (
        ("--events", rows, 1, 10**10),
        ("--seed", seed, 0, MAX_SEED),
    ):
        if not low <= value <= high:
            raise InputError(f"{name}: must be {low} to {high}, got {value}")
    check_workers(workers)
    _require_new(path)
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path.parent}: may not be written to; choose another place")
    return order(process, view, seed, chunk_events)


def _require_new(path: Path) -> None:
    if path.exists():
        raise InputError(f"{path}: exists already; delete it or choose another file")


def make_chunks(
    wanted: Order, rows: int, folder: Path, workers: Workers, progress: Progress
) -> list[int]:
    """Make all chunks that are missing; the rows of chunks 0, 1, ... that reach `rows`."""
    counts = existing(folder)
    label = f"{wanted.process}: {layout(wanted.view).rows}"
    progress.start(label, rows)
    progress.update(min(_leading_rows(counts), rows))
    if _enough(counts, rows):
        return _used(counts, rows)
    with working(ChunkJob(wanted), workers, here=True) as pool:
        while not _enough(counts, rows):
            _begin(pool, counts, rows)
            for number, packed in pool.answers(PATIENCE_SECONDS):
                keep_chunk(chunk_path(folder, number), packed)
                counts[number] = len(load_chunk(chunk_path(folder, number)))
            kept, at_work = min(sum(counts.values()), rows), float(len(pool.in_work))
            progress.update(kept, generated=float(len(counts) * wanted.events), at_work=at_work)
            if not kept and len(counts) * wanted.events >= GIVE_UP_EVENTS:
                raise NaetriggerError(
                    f"{wanted.process}: none of {len(counts) * wanted.events} events has anything "
                    f"to show as {wanted.view}"
                )
    return _used(counts, rows)


def existing(folder: Path) -> dict[int, int]:
    """Rows of the chunks that are there, by number; damaged ones are removed, to be made again."""
    counts = {}
    for number, path in chunk_paths(folder).items():
        try:
            counts[number] = len(load_chunk(path))
        except NaetriggerError:
            path.unlink()
    return counts


def _begin(pool: Pool, counts: dict[int, int], rows: int) -> None:
    """Give the next missing chunks to idle workers, but none that will not be needed."""
    mean = sum(counts.values()) / len(counts) if counts else 0.0
    number = 0
    while pool.idle:
        while number in counts or number in pool.in_work:
            number += 1
        expected = sum(counts.values()) + len(pool.in_work) * mean
        if pool.in_work and expected >= rows:
            return
        pool.ask(number, number)


def _leading_rows(counts: dict[int, int]) -> int:
    """Rows of chunks 0, 1, ... before the first that is missing."""
    total = number = 0
    while number in counts:
        total += counts[number]
        number += 1
    return total


def _enough(counts: dict[int, int], rows: int) -> bool:
    return _leading_rows(counts) >= rows


def _used(counts: dict[int, int], rows: int) -> list[int]:
    """Rows of the chunks that the file is made of, in order."""
    used: list[int] = []
    while sum(used) < rows:
        used.append(counts[len(used)])
    return used
