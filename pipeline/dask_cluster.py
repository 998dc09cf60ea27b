"""The cluster behind `--dask ADDRESS|local|FILE.yaml`: started or found, shown, left."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from naetrigger.contracts.errors import EnvironmentProblem, InputError, MissingExtra
from naetrigger.contracts.workers import Workers, check_workers, one_thread_each
from naetrigger.pipeline.batch_farm import HTCondorFarm, SlurmFarm, batch_cluster, read_farm
from naetrigger.pipeline.cores import available_cores
from naetrigger.pipeline.dask_crew import DaskCrew

LOCAL = "local"
YAML = (".yaml", ".yml")
CONNECT_SECONDS = 30
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
        yield DaskCrew(_client(stack, dask, count, notify))


def _client(stack: ExitStack, dask: str, workers: int, notify: Notify) -> Any:
    """A client of the cluster that `dask` means; all of it is closed with the stack."""
    try:
        import dask as library
        import distributed
    except ImportError as error:
        raise MissingExtra("distributed", "distributed") from error
    config = {"distributed.admin.large-graph-warning-threshold": CHUNK_BYTES}
    stack.enter_context(library.config.set(config))
    if dask == LOCAL:
        client = distributed.Client(_local(stack, workers))
    elif Path(dask).suffix in YAML:
        farm = read_farm(Path(dask))
        cluster = _farmed(dask, farm)
        stack.callback(cluster.close)
        cluster.scale(jobs=farm.jobs)
        notify(f"dask: {farm.jobs} jobs of {farm.cores} workers asked from {farm.system}")
        client = distributed.Client(cluster)
    elif ":" in dask:
        client = _connected(distributed, dask)
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
    return client


def _local(stack: ExitStack, workers: int) -> Any:
    """Workers of this machine, reached from this machine alone."""
    from distributed import LocalCluster

    scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="naetrigger-dask-"))
    with one_thread_each():
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


def _farmed(dask: str, farm: HTCondorFarm | SlurmFarm) -> Any:
    """The cluster of a batch system that is here; Dask itself would wait for its jobs for ever."""
    if shutil.which(farm.submits_by) is None:
        raise EnvironmentProblem(
            f"--dask {dask}: {farm.submits_by} of {farm.system} is not on PATH; give the command "
            "where jobs can be submitted"
        )
    try:
        return batch_cluster(farm)
    except (RuntimeError, ValueError) as error:
        raise EnvironmentProblem(f"--dask {dask}: {error}") from error


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
    try:
        client.get_versions(check=True)
    except ValueError as error:
        client.close()
        raise EnvironmentProblem(
            f"--dask {address}: scheduler, workers and this process need equal packages:\n{error}"
        ) from error
    return client
