"""Workers: the same task functions at work in this process, in a few others, or on a cluster.

A :class:`Job` is what every worker is told once; a task is its number and arguments. No result may
depend on which worker does a task, nor on how many there are. The processes are spawned, not
forked, and do one task after the other, as they are told through a pipe of their own. A worker
ends when its pipe does, whichever way the parent died.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any, NamedTuple, Protocol

from naetrigger.contracts.errors import (
    AgreementError,
    EnvironmentProblem,
    InputError,
    NaetriggerError,
    TrainingDiverged,
    system_problem,
)

# One thread in each worker: a sum of floats depends on how it is split.
ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    ),
    "1",
)
STOP_SECONDS = 5.0
MOST = 1024  # workers of one machine


class Job(Protocol):
    """What all tasks of one piece of work have in common; small, frozen, and sent by value."""

    @property
    def what(self) -> str:
        """What a task does to its number, as in "it scored chunk"."""

    def prepare(self) -> Callable[..., Any]:
        """What does a task: called once in each worker, before its first one."""

    def sees(self) -> Mapping[str, str]:
        """What a worker must see as the process that asks it does: programs and files."""


class Pool(Protocol):
    """Workers at one job."""

    @property
    def idle(self) -> bool:
        """Whether another task may be asked for now."""

    @property
    def busy(self) -> bool:
        """Whether a task is in work."""

    @property
    def in_work(self) -> list[int]:
        """Numbers of the tasks in work."""

    def ask(self, number: int, *arguments: Any) -> None:
        """Give a task to an idle pool."""

    def answers(self, patience: float | None = None) -> Iterator[tuple[int, Any]]:
        """Wait until a task is done; numbers and results of those that are.

        patience : seconds after which there may be none; None: until there is one
        """

    def stop(self) -> None:
        """End all workers; tasks in work are lost."""


class Crew(Protocol):
    """Workers of another kind than this machine's processes."""

    def pool(self, job: Job) -> AbstractContextManager[Pool]:
        """They at a job, until the block is left."""


Workers = int | Crew
"""So many processes of this machine, or a crew."""


@contextmanager
def working(job: Job, workers: Workers, here: bool = False) -> Iterator[Pool]:
    """Workers at a job, ended when the block is left.

    here : whether one worker may be this process itself, as it has the threads it has

    Raises InputError for a number of processes that cannot be.
    """
    check_workers(workers)
    if not isinstance(workers, int):
        with workers.pool(job) as crew:
            yield crew
        return
    pool: Pool = Here(job) if here and workers == 1 else Processes(job, workers)
    try:
        yield pool
    finally:
        pool.stop()


def check_workers(workers: Workers) -> None:
    """InputError for a number of processes that cannot be."""
    if isinstance(workers, int) and not 1 <= workers <= MOST:
        raise InputError(f"--workers: must be 1 to {MOST}, got {workers}")


class Here:
    """Does in this process what :class:`Processes` do in theirs."""

    def __init__(self, job: Job) -> None:
        self._do = job.prepare()
        self._asked: dict[int, tuple[Any, ...]] = {}

    @property
    def idle(self) -> bool:
        return not self._asked

    @property
    def busy(self) -> bool:
        return bool(self._asked)

    @property
    def in_work(self) -> list[int]:
        return list(self._asked)

    def ask(self, number: int, *arguments: Any) -> None:
        self._asked[number] = arguments

    def answers(self, patience: float | None = None) -> Iterator[tuple[int, Any]]:
        del patience
        asked, self._asked = self._asked, {}
        for number, arguments in asked.items():
            yield number, self._do(*arguments)

    def stop(self) -> None:
        """Nothing to end."""


