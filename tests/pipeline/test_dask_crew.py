"""Dask: the same answers with a worker killed on the way, and what is refused or given up."""

from __future__ import annotations

import importlib.util
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from naetrigger.contracts.errors import EnvironmentProblem, InputError, MissingExtra
from naetrigger.contracts.events import write_events
from naetrigger.contracts.workers import ONE_THREAD, Workers
from naetrigger.pipeline import dask_crew
from naetrigger.pipeline.batch_farm import read_farm
from naetrigger.pipeline.batch_jobs import batch_cluster
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.dask_cluster import workers_at
from naetrigger.pipeline.dask_crew import Attendance, DaskCrew, do_task, unfit
from naetrigger.pipeline.scoring import score_file

_spec = importlib.util.spec_from_file_location(
    "small_run", Path(__file__).with_name("small_run.py")
)
assert _spec is not None
assert _spec.loader is not None
small_run: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(small_run)


@pytest.fixture(scope="module")
def crew() -> Iterator[DaskCrew]:
    """One local cluster of two workers for all tests here."""
    said: list[str] = []
    with workers_at("local", 2, said.append) as workers:
        assert isinstance(workers, DaskCrew)
        assert "2 workers at tcp://127.0.0.1" in said[0]
        assert "http://127.0.0.1" in said[0]
        yield workers


@dataclass(frozen=True)
class Standard:
    """A job made of a function of the standard library, which every process has."""

    module: str
    name: str
    seen: dict[str, str] = field(default_factory=dict)
    what: str = "it did"

    def prepare(self) -> Callable[..., Any]:
        import importlib

        found: Callable[..., Any] = getattr(importlib.import_module(self.module), self.name)
        return found

    def sees(self) -> Mapping[str, str]:
        return self.seen


class Sees(dict[str, str]):
    """Stands for a folder: what is there depends on the process that looks."""

    def __reduce__(self) -> Any:
        return dict, ((("run/manifest.json", "another"),),)


def test_a_killed_worker_costs_its_own_chunk(crew: DaskCrew, tmp_path: Path) -> None:
    """Scores by one process, and by two workers of which one is killed half-way.

    benchmarks/cluster_equality.py does the same with events that are simulated, too.
    """
    root = small_run.make_run(tmp_path / "run")
    events = tmp_path / "events.h5"
    write_events(events, [small_run.crossings(30_000, seed=5)])
    pids = crew._client.run(os.getpid)
    killed: list[int] = []

    class KillsHalfWay:
        def start(self, label: str, total: int) -> None: ...

        def update(self, done: int, **values: float) -> None:
            if done >= 8192 and not killed:
                killed.append(sorted(pids.values())[0])
                os.kill(killed[0], signal.SIGKILL)

    score_file(root, events, tmp_path / "alone.h5", rows=4096)
    out = tmp_path / "crew.h5"
    score_file(root, events, out, workers=crew, rows=4096, progress=KillsHalfWay())
    assert killed
    assert out.read_bytes() == (tmp_path / "alone.h5").read_bytes()


def test_tasks_are_asked_ahead_and_answered(crew: DaskCrew) -> None:
    with crew.pool(Standard("math", "sqrt")) as pool:
        assert list(pool.answers(patience=0)) == []
        numbers = iter(range(100))
        while pool.idle:
            number = next(numbers)
            pool.ask(number, float(number**2))
        asked = pool.in_work
        assert len(asked) >= 2
        found: dict[int, Any] = {}
        while pool.busy:
            found |= dict(pool.answers())
        assert found == {number: float(number) for number in asked}


def test_workers_have_one_thread(crew: DaskCrew) -> None:
    with crew.pool(Standard("os", "getenv")) as pool:
        pool.ask(0, "OMP_NUM_THREADS")
        assert list(pool.answers()) == [(0, "1")]


def test_slow_tasks_leave_room_for_a_word_of_progress(crew: DaskCrew) -> None:
    with crew.pool(Standard("time", "sleep")) as pool:
        pool.ask(0, 3.0)
        start = time.monotonic()
        assert list(pool.answers(patience=0.5)) == []
        assert time.monotonic() - start < 3.0


def test_a_task_that_kills_its_workers_is_given_up(crew: DaskCrew) -> None:
    async def impatient(dask_scheduler: Any) -> None:
        dask_scheduler.allowed_failures = 0

    crew._client.run_on_scheduler(impatient)
    with crew.pool(Standard("os", "abort")) as pool:
        pool.ask(17)
        with pytest.raises(EnvironmentProblem, match=r"1 Dask workers ended .* while it did 17"):
            list(pool.answers())


def test_a_worker_that_sees_another_folder_says_so(crew: DaskCrew) -> None:
    job = Standard("math", "sqrt", Sees({"run/manifest.json": "ours"}))
    with crew.pool(job) as pool:
        pool.ask(0, 4.0)
        with pytest.raises(
            EnvironmentProblem,
            match=r"run/manifest\.json: here another, where the command runs ours.*same paths",
        ):
            list(pool.answers())


@pytest.fixture
def worker_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """This process as a worker, which sets limits of its own; they end with the test."""
    for name in ONE_THREAD:
        monkeypatch.setenv(name, "1")
    return monkeypatch


def test_threads_and_folders_are_looked_at_before_a_task(
    worker_environment: pytest.MonkeyPatch,
) -> None:
    job = Standard("math", "sqrt", {"folder": "a"})
    assert unfit(job, {"folder": "a"}) is None
    problem = unfit(Standard("math", "sqrt"), {"folder": "a"})
    assert problem is not None
    assert "folder: here nothing, where the command runs a" in problem.text
    worker_environment.setenv("OMP_NUM_THREADS", "8")
    problem, _ = do_task("some pool", job, {"folder": "a"}, (4.0,))
    assert problem is not None
    assert "OMP_NUM_THREADS is 8, must be 1" in problem.text


