"""A Dask cluster as workers: the tasks of :mod:`naetrigger.contracts.workers`, done there.

Dask's scheduler holds the queue and gives the task of a lost worker to another one. A task whose
workers die again and again ends the work with an error. Answers come to this process alone, which
writes what is kept; only members of an ensemble write into their own folder (training_stage.py).
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import Any

from naetrigger.contracts.errors import EnvironmentProblem
from naetrigger.contracts.workers import ONE_THREAD, Attempt, Job, Problem, raise_problem

AHEAD = 2  # tasks a thread of the cluster, so that none waits for this process
LOOK_SECONDS = 1.0
FETCH_SECONDS = 30.0  # for an answer that is done
ALONE_SECONDS = 300.0  # between words about a cluster without a worker
RETRIES = 2  # of what fails in Dask itself; a task's own errors are answers
KEPT = "What is finished is kept: the same command goes on from it"


class DaskCrew:
    """The workers of a cluster.

    client : a distributed.Client
    watch : told about once a second of work how many threads the cluster has
    """

    def __init__(self, client: Any, watch: Callable[[int], None] = lambda threads: None) -> None:
        self._client, self._watch = client, watch

    @contextmanager
    def pool(self, job: Job) -> Iterator[DaskPool]:
        """They at a job, until the block is left."""
        pool = DaskPool(self._client, job, self._watch)
        try:
            yield pool
        finally:
            pool.stop()


class DaskPool:
    """Tasks of one job on a cluster; see contracts.workers.Pool."""

    def __init__(
        self, client: Any, job: Job, watch: Callable[[int], None] = lambda threads: None
    ) -> None:
        self._client, self._job, self._watch = client, job, watch
        self._name = uuid.uuid4().hex
        self._seen = dict(job.sees())
        self._asked: dict[Any, int] = {}
        self._threads, self._looked = 0, -LOOK_SECONDS

    @property
    def idle(self) -> bool:
        return len(self._asked) < AHEAD * max(self._cluster_threads(), 1)

    @property
    def busy(self) -> bool:
        return bool(self._asked)

    @property
    def in_work(self) -> list[int]:
        return list(self._asked.values())

    def ask(self, number: int, *arguments: Any) -> None:
        future = self._client.submit(
            do_task,
            self._name,
            self._job,
            self._seen,
            arguments,
            key=f"naetrigger-{number}-{self._name}",
            retries=RETRIES,
            pure=False,
        )
        self._asked[future] = number

    def answers(self, patience: float | None = None) -> Iterator[tuple[int, Any]]:
        done = self._finished(patience)
        for future in done:
            try:
                problem, answer = self._result(future)
            except TimeoutError:  # its worker is gone with it: another one does the task
                continue
            raise_problem(problem)
            number = self._asked.pop(future)
            yield number, answer

    def stop(self) -> None:
        if self._asked and self._client.status == "running":
            with suppress(OSError):  # a scheduler that has just gone; why is said already
                self._client.cancel(list(self._asked))
        self._asked.clear()

    def _cluster_threads(self) -> int:
        """Threads of the cluster, which may grow and shrink."""
        now = time.monotonic()
        if now - self._looked > LOOK_SECONDS and self._client.status == "running":
            with _scheduler_needed():
                self._threads, self._looked = sum(self._client.nthreads().values()), now
            self._watch(self._threads)
        return self._threads

    def _finished(self, patience: float | None) -> list[Any]:
        """Futures that are done, in the order they were asked for."""
        from distributed import wait

        start = time.monotonic()
        while self._asked:
            self._cluster_threads()
            with _scheduler_needed():
                try:
                    wait(list(self._asked), LOOK_SECONDS, "FIRST_COMPLETED")
                except TimeoutError:
                    if patience is not None and time.monotonic() - start >= patience:
                        return []
                    continue
            return [future for future in self._asked if future.done()]
        return []

    def _result(self, future: Any) -> tuple[Problem | None, Any]:
        from distributed.scheduler import KilledWorker

        task = f"{self._job.what} {self._asked[future]}"
        try:
            with _scheduler_needed():
                found: tuple[Problem | None, Any] = future.result(FETCH_SECONDS)
        except (EnvironmentProblem, TimeoutError):
            raise
        except KilledWorker as error:
            raise EnvironmentProblem(
                f"{error.allowed_failures + 1} Dask workers ended one after the other while {task} "
                f"(the last was {error.last_worker.address}); often that is a lack of memory: see "
                f"the workers' logs, and give a worker more. {KEPT}"
            ) from error
        except Exception as error:
            raise EnvironmentProblem(
                f"a Dask worker could not take a task (while {task}: {type(error).__name__}: "
                f"{error}); is the same naetrigger installed there? {KEPT}"
            ) from error
        return found


@contextmanager
def _scheduler_needed() -> Iterator[None]:
    """What Dask raises without its scheduler, as one error."""
    try:
        yield
    except (CancelledError, OSError) as error:
        if isinstance(error, TimeoutError):
            raise
        raise EnvironmentProblem(
            f"the Dask scheduler is gone ({type(error).__name__}: {error}); start it again. {KEPT}"
        ) from error


_AT_WORK = threading.local()
"""The job that a worker's thread is at."""