class Processes:
    """A few processes of this machine at work."""

    def __init__(self, job: Job, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._job = job
        self._processes: dict[Connection, Any] = {}
        self._asked: dict[Connection, int] = {}
        with one_thread_each(), interrupts_wait():
            for _ in range(count):
                ours, theirs = context.Pipe()
                target = (theirs, job, os.getpid())
                process = context.Process(target=_serve, args=target, daemon=True)
                process.start()
                theirs.close()
                self._processes[ours] = process

    @property
    def idle(self) -> bool:
        return len(self._asked) < len(self._processes)

    @property
    def busy(self) -> bool:
        return bool(self._asked)

    @property
    def in_work(self) -> list[int]:
        return list(self._asked.values())

    def ask(self, number: int, *arguments: Any) -> None:
        pipe = next(pipe for pipe in self._processes if pipe not in self._asked)
        self._asked[pipe] = number
        try:
            pipe.send(arguments)
        except OSError:
            self._lost(pipe)

    def answers(self, patience: float | None = None) -> Iterator[tuple[int, Any]]:
        for pipe in wait(list(self._asked), timeout=patience):
            assert isinstance(pipe, Connection)
            try:
                problem, answer = pipe.recv()
            except (EOFError, OSError):
                self._lost(pipe)
            raise_problem(problem)
            yield self._asked.pop(pipe), answer

    def stop(self) -> None:
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
            f"worker process {process.pid} ended while {self._job.what} {self._asked[pipe]} (exit "
            f"code {process.exitcode}; -9 is often a lack of memory, fewer --workers need less). "
            "What is finished is kept: the same command goes on from it"
        )


class Problem(NamedTuple):
    """What a task met, as it travels: the error's kind, what it said, and of a defect where."""

    kind: str
    text: str
    trace: str = ""

    @classmethod
    def of(cls, error: Exception) -> Problem:
        """What was met, as the command line takes it that meets it in its own process."""
        if isinstance(error, MemoryError):
            error = EnvironmentProblem(
                "a worker had not enough memory; fewer --workers need less, or give each more"
            )
        if isinstance(error, OSError):
            error = system_problem(error) or error
        if not isinstance(error, NaetriggerError):
            text = f"{type(error).__name__}: {error}"
            return cls(WorkerDefect.__name__, text, "".join(traceback.format_exception(error)))
        kind = next((kind for kind in KINDS if isinstance(error, kind)), NaetriggerError)
        return cls(kind.__name__, str(error))


class WorkerDefect(Exception):
    """What no task should meet; its traceback there is a note to it."""


KINDS = (AgreementError, TrainingDiverged, InputError, EnvironmentProblem)


class Attempt:
    """Does tasks of one job; what goes wrong is answered, not raised."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._do: Callable[..., Any] | None = None

    def __call__(self, arguments: tuple[Any, ...]) -> tuple[Problem | None, Any]:
        try:
            if self._do is None:
                self._do = self._job.prepare()
            return None, self._do(*arguments)
        except Exception as error:
            return Problem.of(error), None


def raise_problem(problem: Problem | None) -> None:
    """Raise here what a task met elsewhere."""
    if problem is None:
        return
    if problem.kind == WorkerDefect.__name__:
        defect = WorkerDefect(problem.text)
        defect.add_note(f"In the worker:\n{problem.trace}")
        raise defect
    kinds = {kind.__name__: kind for kind in KINDS}
    raise kinds.get(problem.kind, NaetriggerError)(problem.text)


def _serve(pipe: Connection, job: Job, parent: int) -> None:
    """A worker's life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which ends this
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    attempt = Attempt(job)
    while True:
        try:
            arguments = pipe.recv()
        except (EOFError, OSError):
            return
        answer = attempt(arguments)
        if os.getppid() != parent:
            return
        try:
            pipe.send(answer)
        except OSError:
            return
        except Exception as error:  # of what cannot travel
            pipe.send((Problem.of(error), None))


@contextmanager
def one_thread_each() -> Iterator[None]:
    """One thread in each process started here."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def interrupts_wait() -> Iterator[None]:
    """Ctrl-C is met when the block is left; threads and processes started in it do not meet it.

    These inherit that the signal is blocked. Other threads of this process may still be given it,
    and Python would then call its handler here: so that one waits, too.
    """
    resource_tracker.ensure_running()  # Python lets Ctrl-C through again when it starts that one
    met: list[tuple[int, FrameType | None]] = []
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    handler = signal.getsignal(signal.SIGINT)
    waits = callable(handler) and threading.current_thread() is threading.main_thread()
    if waits:
        signal.signal(signal.SIGINT, lambda number, frame: met.append((number, frame)))
    try:
        yield
    finally:
        if waits:
            signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if met and callable(handler):
            handler(*met[0])
