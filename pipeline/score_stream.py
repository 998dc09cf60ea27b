"""Scores of a whole event file in constant memory, chunk by chunk, on several cores."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import wraps
from typing import Concatenate, ParamSpec

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.event_stream import ROWS_PER_BLOCK
from naetrigger.contracts.events import Events, concatenated
from naetrigger.contracts.workers import Pool, Workers
from naetrigger.pipeline.engines import engine_named
from naetrigger.pipeline.model_inputs import BLOCK
from naetrigger.pipeline.score_workers import Scores, Task, working
from naetrigger.training.data.formats.format import CHUNK_VALUES
from naetrigger.training.data.readers import EventSource

Floats32 = npt.NDArray[np.float32]
Keep = Callable[[Events], Floats32]
P = ParamSpec("P")

MAX_ROWS = 65536
MAX_SLOW_ROWS = 8192  # a second or so of the emulations, so that all workers end together
MAX_VALUES = 4_000_000  # of a chunk of wide events: 16 MB


@dataclass(frozen=True)
class ScoredChunk:
    """Rows of one process, N of them, that begin at `first_row` of it.

    scores : (N,) float64 of a teacher, int64 of a student
    kept : (N, K), what was asked to be kept of each event
    saturated : column -> values beyond the hardware's range
    """

    number: int
    process: str
    first_row: int
    scores: Scores
    weights: npt.NDArray[np.float64]
    event_ids: npt.NDArray[np.uint64]
    kept: Floats32
    saturated: dict[str, int]

    def __len__(self) -> int:
        return len(self.scores)


def chunk_rows(columns: int, slow: bool = False) -> int:
    """Rows of a chunk of events of so many columns, a multiple of BLOCK."""
    most = MAX_SLOW_ROWS if slow else MAX_ROWS
    return max(min(most, MAX_VALUES // max(columns, 1)) // BLOCK, 1) * BLOCK


def read_rows(columns: int) -> int:
    """Rows read at once: whole blocks of naetrigger's own files, each unpacked once."""
    return min(max(CHUNK_VALUES // (ROWS_PER_BLOCK * max(columns, 1)), 1), 4) * ROWS_PER_BLOCK


def _of_its_file(
    stream: Callable[Concatenate[EventSource, P], Iterator[ScoredChunk]],
) -> Callable[Concatenate[EventSource, P], Iterator[ScoredChunk]]:
    """What is wrong with events is said of their file, wherever it is met."""

    @wraps(stream)
    def named(source: EventSource, *args: P.args, **kwargs: P.kwargs) -> Iterator[ScoredChunk]:
        try:
            yield from stream(source, *args, **kwargs)
        except InputError as error:
            if str(source.path) in str(error):
                raise
            raise InputError(f"{source.path}: {error}") from error

    return named  # type: ignore[return-value]  # functools names the first argument


@_of_its_file
def score_stream(
    source: EventSource,
    task: Task,
    workers: Workers = 1,
    *,
    rows: int | None = None,
    process: str | None = None,
    keep: Keep | None = None,
    done: Collection[int] = (),
    passed: Callable[[int, int], None] | None = None,
) -> Iterator[ScoredChunk]:
    """Every chunk of a file but those in `done`, as they are finished.

    rows : of a chunk, a multiple of BLOCK; no score depends on it, nor on `workers`
    process : this one alone
    keep : what to keep of each event besides its score, (N, K)
    passed : is told number and rows of each chunk that is in `done`

    Raises InputError for events that the run's model cannot take, naming the rows.
    """
    inputs = task.inputs()
    rows = rows or chunk_rows(len(inputs.columns), engine_named(task.engine).slow)
    pending: dict[int, Piece] = {}
    with working(task, workers) as pool:
        read = source.chunks(process, size=read_rows(len(source.columns)))
        cut = pieces(read, rows, inputs.select, keep)
        for number, piece in enumerate(cut):
            if number in done:
                if passed is not None:
                    passed(number, len(piece.events))
                continue
            while not pool.idle:
                yield from _finished(pool, pending)
            pending[number] = piece
            pool.ask(number, piece.events, piece.first_row)
        while pool.busy:
            yield from _finished(pool, pending)


def in_order(chunks: Iterable[ScoredChunk]) -> Iterator[ScoredChunk]:
    """All chunks of a stream that left none out, in the order of the file."""
    waiting: dict[int, ScoredChunk] = {}
    following = 0
    for chunk in chunks:
        waiting[chunk.number] = chunk
        while following in waiting:
            yield waiting.pop(following)
            following += 1


@dataclass(frozen=True)
class Piece:
    """Selected events of one process."""

    first_row: int
    events: Events
    kept: Floats32

    def cut(self, rows: slice, first_row: int | None = None) -> Piece:
        """Some of the rows, which begin where they did unless it is said."""
        first = self.first_row if first_row is None else first_row
        return Piece(first, self.events.select(rows), self.kept[rows])


def _finished(pool: Pool, pending: dict[int, Piece]) -> Iterator[ScoredChunk]:
    for number, answer in pool.answers():
        piece = pending.pop(number)
        yield ScoredChunk(
            number,
            piece.events.process,
            piece.first_row,
            answer.scores,
            piece.events.weights,
            piece.events.event_ids,
            piece.kept,
            answer.saturated,
        )


def pieces(
    read: Iterable[Events], rows: int, select: Callable[[Events], Events], keep: Keep | None
) -> Iterator[Piece]:
    """The file's events, cut after every `rows` rows of a process, whatever the reader gives."""
    waiting: dict[str, list[Piece]] = {}
    begun: dict[str, int] = {}
    for events in read:
        kept = keep(events) if keep else np.zeros((len(events), 0), np.float32)
        chosen = replace(select(events), attributes={})
        process = events.process
        parts = waiting.setdefault(process, [])
        parts.append(Piece(0, chosen, kept))
        while sum(len(part.events) for part in parts) >= rows:
            whole = _joined(parts)
            first = begun.get(process, 0)
            yield whole.cut(slice(rows), first)
            begun[process] = first + rows
            parts[:] = [whole.cut(slice(rows, None), 0)] if len(whole.events) > rows else []
    for process, parts in waiting.items():
        if parts:
            whole = _joined(parts)
            yield Piece(begun.get(process, 0), whole.events, whole.kept)


def _joined(parts: list[Piece]) -> Piece:
    events = concatenated([part.events for part in parts])
    return Piece(0, events, np.concatenate([part.kept for part in parts]))
