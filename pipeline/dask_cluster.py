"""The cluster behind `--dask ADDRESS|local|FILE.yaml`: started or found, shown, left."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from naetrigger.contracts.errors import EnvironmentProblem, InputError, MissingExtra
from naetrigger.contracts.workers import Workers, check_workers, interrupts_wait, one_thread_each
from naetrigger.pipeline.batch_farm import HTCondorFarm, SlurmFarm, read_farm
from naetrigger.pipeline.batch_jobs import BatchJobs
from naetrigger.pipeline.cores import available_cores
from naetrigger.pipeline.dask_crew import Attendance, DaskCrew

LOCAL = "local"
YAML = (".yaml", ".yml")
CONNECT_SECONDS = 30
EQUAL = ("python", "dask", "distributed", "cloudpickle", "numpy")
CHUNK_BYTES = "1GB"  # chunks of events travel with their tasks, so that a lost worker loses none

Notify = Callable[[str], None]


@contextmanager
def workers_at(
    dask: str | None, workers: int | None, notify: Notify = lambda line: None
) -> Iterator[Workers]:
    """What the options --dask and --workers ask for; a cluster is left when the block is.

    Raises InputError for options that mean nothing, MissingExtra without Dask, EnvironmentProblem
    for a scheduler that cannot be reached.
    """
    if workers is not None and dask not in (None, LOCAL):
        raise InputError(f"--workers: is for --dask {LOCAL}; the workers of {dask} are what it has")
    count = available_cores() if workers is None else workers
    check_workers(count)
    if dask is None:
        yield count
        return
    with ExitStack() as stack:
        yield _crew(stack, dask, count, notify)


def _crew(stack: ExitStack, dask: str, workers: int, notify: Notify) -> DaskCrew:
    """The cluster that `dask` means; all of it is closed with the stack."""
    try:
        import dask as library
        import distributed
    except ImportError as error:
        raise MissingExtra("distributed", "distributed") from error
    config = {"distributed.admin.large-graph-warning-threshold": CHUNK_BYTES}
    stack.enter_context(library.config.set(config))
    if dask == LOCAL:
        client = distributed.Client(_local(stack, workers))
        watch = Attendance(notify, "end the command and give it again")
    elif Path(dask).suffix in YAML:
        farm = read_farm(Path(dask))
        jobs = _farmed(stack, dask, farm, notify)
        client = distributed.Client(jobs.cluster)
        advice = f"see {farm.listed_by} and the jobs' logs: they wait, or cannot start"
        watch = Attendance(notify, advice, jobs.replace_ended)
    elif ":" in dask:
        client = _connected(distributed, dask)
        watch = Attendance(notify, f"start some with: dask worker {dask} --nthreads 1")
    else:
        raise InputError(
            f"--dask: must be {LOCAL}, the address of a scheduler (tcp://HOST:8786) or a .yaml "
            f"file of a batch system, got '{dask}'"
        )
    stack.callback(client.close)
    count = len(client.nthreads())
    notify(f"dask: {count} workers at {client.scheduler.address}, watch: {client.dashboard_link}")
    if not count:
        notify("dask: waiting for the first worker")
    return DaskCrew(client, watch)


def _local(stack: ExitStack, workers: int) -> Any:
    """Workers of this machine, reached from this machine alone."""
    from distributed import LocalCluster

    scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="naetrigger-dask-"))
    with one_thread_each(), interrupts_wait():  # its processes must not meet Ctrl-C themselves
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            local_directory=scratch,
            silence_logs=logging.ERROR,
        )
        stack.callback(cluster.close)
    return cluster


def _farmed(
    stack: ExitStack, dask: str, farm: HTCondorFarm | SlurmFarm, notify: Notify
) -> BatchJobs:
    """Jobs that are submitted to a batch system that is here."""
    if shutil.which(farm.submits_by) is None:
        raise EnvironmentProblem(
            f"--dask {dask}: {farm.submits_by} of {farm.system} is not on PATH; give the command "
            "where jobs can be submitted"
        )
    try:
        jobs = BatchJobs(farm, f"--dask {dask}", notify)
    except (RuntimeError, ValueError) as error:
        raise EnvironmentProblem(f"--dask {dask}: {error}") from error
    stack.callback(jobs.cluster.close)
    jobs.submit()
    notify(f"dask: {farm.jobs} jobs of {farm.cores} workers asked from {farm.system}")
    return jobs


def _connected(distributed: Any, address: str) -> Any:
    """A client of a running scheduler with the same programs."""
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError) as error:
        raise EnvironmentProblem(
            f"--dask {address}: no Dask scheduler answers there ({error}); start one with: "
            "dask scheduler"
        ) from error
    except (ValueError, TypeError) as error:
        raise InputError(f"--dask {address}: is no address of a scheduler ({error})") from error
    differ = _differing(client.get_versions())
    if differ:
        client.close()
        raise EnvironmentProblem(
            f"--dask {address}: scheduler, workers and this process need equal packages: "
            f"{'; '.join(differ)}. Start them in the same environment"
        )
    return client


def _differing(versions: Mapping[str, Any]) -> list[str]:
    """Packages that decide whether tasks and answers are understood, where they are not equal.

    versions : as distributed's get_versions has them
    """
    ours = versions["client"]["packages"]
    others = {"the scheduler": versions["scheduler"], **versions["workers"]}
    return [
        f"{name} is {theirs} at {place}, here {_version(ours, name)}"
        for place, found in others.items()
        for name in EQUAL
        if (theirs := _version(found["packages"], name)) != _version(ours, name)
    ]


def _version(packages: Mapping[str, Any], name: str) -> str:
    """As it must be equal: of Python the first two numbers."""
    found = str(packages.get(name) or "missing")
    return ".".join(found.split(".")[:2]) if name == "python" else found
