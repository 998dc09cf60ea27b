"""Jobs of a batch system that run Dask workers: submitted, and again when they have ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from naetrigger.contracts.errors import EnvironmentProblem, MissingExtra
from naetrigger.pipeline.batch_farm import HTCondorFarm, SlurmFarm

LOST_SECONDS = 60.0  # without a worker that was there: Dask's own restart takes some


class BatchJobs:
    """The jobs of one command.

    source : what to call them in an error, the option and its file

    Raises EnvironmentProblem where there can be no cluster.
    """

    def __init__(
        self, farm: HTCondorFarm | SlurmFarm, source: str, notify: Callable[[str], None]
    ) -> None:
        self._farm, self._source, self._notify = farm, source, notify
        self._refusals: list[str] = []
        self._seen: dict[str, float] = {}
        self.cluster = batch_cluster(farm, self._refusals)

    def submit(self) -> None:
        """Submit what is missing of the farm's jobs; EnvironmentProblem where none is taken."""
        self.cluster.scale(jobs=self._farm.jobs)
        self.cluster.sync(self._settled)
        refused, said = len(self._refusals), self._refusals[-1:]
        self._refusals.clear()
        if not refused:
            return
        text = f"{self._farm.submits_by} refused {refused} jobs: {said[0]}"
        if not any(job.job_id for job in self.cluster.workers.values()):
            raise EnvironmentProblem(f"{self._source}: {text}")
        self._notify(f"dask: {text}; the work goes on with the others")

    def replace_ended(self) -> None:
        """Submit anew the jobs whose workers are gone: their time was over, or they were removed.

        A job that has never had a worker is not known to have ended.
        """
        now, there = time.monotonic(), self._with_workers()
        self._seen |= dict.fromkeys(there, now)
        ended = [name for name, last in self._seen.items() if now - last > LOST_SECONDS]
        if not ended:
            return
        for name in ended:
            del self._seen[name]
        self.cluster.sync(self.cluster.scale_down, ended)
        self._notify(f"dask: {len(ended)} jobs have ended, others are submitted in their place")
        self.submit()

    def _with_workers(self) -> set[str]:
        """Names of the jobs that have a worker now."""
        of_job = {
            f"{name}{suffix}": name
            for name, spec in self.cluster.worker_spec.items()
            for suffix in spec.get("group", [""])
        }
        return {of_job[name] for name in self.cluster.observed if name in of_job}

    async def _settled(self) -> None:
        await self.cluster


def batch_cluster(farm: HTCondorFarm | SlurmFarm, refusals: list[str]) -> Any:
    """The dask-jobqueue cluster, with a scheduler in this process and no job submitted yet.

    refusals : takes what the batch system says of each job that it does not take
    """
    try:
        import dask_jobqueue
    except ImportError as error:
        raise MissingExtra("dask_jobqueue", "distributed") from error
    kinds = {"htcondor": dask_jobqueue.HTCondorCluster, "slurm": dask_jobqueue.SLURMCluster}
    kind = kinds[farm.system]
    return kind(job_cls=_telling(kind.job_cls, refusals), **farm.options())


def _telling(kind: Any, refusals: list[str]) -> Any:
    """Jobs that tell of their refusal, which Dask logs as a traceback to wait for them for ever."""
    from distributed.core import Status

    class TellingJob(kind):  # type: ignore[misc]  # of dask-jobqueue, without types
        async def start(self) -> None:
            try:
                await super().start()
            except (OSError, RuntimeError, ValueError) as error:
                refusals.append(str(error).rpartition("stderr:")[2].strip() or str(error))
                self.status = Status.running  # else Dask submits it again and again

    return TellingJob
