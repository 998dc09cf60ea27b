"""Worker processes that make chunks and put them into a folder.

They are spawned, not forked, and do one chunk after the other, as they are told through a pipe of
their own. A worker ends when its pipe does, whichever way the parent died.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from naetrigger.contracts.errors import EnvironmentProblem, InputError, NaetriggerError
from naetrigger.training.simulate.chunks import Order, chunk_path, make_chunk, save_chunk

# Workers share out chunks, not the sums within one.
THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
STOP_SECONDS = 5.0
PATIENCE_SECONDS = 1.0


class Workers:
    """A few processes at work on chunks of one order; made by :func:`working`."""

    def __init__(self, order: Order, folder: Path, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._processes: dict[Connection, Any] = {}
        self._busy: dict[Connection, int] = {}
        with _threads_limited():
            for _ in range(count):
                ours, theirs = context.Pipe()
                process = context.Process(
                    target=_serve, args=(theirs, order, folder, os.getpid()), daemon=True
                )
                process.start()
                theirs.close()
                self._processes[ours] = process

    @property
    def idle(self) -> int:
        return len(self._processes) - len(self._busy)

    @property
    def in_work(self) -> list[int]:
        """Numbers of the chunks being made."""
        return list(self._busy.values())

    def begin(self, number: int) -> None:
        """Give a chunk to an idle worker."""
        pipe = next(pipe for pipe in self._processes if pipe not in self._busy)
        self._busy[pipe] = number
        try:
            pipe.send(number)
        except OSError:
            self._lost(pipe)

    def finished(self) -> list[int]:
        """Numbers of the chunks that are in the folder now; none after a second without one."""
        done = []
        for pipe in wait(list(self._busy), timeout=PATIENCE_SECONDS):
            assert isinstance(pipe, Connection)
            try:
                problem = pipe.recv()
            except (EOFError, OSError):
                self._lost(pipe)
            _raise(problem)
            done.append(self._busy.pop(pipe))
        return done

    def stop(self) -> None:
        """End all workers; a chunk in work is lost, a finished one is not."""
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
            f"worker process {process.pid} ended while it made chunk {self._busy[pipe]} (exit code "
            f"{process.exitcode}; -9 is often a lack of memory, fewer --workers need less). "
            "Finished chunks are kept: the same command goes on from them"
        )


class Alone:
    """Does in this process what :class:`Workers` do in theirs."""

    def __init__(self, order: Order, folder: Path) -> None:
        self._order, self._folder = order, folder
        self.in_work: list[int] = []

    @property
    def idle(self) -> int:
        return 1 - len(self.in_work)

    def begin(self, number: int) -> None:
        self.in_work = [number]

    def finished(self) -> list[int]:
        done, self.in_work = self.in_work, []
        for number in done:
            _raise(_attempt(self._order, self._folder, number))
        return done

    def stop(self) -> None:
        """Nothing to end."""


@contextmanager
def working(order: Order, folder: Path, count: int) -> Iterator[Workers | Alone]:
    """Workers, ended when the block is left."""
    workers = Workers(order, folder, count) if count > 1 else Alone(order, folder)
    try:
        yield workers
    finally:
        workers.stop()


def _serve(pipe: Connection, order: Order, folder: Path, parent: int) -> None:
    """A worker's life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which ends this
    while True:
        try:
            number = pipe.recv()
        except (EOFError, OSError):
            return
        problem = _attempt(order, folder, number)
        if os.getppid() != parent:
            return
        pipe.send(problem)


def _attempt(order: Order, folder: Path, number: int) -> tuple[str, str] | None:
    """Make a chunk; what went wrong, as kind and text."""
    try:
        save_chunk(chunk_path(folder, number), make_chunk(order, number))
    except EnvironmentProblem as error:
        return "environment", str(error)
    except InputError as error:
        return "input", str(error)
    except OSError as error:
        return "environment", f"{error.filename}: a chunk cannot be written ({error.strerror})"
    except Exception as error:
        return "defect", f"a worker met {type(error).__name__}: {error}"
    return None


def _raise(problem: tuple[str, str] | None) -> None:
    if problem is not None:
        kind, text = problem
        errors = {"input": InputError, "environment": EnvironmentProblem}
        raise errors.get(kind, NaetriggerError)(text)


@contextmanager
def _threads_limited() -> Iterator[None]:
    """One thread in each process started here, unless the environment says otherwise."""
    added = [name for name in THREAD_LIMITS if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
