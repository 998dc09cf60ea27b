"""A batch system that Dask workers are asked from: the file behind `--dask FILE.yaml`.

system: htcondor
jobs: 20
cores: 4
memory: 8 GB
disk: 4 GB
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationError

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.settings import Matching, Settings
from naetrigger.firmware_configs.problems import problem_lines
from naetrigger.firmware_configs.shipped import parse_yaml, read_text

Size = Annotated[
    str, Matching(r"[0-9]+(\.[0-9]+)? ?[kMGT]i?B", "a number with its unit, as 4GB or 500 MiB")
]
Walltime = Annotated[
    str, Matching(r"([0-9]+-)?[0-9]{1,3}:[0-9]{2}:[0-9]{2}", "hours:minutes:seconds, as 02:00:00")
]


class BatchFarm(Settings):
    """What every batch system is told."""

    jobs: int = Field(ge=1, le=100_000)
    """Jobs to submit; workers join as they start, and the work goes on with those there are. A job
    that ends while there is work is submitted again."""

    cores: int = Field(1, ge=1, le=256)
    """Cores of a job, and workers in it: each has one thread."""

    memory: Size
    """Memory of a job, as in 8 GB."""

    prologue: tuple[str, ...] = ()
    """Shell lines before the workers start, as in `source /path/to/venv/bin/activate`."""

    python: str | None = None
    """The Python of the workers; absent: the one the command runs with."""

    interface: str | None = None
    """Network interface the scheduler listens on, as in eth0."""

    scratch: str | None = None
    """Fast local folder of the workers, as in $TMPDIR."""

    logs: str | None = None
    """Folder of the jobs' logs."""

    def options(self) -> dict[str, Any]:
        """As dask-jobqueue takes them."""
        found = {
            "cores": self.cores,
            "processes": self.cores,
            "memory": self.memory,
            "job_script_prologue": list(self.prologue),
            "python": self.python,
            "interface": self.interface,
            "local_directory": self.scratch,
            "log_directory": self.logs,
        }
        return {name: value for name, value in found.items() if value is not None}


class HTCondorFarm(BatchFarm):
    """HTCondor."""

    submits_by: ClassVar[str] = "condor_submit"
    listed_by: ClassVar[str] = "condor_q"
    system: Literal["htcondor"]

    disk: Size
    """Disk of a job."""

    directives: Mapping[str, str] = Field(default_factory=dict)
    """Further lines of the submit file, as in `+JobFlavour: '"workday"'`."""

    def options(self) -> dict[str, Any]:
        """As dask-jobqueue takes them."""
        return {
            **super().options(),
            "disk": self.disk,
            "job_extra_directives": dict(self.directives),
        }


class SlurmFarm(BatchFarm):
    """Slurm."""

    submits_by: ClassVar[str] = "sbatch"
    listed_by: ClassVar[str] = "squeue --me"
    system: Literal["slurm"]

    walltime: Walltime = "02:00:00"
    """Longest time of a job; before the hours, days may stand: 1-02:00:00."""

    queue: str | None = None
    """Partition."""

    account: str | None = None
    """Whose share the jobs are counted on."""

    directives: tuple[str, ...] = ()
    """Further #SBATCH options, as in `--constraint=skylake`."""

    def options(self) -> dict[str, Any]:
        """As dask-jobqueue takes them."""
        own = {"walltime": self.walltime, "queue": self.queue, "account": self.account}
        return {
            **super().options(),
            **{name: value for name, value in own.items() if value is not None},
            "job_extra_directives": list(self.directives),
        }


SYSTEMS: dict[str, type[HTCondorFarm | SlurmFarm]] = {
    "htcondor": HTCondorFarm,
    "slurm": SlurmFarm,
}


def read_farm(path: Path) -> HTCondorFarm | SlurmFarm:
    """A farm from its file; InputError with a line for every problem."""
    document = parse_yaml(read_text(path), str(path))
    kind = SYSTEMS.get(str(document.get("system")))
    if kind is None:
        raise InputError(
            f"{path}: system: must be {' or '.join(SYSTEMS)}, got {document.get('system')!r}"
        )
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise InputError("\n".join(problem_lines(kind, error, str(path)))) from error
