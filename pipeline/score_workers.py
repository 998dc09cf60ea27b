"""Worker processes that score chunks of events with one engine each.

They are spawned, not forked, compute with one thread, and answer one chunk after the other through
a pipe of their own. A worker ends when its pipe does, whichever way its parent died.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import EnvironmentProblem, NaetriggerError
from naetrigger.contracts.events import Events
from naetrigger.firmware_configs.digitise import Units
from naetrigger.pipeline.engines import WORKER_ERRORS, engine_named, load_engine
from naetrigger.pipeline.model_inputs import BLOCK, ModelInputs, model_inputs

Scores = npt.NDArray[Any]

THREAD_LIMITS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Task:
    """What every worker is told: how events of a file become scores.

    assumed : what columns are that state no unit
    decides : whether the bits of the decision are asked for, too
    """

    root: Path
    engine: str
    assumed: Units | None = None
    sort_objects: bool = False
    decides: bool = False

    def inputs(self) -> ModelInputs:
        """The inputs of the engine's model."""
        model = engine_named(self.engine).model
        return model_inputs(self.root, model, self.assumed, self.sort_objects)


@dataclass(frozen=True)
class Answer:
    """Scores of one chunk, and what saturated in it by column.

    bits : of the decision (N, K), where they are asked for
    """

    scores: Scores
    saturated: dict[str, int]
    bits: Scores | None = None


class Scorer:
    """Scores events in this process."""

    def __init__(self, task: Task) -> None:
        self._inputs = task.inputs()
        self._engine: Any = load_engine(task.root, task.engine)
        self._decides = task.decides

    def score(self, events: Events, first_row: int) -> Answer:
        """Scores of selected events that begin at `first_row` of their process.

        Blocks begin at multiples of BLOCK rows, so that sums of floats come out the same however
        a file is cut into chunks.
        """
        self._inputs.saturated.clear()
        mantissas = self._inputs.mantissas(events, first_row)
        blocks = [mantissas[start : start + BLOCK] for start in range(0, len(mantissas), BLOCK)]
        scores = np.concatenate([np.asarray(self._engine.scores(block)) for block in blocks])
        bits = None
        if self._decides:
            bits = np.concatenate([np.asarray(self._engine.decisions(block)) for block in blocks])
        return Answer(scores, dict(self._inputs.saturated), bits)


class Alone:
    """Does in this process what :class:`Workers` do in theirs."""

    def __init__(self, task: Task) -> None:
        self._scorer = Scorer(task)
        self._asked: dict[int, tuple[Events, int]] = {}

    @property
    def idle(self) -> bool:
        return not self._asked

    @property
    def busy(self) -> bool:
        return bool(self._asked)

    def ask(self, number: int, events: Events, first_row: int) -> None:
        self._asked[number] = (events, first_row)

    def answers(self) -> Iterator[tuple[int, Answer]]:
        asked, self._asked = self._asked, {}
        for number, (events, first_row) in asked.items():
            yield number, self._scorer.score(events, first_row)

    def stop(self) -> None:
        """Nothing to end."""


class Workers:
    """A few processes at work; made by :func:`working`."""

    def __init__(self, task: Task, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._processes: dict[Connection, Any] = {}
        self._asked: dict[Connection, int] = {}
        with _one_thread_each():
            for _ in range(count):
                ours, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs, task), daemon=True)
                process.start()
                theirs.close()
                self._processes[ours] = process

    @property
    def idle(self) -> bool:
        """Whether a worker has nothing to do."""
        return len(self._asked) < len(self._processes)

    @property
    def busy(self) -> bool:
        """Whether a worker has something to do."""
        return bool(self._asked)

    def ask(self, number: int, events: Events, first_row: int) -> None:
        """Give chunk `number` to an idle worker; it begins at `first_row` of its process."""
        pipe = next(pipe for pipe in self._processes if pipe not in self._asked)
        self._asked[pipe] = number
        try:
            pipe.send((number, events, first_row))
        except OSError:
            self._lost(pipe)

    def answers(self) -> Iterator[tuple[int, Answer]]:
        """Wait until at least one chunk is scored; the numbers and answers of those that are."""
        for pipe in wait(list(self._asked)):
            assert isinstance(pipe, Connection)
            try:
                problem, answer = pipe.recv()
            except (EOFError, OSError):
                self._lost(pipe)
            _raise(problem)
            yield self._asked.pop(pipe), answer

    def stop(self) -> None:
        """End all workers; chunks in work are lost."""
        for pipe, process in self._processes.items():
            pipe.close()
            process.terminate()
        for process in self._processes.values():
            process.join(STOP_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()

    def _lost(self, pipe: Connection) -> None:
        process = self._processes[pipe]
        process.join(STOP_SECONDS)
        raise EnvironmentProblem(
            f"worker process {process.pid} ended while it scored chunk {self._asked[pipe]} (exit "
            f"code {process.exitcode}; -9 is often a lack of memory, fewer --workers need less). "
            "Finished chunks are kept: the same command goes on from them"
        )


@contextmanager
def working(task: Task, count: int) -> Iterator[Workers | Alone]:
    """Workers, ended when the block is left.

    One worker is this process itself where that gives the same: an integer engine that needs no
    process of its own. Floats are always summed in a process of one thread.
    """
    kind = engine_named(task.engine)
    here = count == 1 and kind.model == "student" and not kind.isolated
    workers = Alone(task) if here else Workers(task, count)
    try:
        yield workers
    finally:
        workers.stop()


def _serve(pipe: Connection, task: Task) -> None:
    """A worker's life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which ends this
    scorer: Scorer | None = None
    while True:
        try:
            _, events, first_row = pipe.recv()
        except (EOFError, OSError):
            return
        problem, answer = None, None
        try:
            scorer = scorer or Scorer(task)
            answer = scorer.score(events, first_row)
        except NaetriggerError as error:
            problem = (error.exit_status, str(error))
        except Exception as error:
            problem = (-1, f"a worker met {type(error).__name__}: {error}")
        try:
            pipe.send((problem, answer))
        except OSError:
            return


def _raise(problem: tuple[int, str] | None) -> None:
    if problem is not None:
        status, text = problem
        raise WORKER_ERRORS.get(status, NaetriggerError)(text)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """One thread in each process started here: a sum of floats depends on how it is split."""
    before = {name: os.environ.get(name) for name in THREAD_LIMITS}
    os.environ.update(dict.fromkeys(THREAD_LIMITS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