def do_task(
    name: str, job: Job, seen: Mapping[str, str], arguments: tuple[Any, ...]
) -> tuple[Problem | None, Any]:
    """What a worker of the cluster does: see that it may, prepare once, do the task.

    name : of the pool; seen : what the process that asks sees
    """
    if getattr(_AT_WORK, "name", None) != name:
        try:
            problem = unfit(job, seen)
        except Exception as error:  # of a folder that may not be read
            problem = Problem.of(error)
        if problem is not None:
            return problem, None
        _AT_WORK.name, _AT_WORK.attempt = name, Attempt(job)
    answer: tuple[Problem | None, Any] = _AT_WORK.attempt(arguments)
    return answer


def unfit(job: Job, seen: Mapping[str, str]) -> Problem | None:
    """Why this process would do a job otherwise than the one that asks; None if it would not."""
    for limit, value in ONE_THREAD.items():
        if limit.startswith("TF_"):
            os.environ[limit] = value  # TensorFlow reads it when it is first imported
    threads = {name for name, value in ONE_THREAD.items() if os.environ.get(name) != value}
    said = [f"{name} is {os.environ.get(name, 'not set')}, must be 1" for name in sorted(threads)]
    if (beside := _tasks_beside()) > 1:
        said.append(f"it does {beside} tasks at once, must be 1")
    own = job.sees()
    said += [
        f"{name}: here {_short(own.get(name))}, where the command runs {_short(value)}"
        for name, value in seen.items()
        if own.get(name) != value
    ]
    if not said:
        return None
    text = (
        f"the Dask worker on {os.uname().nodename} (pid {os.getpid()}) would give other results: "
        f"{'; '.join(said)}. Start workers by `dask worker ADDRESS --nthreads 1` in the same "
        "environment, where the same folders are seen under the same paths"
    )
    return Problem(EnvironmentProblem.__name__, text)


def _tasks_beside() -> int:
    """Threads of this worker, whose tasks would share seeds and graphs; 1 in any other process."""
    from distributed import get_worker

    try:
        return int(get_worker().state.nthreads)
    except ValueError:
        return 1


class Attendance:
    """Watches a cluster: has ended jobs replaced, and says now and then that no worker is there.

    advice : what to do where there is none
    """

    def __init__(
        self,
        notify: Callable[[str], None],
        advice: str,
        replace_ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._notify, self._advice, self._replace_ended = notify, advice, replace_ended
        self._alone_since: float | None = None
        self._said = 0.0

    def __call__(self, threads: int) -> None:
        self._replace_ended()
        now = time.monotonic()
        if threads:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = self._said = now
        elif now - self._said >= ALONE_SECONDS:
            self._said = now
            minutes = (now - self._alone_since) / 60
            self._notify(f"dask: no worker for {minutes:.0f} min; {self._advice}")


def _short(value: str | None) -> str:
    if not value:
        return "nothing"
    return value if len(value) <= 40 else value[:37] + "..."
