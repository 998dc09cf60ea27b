"""Workers: every way to do tasks gives the same answers, errors keep their kind, none is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from naetrigger.contracts.errors import (
    AgreementError,
    EnvironmentProblem,
    InputError,
    MissingExtra,
    NaetriggerError,
    RecipeError,
    TrainingDiverged,
)
from naetrigger.contracts.workers import (
    ONE_THREAD,
    Attempt,
    Here,
    Processes,
    WorkerDefect,
    check_workers,
    interrupts_wait,
    raise_problem,
    working,
)


@dataclass(frozen=True)
class Raising:
    """A job whose tasks meet an error."""

    error: Exception
    what: str = "it raised"

    def prepare(self) -> Callable[..., Any]:
        def fail() -> None:
            raise self.error

        return fail

    def sees(self) -> Mapping[str, str]:
        return {}


@dataclass(frozen=True)
class Standard:
    """A job made of a function of the standard library, which every process has."""

    module: str
    name: str
    what: str = "it did"

    def prepare(self) -> Callable[..., Any]:
        import importlib

        found: Callable[..., Any] = getattr(importlib.import_module(self.module), self.name)
        return found

    def sees(self) -> Mapping[str, str]:
        return {}


@pytest.mark.parametrize(
    ("met", "kind"),
    [
        (AgreementError("layer 3 differs"), AgreementError),
        (TrainingDiverged("layer 3 differs"), TrainingDiverged),
        (RecipeError("layer 3 differs"), InputError),
        (EnvironmentProblem("layer 3 differs"), EnvironmentProblem),
        (NaetriggerError("layer 3 differs"), NaetriggerError),
        (OSError(28, "layer 3 differs", "/full/disk"), EnvironmentProblem),
        (FileNotFoundError(2, "layer 3 differs", "/no/file"), InputError),
        (ZeroDivisionError("layer 3 differs"), WorkerDefect),
        (OSError("layer 3 differs"), WorkerDefect),
    ],
)
def test_what_a_worker_meets_keeps_its_kind(met: Exception, kind: type[Exception]) -> None:
    """The exit status of the command is that of the error."""
    problem, answer = Attempt(Raising(met))(())
    assert answer is None
    with pytest.raises(kind, match="layer 3 differs") as caught:
        raise_problem(problem)
    assert type(caught.value) is kind


def test_a_worker_without_memory_is_the_machines_problem() -> None:
    problem, _ = Attempt(Raising(MemoryError()))(())
    with pytest.raises(EnvironmentProblem, match="not enough memory; fewer --workers need less"):
        raise_problem(problem)


def test_a_defect_travels_with_its_traceback() -> None:
    """For --debug; the command line says that it is a defect, and ends with status 3."""
    problem, _ = Attempt(Raising(ZeroDivisionError("oops")))(())
    with pytest.raises(WorkerDefect, match="ZeroDivisionError: oops") as caught:
        raise_problem(problem)
    shown = "".join(traceback.format_exception(caught.value))
    assert "In the worker:\nTraceback" in shown
    assert "raise self.error" in shown


def test_a_missing_extra_travels_with_its_text() -> None:
    problem, _ = Attempt(Raising(MissingExtra("optuna", "search")))(())
    with pytest.raises(EnvironmentProblem, match=r"naetrigger\[search\]"):
        raise_problem(problem)


def test_here_does_what_it_is_asked() -> None:
    with working(Standard("math", "sqrt"), 1, here=True) as pool:
        assert isinstance(pool, Here)
        assert pool.idle
        pool.ask(7, 9.0)
        assert (pool.idle, pool.busy, pool.in_work) == (False, True, [7])
        assert list(pool.answers()) == [(7, 3.0)]
        assert (pool.idle, pool.busy) == (True, False)


def test_processes_have_one_thread_and_answer() -> None:
    before = dict(os.environ)
    with working(Standard("os", "getenv"), 2) as pool:
        assert isinstance(pool, Processes)
        assert dict(os.environ) == before  # the limits are the workers' alone
        for number, name in enumerate(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")):
            assert pool.idle
            pool.ask(number, name)
        assert not pool.idle
        found: dict[int, Any] = {}
        while pool.busy:
            found |= dict(pool.answers(patience=0.01))
    assert found == {0: "1", 1: "1"}
    assert set(ONE_THREAD.values()) == {"1"}


def test_an_answer_that_cannot_travel_is_said() -> None:
    with working(Standard("threading", "Lock"), 1) as pool:
        pool.ask(3)
        with pytest.raises(WorkerDefect, match=r"cannot pickle '_thread\.lock'"):
            list(pool.answers())


def test_a_process_that_dies_is_named() -> None:
    with working(Standard("os", "abort"), 1) as pool:
        pool.ask(3)
        with pytest.raises(EnvironmentProblem, match=r"while it did 3 \(exit code -6"):
            list(pool.answers())


def test_a_process_that_was_killed_is_named_when_it_is_asked() -> None:
    with working(Standard("math", "sqrt"), 1) as pool:
        assert isinstance(pool, Processes)
        (process,) = pool._processes.values()
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        with pytest.raises(EnvironmentProblem, match=f"{process.pid} ended while it did 0"):
            _asked(pool, 4.0)


def _asked(pool: Processes, *arguments: Any) -> list[tuple[int, Any]]:
    pool.ask(0, *arguments)  # it may be told here or below, as the pipe has it
    return list(pool.answers())


@pytest.mark.parametrize("count", [0, -1, 1025])
def test_impossible_numbers_of_workers_are_refused(count: int) -> None:
    with pytest.raises(InputError, match="--workers: must be 1 to 1024"):
        check_workers(count)
    with (
        pytest.raises(InputError, match="--workers: must be 1 to 1024"),
        working(Standard("math", "sqrt"), count),
    ):
        pass  # without a worker this would wait for ever


INTERRUPTED = """
import os, signal
from naetrigger.contracts.workers import working
from test_workers import Standard
if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda number, frame: None)
    with working(Standard("math", "sqrt"), 1) as pool:
        os.killpg(0, signal.SIGINT)
        pool.ask(0, 9.0)
        print(*pool.answers())
"""


def test_ctrl_c_while_processes_start_is_the_parents_alone(tmp_path: Path) -> None:
    """A terminal sends it to all of them, and theirs are still at their imports."""
    (tmp_path / "run.py").write_text(INTERRUPTED)
    search = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(tmp_path / "run.py")],
        env={**os.environ, "PYTHONPATH": search},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        start_new_session=True,
    )
    assert (done.stdout, done.stderr) == ("(0, 3.0)\n", "")


@pytest.mark.parametrize("threads", [0, 3])
def test_ctrl_c_is_met_when_the_block_is_left(threads: int) -> None:
    """Another thread, begun before the block, may be given the signal."""
    met: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: met.append(number))
    end = threading.Event()
    others = [threading.Thread(target=end.wait) for _ in range(threads)]
    for other in others:
        other.start()
    try:
        with interrupts_wait():
            os.kill(os.getpid(), signal.SIGINT)
            sum(range(10_000))  # time for a handler to be called
            assert not met
        assert met == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)
        end.set()
        for other in others:
            other.join()
