"""Jobs of a batch system: refused, refused in part, ended before the work is done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from naetrigger.contracts.errors import EnvironmentProblem
from naetrigger.pipeline import batch_jobs
from naetrigger.pipeline.batch_farm import read_farm
from naetrigger.pipeline.batch_jobs import BatchJobs
from naetrigger.pipeline.dask_cluster import workers_at

FARM = "system: slurm\njobs: 2\ncores: {cores}\nmemory: 1GB\n"
TAKES = 'echo "Submitted batch job $$"'
REFUSES = 'echo "sbatch: error: invalid account" >&2; exit 1'


@pytest.fixture
def batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a Slurm in it, whose `sbatch` is to be written."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    command(tmp_path / "scancel", f'echo "$1" >> {tmp_path}/cancelled')
    return tmp_path


def command(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def farm(batch: Path, cores: int = 1) -> Path:
    path = batch / "farm.yaml"
    path.write_text(FARM.format(cores=cores))
    return path


def test_refused_jobs_end_the_command(batch: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With what the batch system says, where Dask logs tracebacks and waits for ever."""
    command(batch / "sbatch", REFUSES)
    with (
        pytest.raises(
            EnvironmentProblem,
            match=r"farm\.yaml: sbatch refused 2 jobs: sbatch: error: invalid account",
        ),
        workers_at(str(farm(batch)), None),
    ):
        pass
    assert "Traceback" not in capfd.readouterr().err


def test_with_some_jobs_refused_the_others_work(batch: Path) -> None:
    command(
        batch / "sbatch",
        f"if mkdir {batch}/first 2> /dev/null; then {TAKES}; else {REFUSES}; fi",
    )
    said: list[str] = []
    with workers_at(str(farm(batch)), None, said.append):
        pass
    assert said[0] == (
        "dask: sbatch refused 1 jobs: sbatch: error: invalid account; "
        "the work goes on with the others"
    )


@pytest.mark.parametrize("cores", [1, 2])
def test_a_job_that_has_ended_is_submitted_again(
    batch: Path, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time was over: its workers were there, and are gone."""
    command(batch / "sbatch", f"echo call >> {batch}/calls; {TAKES}")
    monkeypatch.setattr(batch_jobs, "LOST_SECONDS", -1.0)
    said: list[str] = []
    jobs = BatchJobs(read_farm(farm(batch, cores)), "--dask farm.yaml", said.append)
    try:
        jobs.submit()
        first, second = sorted(jobs.cluster.worker_spec)
        jobs.replace_ended()
        assert sorted(jobs.cluster.worker_spec) == [first, second]  # these still wait
        workers = {f"{first}-{i}" for i in range(cores)} if cores > 1 else {first}
        monkeypatch.setattr(type(jobs.cluster), "observed", workers)
        monkeypatch.setattr(batch_jobs, "LOST_SECONDS", 1000.0)
        jobs.replace_ended()
        monkeypatch.setattr(type(jobs.cluster), "observed", set[Any]())
        jobs.replace_ended()
        assert first in jobs.cluster.worker_spec  # it may be a worker that starts again
        monkeypatch.setattr(batch_jobs, "LOST_SECONDS", -1.0)
        jobs.replace_ended()
        now = sorted(jobs.cluster.worker_spec)
    finally:
        jobs.cluster.close()
    assert len(now) == 2
    assert second in now
    assert first not in now
    assert (batch / "calls").read_text().split() == ["call"] * 3
    assert said == ["dask: 1 jobs have ended, others are submitted in their place"]


def test_a_job_that_cannot_be_submitted_again_ends_the_work_with_the_last_one(
    batch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(batch / "sbatch", TAKES)
    monkeypatch.setattr(batch_jobs, "LOST_SECONDS", 1000.0)
    jobs = BatchJobs(read_farm(farm(batch)), "--dask farm.yaml", lambda line: None)
    try:
        jobs.submit()
        monkeypatch.setattr(type(jobs.cluster), "observed", set(jobs.cluster.worker_spec))
        jobs.replace_ended()
        monkeypatch.setattr(type(jobs.cluster), "observed", set[Any]())
        monkeypatch.setattr(batch_jobs, "LOST_SECONDS", -1.0)
        command(batch / "sbatch", REFUSES)
        with pytest.raises(EnvironmentProblem, match="sbatch refused 2 jobs"):
            jobs.replace_ended()
    finally:
        jobs.cluster.close()
