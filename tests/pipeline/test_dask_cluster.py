"""Clusters that would give other results, or none: they are refused before anything is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from naetrigger.contracts.errors import EnvironmentProblem
from naetrigger.contracts.workers import ONE_THREAD
from naetrigger.pipeline.dask_cluster import workers_at
from naetrigger.pipeline.dask_crew import DaskCrew


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
