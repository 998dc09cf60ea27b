"""Clusters that would give other results, or none: they are refused before anything is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from naetrigger.contracts.errors import EnvironmentProblem
from naetrigger.contracts.workers import ONE_THREAD
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.dask_cluster import _connected, workers_at
from naetrigger.pipeline.dask_crew import DaskCrew
from naetrigger.pipeline.search_trial import TrialJob
from naetrigger.pipeline.training_stage import MemberJob


@dataclass(frozen=True)
class Root:
    """Square roots."""

    what: str = "it did"

    def prepare(self) -> Callable[..., Any]:
        import math

        return math.sqrt

    def sees(self) -> Mapping[str, str]:
        return {}


@pytest.mark.parametrize("threads", [1, 2])
def test_a_worker_that_does_tasks_beside_each_other_is_refused(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would share one process's random numbers, whatever its other limits are."""
    import distributed

    for name, value in ONE_THREAD.items():
        monkeypatch.setenv(name, value)
    with (
        distributed.Client(
            processes=False, n_workers=1, threads_per_worker=threads, dashboard_address=None
        ) as client,
        DaskCrew(client).pool(Root()) as pool,
    ):
        pool.ask(3, 4.0)
        if threads == 1:
            assert list(pool.answers()) == [(3, 2.0)]
            return
        with pytest.raises(EnvironmentProblem, match=r"2 tasks at once, must be 1.*--nthreads 1"):
            list(pool.answers())


SLURM = "system: slurm\njobs: 1\nmemory: 1GB\n"


@pytest.mark.parametrize(
    ("text", "command"),
    [(SLURM, "sbatch"), ("system: htcondor\njobs: 1\nmemory: 1GB\ndisk: 1GB\n", "condor_submit")],
)
def test_a_batch_system_that_is_not_here(
    tmp_path: Path, text: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dask would log a traceback, and wait for the jobs for ever."""
    farm = tmp_path / "farm.yaml"
    farm.write_text(text)
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(EnvironmentProblem, match=rf"farm\.yaml: {command} .* is not on PATH"),
        workers_at(str(farm), None),
    ):
        pass


def test_a_network_that_is_not_here_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = tmp_path / "farm.yaml"
    farm.write_text(f"{SLURM}interface: eth99\n")
    (tmp_path / "sbatch").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(EnvironmentProblem, match=r"farm\.yaml: .*'eth99' is not a valid network"),
        workers_at(str(farm), None),
    ):
        pass


def packages(**changes: str | None) -> dict[str, Any]:
    same = {"python": "3.11.7.final.0", "distributed": "2026.1", "numpy": "2.1", "cloudpickle": "3"}
    return {"packages": same | changes}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        ({"python": "3.11.2.final.0"}, None),
        ({"python": "3.12.1.final.0"}, r"python is 3\.12 at tcp://w, here 3\.11"),
        ({"numpy": None}, r"numpy is missing at tcp://w, here 2\.1"),
        ({"distributed": "2025.9"}, r"distributed is 2025\.9 at tcp://w"),
    ],
)
def test_workers_with_other_packages_are_refused(
    changes: dict[str, str | None], said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import distributed

    closed: list[bool] = []
    versions = {
        "scheduler": packages(),
        "client": packages(),
        "workers": {"tcp://w": packages(**changes)},
    }
    client = SimpleNamespace(get_versions=lambda: versions, close=lambda: closed.append(True))
    monkeypatch.setattr(distributed, "Client", lambda *_, **__: client)
    if said is None:
        assert _connected(distributed, "tcp://s:1") is client
        return
    with pytest.raises(EnvironmentProblem, match=f"tcp://s:1: .*need equal packages: {said}"):
        _connected(distributed, "tcp://s:1")
    assert closed


def test_a_cluster_for_one_member_alone_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its jobs would wait, and no work would come."""
    arguments = ["train", "jets-quickstart", "--out", str(tmp_path / "run"), "--dask", "farm.yaml"]
    assert run_command_line(arguments) == 2
    assert "ensemble.members of this recipe is 1" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_jobs_that_train_need_equal_processors(tmp_path: Path) -> None:
    anything: Any = None
    for job in (
        TrialJob(anything, tmp_path, anything),
        MemberJob(anything, tmp_path, tmp_path, tmp_path / "mark"),
    ):
        assert job.sees()["processor"], type(job).__name__
