"""Chunks of simulated events: each has seeds of its own, so any process can make any of them.

A chunk holds the rows of a fixed number of generated events. Which rows they are depends on the
order and its number alone, not on who makes it or when.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import EnvironmentProblem, NaetriggerError
from naetrigger.contracts.manifest import sha256_of
from naetrigger.contracts.whole_file import whole_file
from naetrigger.training.simulate.particles import Floats, Integers
from naetrigger.training.simulate.process import TRIGGER_VIEWS, Slice
from naetrigger.training.simulate.processes import process_named
from naetrigger.training.simulate.sample import versions
from naetrigger.training.simulate.views import Table, layout, look

EVENTS_PER_CHUNK = 500
EVENTS_PER_LARGE_CHUNK = 1000  # zero bias; slices, each of which sets Pythia up for half a second
BATCH_EVENTS = 250
MAX_PYTHIA_SEED = 900_000_000
SCHEMA = 1  # raised when the same order would give other rows

# What trigger views are made with.
MADE_FROM = tuple(Path(__file__).with_name(n) for n in ("pool.h5.xz", "trigger_calibration.yaml"))

WHOLE = Slice(0.0, 0.0, 1.0)  # stands for a process that is not sliced


@dataclass(frozen=True)
class Order:
    """What to simulate; `events` generated events in every chunk."""

    process: str
    view: str
    seed: int
    events: int

    @property
    def slices(self) -> tuple[Slice, ...]:
        return process_named(self.process).slices_for(self.view) or (WHOLE,)

    def slice_events(self) -> list[int]:
        """Events of one chunk in each slice."""
        return [max(1, round(self.events * piece.share)) for piece in self.slices]

    @property
    def made_events(self) -> int:
        """Events of one chunk in all: `events`, or more where rounding up its slices asks for it.

        Event ids count on it.
        """
        return sum(self.slice_events())

    def document(self) -> dict[str, Any]:
        """All that the rows depend on, as JSON values."""
        process = process_named(self.process)
        made_from = MADE_FROM if self.view in TRIGGER_VIEWS else ()
        return {
            **asdict(self),
            "schema": SCHEMA,
            "commands": list(process.commands),
            "slices": [asdict(piece) for piece in process.slices_for(self.view)],
            "versions": versions(),
            "files": {path.name: sha256_of(path) for path in made_from if path.exists()},
        }


def order(process: str, view: str, seed: int, events: int | None = None) -> Order:
    """An order with the usual number of events in a chunk."""
    found = process_named(process)
    usual = EVENTS_PER_CHUNK
    if not found.commands or found.slices_for(view):
        usual = EVENTS_PER_LARGE_CHUNK
    return Order(process, view, seed, usual if events is None else events)


@dataclass(frozen=True)
class Chunk:
    """Rows of one chunk, R of them, and of S slices what their weights need.

    values : (R, F) as stored: float32 or int16; context : (R, C) float32
    weights : (R,), of each event within its slice; for zero bias see overlay.py
    event : (R,) index of the event within the chunk
    piece : (R,) index of the slice
    generated : (S,) events made; sigma_mb : (S,) cross-section, NaN where there is none
    dropped : rows left out because an observable is undefined
    """

    values: npt.NDArray[Any]
    context: npt.NDArray[np.float32]
    weights: Floats
    event: Integers
    piece: npt.NDArray[np.int16]
    generated: Integers
    sigma_mb: Floats
    dropped: int

    def __len__(self) -> int:
        return len(self.values)


def make_chunk(order: Order, number: int) -> Chunk:
    """Simulate one chunk."""
    rng = np.random.default_rng((order.seed, _process_key(order.process), number))
    tables: list[tuple[Table, int]] = []
    pieces: list[npt.NDArray[np.int16]] = []
    generated: list[int] = []
    sigma: list[float] = []
    for piece in range(len(order.slices)):
        made, n, cross_section = _make_slice(order, number, piece, rng)
        for table in made:
            tables.append((table, sum(generated)))
            pieces.append(np.full(len(table.event), piece, np.int16))
        generated.append(n)
        sigma.append(cross_section)
    integers = set(layout(order.view).units) == {"hw"}
    values = np.concatenate([table.values for table, _ in tables])
    return Chunk(
        values=values.astype(np.int16) if integers else values,
        context=np.concatenate([table.context for table, _ in tables]),
        weights=np.concatenate([table.weights for table, _ in tables]),
        event=np.concatenate([table.event + first for table, first in tables]),
        piece=np.concatenate(pieces),
        generated=np.asarray(generated),
        sigma_mb=np.asarray(sigma),
        dropped=sum(table.dropped for table, _ in tables),
    )


def _make_slice(
    order: Order, number: int, piece: int, rng: np.random.Generator
) -> tuple[list[Table], int, float]:
    """Tables whose events count from 0 in the slice, events made, cross-section."""
    process, wanted = process_named(order.process), order.slice_events()[piece]
    see, part = look(order.view), order.slices[piece]
    if not process.commands:
        return [see(None, wanted, process, rng)], wanted, float("nan")
    from naetrigger.training.simulate import pythia

    commands = process.commands if part is WHOLE else (*process.commands, *part.commands)
    generator = pythia.EventGenerator(commands, pythia_seed(order, number, piece))
    tables: list[Table] = []
    done = 0
    while done < wanted:
        particles = generator.batch(min(BATCH_EVENTS, wanted - done))
        table = see(particles, particles.n_events, process, rng)
        tables.append(replace(table, event=table.event + done))
        done += particles.n_events
    return tables, done, generator.cross_section_mb()


def pythia_seed(order: Order, number: int, piece: int) -> int:
    """Distinct for all slices of all chunks of an order; far apart for other orders."""
    sequence = np.random.SeedSequence((order.seed, _process_key(order.process)))
    first = int(sequence.generate_state(1, np.uint64)[0])
    return 1 + (first + number * len(order.slices) + piece) % MAX_PYTHIA_SEED


def _process_key(name: str) -> int:
    """Makes the processes of one sample independent; the views of one process share events."""
    return zlib.crc32(name.encode())


@dataclass(frozen=True)
class ChunkJob:
    """Chunks of one order, made wherever there is a worker (contracts/workers.py)."""

    order: Order

    @property
    def what(self) -> str:
        return "it made chunk"

    def prepare(self) -> Callable[[int], bytes]:
        """number -> the chunk as a file holds it"""
        return lambda number: packed_chunk(make_chunk(self.order, number))

    def sees(self) -> Mapping[str, str]:
        """Everything the rows depend on."""
        return {name: json.dumps(value) for name, value in self.order.document().items()}


def packed_chunk(chunk: Chunk) -> bytes:
    """The content of a chunk's file."""
    content = io.BytesIO()
    np.savez_compressed(content, **vars(chunk))
    return content.getvalue()


def keep_chunk(path: Path, packed: bytes) -> None:
    """Write a packed chunk whole or not at all; EnvironmentProblem where there is no room."""
    try:
        with whole_file(path) as partial, partial.open("wb") as file:
            file.write(packed)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise EnvironmentProblem(
            f"{path}: a chunk cannot be written ({error.strerror}); make room and start again: "
            "finished chunks are kept"
        ) from error


def load_chunk(path: Path) -> Chunk:
    """Read a chunk; NaetriggerError for a damaged file."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        found["dropped"] = int(found["dropped"])
        return Chunk(**found)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError) as error:
        raise NaetriggerError(f"{path}: damaged ({error}); delete it and start again") from error
