"""Several engines on one stream of events, in step: a chunk comes out when all have scored it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from naetrigger.contracts.events import Events
from naetrigger.contracts.workers import Pool, Processes
from naetrigger.pipeline.engines import engine_named
from naetrigger.pipeline.model_inputs import BLOCK
from naetrigger.pipeline.score_stream import Piece, chunk_rows, pieces, read_rows
from naetrigger.pipeline.score_workers import Answer, Task, working
from naetrigger.training.data.readers import EventSource


@dataclass
class ComparedChunk:
    """Events of one process with the answers of all engines.

    process : its number in the file
    answers : engine -> scores and bits, of the first events only where it is limited
    """

    process: int
    first_row: int
    events: Events
    asked: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return len(self.answers) == self.asked


def compared_stream(
    source: EventSource,
    tasks: Mapping[str, Task],
    workers: int = 1,
    limit: int | None = None,
    rows: int | None = None,
) -> Iterator[ComparedChunk]:
    """Every chunk of a file, in its order, process by process.

    workers : 1: one engine after the other, in this process where that gives the same; more: a
        process for each engine, or several
    limit : of the events of each process; None: all
    rows : of a chunk, a multiple of model_inputs.BLOCK
    """
    rows = rows or chunk_rows(len(source.columns))
    selected = {name: task.inputs().select for name, task in tasks.items()}
    with ExitStack() as stack:
        pools = {name: _pool(stack, task, workers, len(tasks)) for name, task in tasks.items()}
        pending: dict[int, ComparedChunk] = {}
        ready = 0
        for number, (process, piece) in enumerate(_pieces(source, rows, limit)):
            chunk = pending[number] = ComparedChunk(process, piece.first_row, piece.events)
            wanted = {name: _limited(name, piece) for name in pools}
            chunk.asked = sum(n > 0 for n in wanted.values())
            for name, pool in pools.items():
                if wanted[name]:
                    while not pool.idle:
                        _collect(name, pool, pending)
                    events = selected[name](piece.events.select(slice(wanted[name])))
                    pool.ask(number, events, piece.first_row)
            while ready in pending and pending[ready].complete:
                yield pending.pop(ready)
                ready += 1
        while pending:
            for name, pool in pools.items():
                if pool.busy:
                    _collect(name, pool, pending)
            while ready in pending and pending[ready].complete:
                yield pending.pop(ready)
                ready += 1


def _pool(stack: ExitStack, task: Task, workers: int, engines: int) -> Pool:
    if workers == 1:
        return stack.enter_context(working(task, 1))
    pool = Processes(task, max(workers // engines, 1))
    stack.callback(pool.stop)
    return pool


def _collect(name: str, pool: Pool, pending: dict[int, ComparedChunk]) -> None:
    for number, answer in pool.answers():
        pending[number].answers[name] = answer


def _limited(engine: str, piece: Piece) -> int:
    """How many of a piece's first events an engine is asked for."""
    most = engine_named(engine).max_events
    return (
        len(piece.events)
        if most is None
        else min(max(most - piece.first_row, 0), len(piece.events))
    )


def _pieces(source: EventSource, rows: int, limit: int | None) -> Iterator[tuple[int, Piece]]:
    """Number of the process and piece, of so many events a process."""
    for number, process in enumerate(source.processes):
        left = limit
        read = source.chunks(process.name, size=read_rows(len(source.columns)))
        for piece in pieces(read, rows if limit is None else min(rows, _blocks(limit)), _all, None):
            if left is None:
                yield number, piece
                continue
            yield number, piece.cut(slice(left))
            left -= min(left, len(piece.events))
            if not left:
                break


def _blocks(limit: int) -> int:
    """So many events in whole blocks."""
    return -(-limit // BLOCK) * BLOCK


def _all(events: Events) -> Events:
    return events
