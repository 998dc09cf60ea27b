"""Peak memory of the commands that stream event files, against a ceiling that a laptop has.

    python benchmarks/memory_ceilings.py RUN FILE [--workers 2]

RUN is a finished run of `l1-objects`, FILE zero bias of its layout, as benchmarks/scoring_speed.py
makes it of any size. Every command runs in a process of its own; counted is the largest sum of the
private memory (PSS: what is shared is counted once) of it and of all its children, looked at every
0.2 s. Linux only. The exit status is 1 where a ceiling is passed.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import h5py

from markdown_table import table

CEILINGS_MB = {
    "data info": 400,
    "data convert": 400,
    "score": 400,
    "rates": 600,
    "monitor": 600,
    "compare": 800,
}
BYTES_AN_EVENT = {"rates": 100}  # of what a command must keep of every event
PER_WORKER_MB = 300


@dataclass(frozen=True)
class Measured:
    """What one command took."""

    name: str
    events: int
    status: int
    peak_mb: float
    ceiling_mb: float
    cpu_s: float

    @property
    def kept(self) -> bool:
        return self.status in (0, 1) and self.peak_mb <= self.ceiling_mb


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=list(CEILINGS_MB), default=list(CEILINGS_MB))
    arguments = parser.parse_args()
    events = rows(arguments.file)
    measured = []
    for name in arguments.only:
        with tempfile.TemporaryDirectory(prefix="naetrigger-memory-") as scratch:
            command = commands(arguments, Path(scratch))[name]
            measured.append(measure(name, command, events, arguments.workers))
        print(measured[-1], flush=True)
    head = ["command", "events", "peak memory [MB]", "ceiling [MB]", "CPU [s]", "exit status"]
    lines = [
        [m.name, str(m.events), f"{m.peak_mb:.0f}", f"{m.ceiling_mb:.0f}", f"{m.cpu_s:.0f}",
         str(m.status)]
        for m in measured
    ]  # fmt: skip
    print(table(head, lines))
    sys.exit(0 if all(m.kept for m in measured) else 1)


def rows(path: Path) -> int:
    """Events of a file of naetrigger's own layout."""
    with h5py.File(path) as file:
        return sum(len(group["values"]) for group in file.values())


def commands(arguments: argparse.Namespace, scratch: Path) -> dict[str, list[str]]:
    """The arguments of each command."""
    run, file = str(arguments.run), str(arguments.file)
    at_work = ["--workers", str(arguments.workers), "--quiet"]
    return {
        "data info": ["data", "info", file],
        "data convert": ["data", "convert", file, "--out", str(scratch / "x.parquet"), "--quiet"],
        "score": ["score", run, file, "--out", str(scratch / "x.h5"), *at_work],
        "rates": ["rates", run, file, "--out", str(scratch), "--rate", "1", *at_work],
        "monitor": ["monitor", run, file, "--reference", file, "--out", str(scratch), *at_work],
        "compare": [
            *("compare", run, file, "--engines", "network,rtl", "--out", str(scratch)),
            *at_work,
        ],
    }


def measure(name: str, arguments: list[str], events: int, workers: int) -> Measured:
    """Run a command and watch its memory."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        [sys.executable, "-m", "naetrigger.pipeline.cli", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, memory_mb(process.pid))
        time.sleep(0.2)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    ceiling = (
        CEILINGS_MB[name] + workers * PER_WORKER_MB + BYTES_AN_EVENT.get(name, 0) * events / 1e6
    )
    return Measured(name, events, process.returncode, peak, ceiling, cpu)


def memory_mb(pid: int) -> float:
    """PSS of a process and of its descendants."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    own = [int(line.split()[1]) / 1e3 for line in text.splitlines() if line.startswith("Pss:")]
    return sum(own) + sum(memory_mb(int(child)) for child in children)


if __name__ == "__main__":
    main()