@dataclass(frozen=True)
class NotAllowed(Standard):
    """Sees a folder that may not be read."""

    def sees(self) -> Mapping[str, str]:
        raise PermissionError(13, "Permission denied", "/runs/mine/manifest.json")


@pytest.mark.usefixtures("worker_environment")
def test_a_folder_that_a_worker_may_not_read_is_named() -> None:
    """Raised in Dask's task, it was taken for a scheduler that is gone."""
    problem, _ = do_task("another pool", NotAllowed("math", "sqrt"), {}, (4.0,))
    assert problem is not None
    assert problem.kind == "EnvironmentProblem"
    assert "/runs/mine/manifest.json: not allowed" in problem.text


def test_an_answer_that_is_lost_with_its_worker_is_waited_for_again(crew: DaskCrew) -> None:
    with crew.pool(Standard("math", "sqrt")) as pool:
        pool.ask(0, 9.0)
        real, lost = pool._result, [True]

        def result(future: Any) -> Any:
            if lost:
                lost.clear()
                raise TimeoutError
            return real(future)

        pool._result = result  # type: ignore[method-assign]
        assert list(pool.answers()) == []
        assert list(pool.answers()) == [(0, 3.0)]


def test_a_cluster_without_workers_is_spoken_of(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    looks: list[str] = []
    watch = Attendance(said.append, "start some", lambda: looks.append("look"))
    monkeypatch.setattr(dask_crew, "ALONE_SECONDS", 1000.0)
    watch(0)
    watch(0)
    assert not said
    monkeypatch.setattr(dask_crew, "ALONE_SECONDS", 0.0)
    watch(0)
    watch(3)
    watch(0)
    assert said == ["dask: no worker for 0 min; start some"]
    assert len(looks) == 5


def test_a_scheduler_that_is_gone_ends_the_work() -> None:
    with ExitStack() as stack:
        workers = stack.enter_context(workers_at("local", 1))
        assert isinstance(workers, DaskCrew)
        pool = stack.enter_context(workers.pool(Standard("time", "sleep")))
        pool.ask(0, 60.0)
        workers._client.cluster.close()
        with pytest.raises(EnvironmentProblem, match="scheduler is gone"):
            list(pool.answers())


@pytest.mark.parametrize(
    ("dask", "workers", "said"),
    [
        ("lokal", None, "must be local, the address of a scheduler"),
        ("tcp://127.0.0.1:1", 3, "--workers: is for --dask local"),
        ("nowhere.yaml", None, r"nowhere\.yaml"),
        ("local", 0, "--workers: must be 1 to 1024"),
        (None, 0, "--workers: must be 1 to 1024"),
    ],
)
def test_options_that_mean_nothing(dask: str | None, workers: int | None, said: str) -> None:
    with pytest.raises(InputError, match=said), workers_at(dask, workers):
        pass


def test_a_scheduler_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naetrigger.pipeline.dask_cluster.CONNECT_SECONDS", 0.5)
    with (
        pytest.raises(EnvironmentProblem, match="no Dask scheduler answers there"),
        workers_at("tcp://127.0.0.1:1", None),
    ):
        pass


def test_without_dask_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(MissingExtra, match=r"naetrigger\[distributed\]"), workers_at("local", 1):
        pass
    out = tmp_path / "x.h5"
    arguments = ["data", "generate", "zero_bias", "--events", "5", "--out", str(out)]
    assert run_command_line([*arguments, "--dask", "local"]) == 3
    assert "pip install 'naetrigger[distributed]'" in capsys.readouterr().err
    assert not out.exists()


def test_without_dask_processes_are_counted() -> None:
    found: list[Workers] = []
    for asked in (None, 3):
        with workers_at(None, asked) as workers:
            found.append(workers)
    assert isinstance(found[0], int)
    assert found[1] == 3


HTCONDOR = """
system: htcondor
jobs: 20
cores: 4
memory: 8 GB
disk: 4 GB
prologue: [source /shared/venv/bin/activate]
directives: {+JobFlavour: '"workday"'}
"""
SLURM = """
system: slurm
jobs: 3
cores: 2
memory: 4GB
walltime: "04:00:00"
queue: batch
account: trigger
directives: [--constraint=avx2]
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HTCONDOR, ["MY.DaskWorkerCores = 4", '+JobFlavour = "workday"', "--nthreads 1"]),
        (SLURM, ["#SBATCH -p batch", "#SBATCH -A trigger", "-t 04:00:00", "--constraint=avx2"]),
    ],
)
def test_a_batch_system_gets_a_job_script(tmp_path: Path, text: str, expected: list[str]) -> None:
    """Nothing is submitted: the script is what dask-jobqueue would hand over."""
    path = tmp_path / "farm.yaml"
    path.write_text(text)
    cluster = batch_cluster(read_farm(path), [])
    try:
        script = cluster.job_script()
    finally:
        cluster.close()
    for line in expected:
        assert line in script
    assert "distributed.cli.dask_worker" in script


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("system: pbs", "system: must be htcondor or slurm, got 'pbs'"),
        (HTCONDOR.replace("disk", "disc"), "did you mean 'disk'"),
        (HTCONDOR.replace("8 GB", "lots"), "memory"),
        (SLURM.replace("jobs: 3", "jobs: 0"), "jobs"),
        ("- a list", "expected a mapping"),
    ],
)
def test_farms_that_cannot_be(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "farm.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_farm(path)
