"""Zero bias made and scored on a Dask cluster that loses a worker, against one process.

    python benchmarks/cluster_equality.py RUN --crossings 1000000 --folder /tmp/cluster

starts a cluster of two workers, makes the crossings and scores them by the run folder RUN, kills a
worker half-way through each, and compares the contents with what one process made. RUN must read
zero bias as trigger objects, as a run of l1-objects does. What is in the folder is not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster

from markdown_table import table
from naetrigger.contracts.manifest import sha256_of
from naetrigger.contracts.workers import one_thread_each
from naetrigger.training.simulate.sample import file_content_hash

WORKERS = 2
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Done:
    """One command: its file's content, wall and CPU seconds, and the worker that was killed."""

    step: str
    how: str
    digest: str
    seconds: float
    cpu_seconds: float
    killed: str


def main() -> int:
    options = _options()
    options.folder.mkdir(parents=True, exist_ok=True)
    found: list[Done] = []
    for how in ("one process", "cluster"):
        events = options.folder / f"{how.replace(' ', '_')}.h5"
        make = ["data", "generate", "zero_bias", "--events", str(options.crossings)]
        make += ["--seed", str(options.seed), "--out", str(events)]
        found.append(_done("generate", how, make, events, file_content_hash))
        scores = events.with_name(f"{events.stem}_scores.h5")
        # Both score the same file: its name and sum are in the output's attributes.
        source = options.folder / "one_process.h5"
        score = ["score", str(options.run), str(source), "--engine", options.engine]
        found.append(_done("score", how, [*score, "--out", str(scores)], scores, sha256_of))
    rows = [
        [d.step, d.how, d.digest[:16], f"{d.seconds:.0f}", f"{d.cpu_seconds:.0f}", d.killed]
        for d in found
    ]
    head = ["step", "how", "content (SHA-256)", "wall [s]", "CPU of it [s]", "killed"]
    text = table(head, rows)
    (options.folder / "table.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    equal = all(len({d.digest for d in found if d.step == s}) == 1 for s in ("generate", "score"))
    lost = all(d.killed for d in found if d.how == "cluster")
    print("equal" if equal else "DIFFERENT", "" if lost else "(no worker was killed)")
    return 0 if equal and lost else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a run folder that takes trigger objects")
    parser.add_argument("--crossings", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", default="rtl")
    parser.add_argument("--folder", type=Path, default=Path("runs/cluster_equality"))
    return parser.parse_args()


def _done(
    step: str, how: str, arguments: list[str], out: Path, digest: Callable[[Path], str]
) -> Done:
    """One command, unless its file and its record are there."""
    record = out.with_suffix(".json")
    if out.exists() and record.exists():
        return Done(**json.loads(record.read_text(encoding="utf-8")))
    start, before = time.monotonic(), _cpu_seconds()
    killed = _alone(arguments) if how == "one process" else _on_cluster(step, arguments, out)
    seconds, cpu = time.monotonic() - start, _cpu_seconds() - before
    done = Done(step, how, digest(out), seconds, cpu, killed)
    record.write_text(json.dumps(vars(done)), encoding="utf-8")
    return done


def _cpu_seconds() -> float:
    """Of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "naetrigger.pipeline.cli", *arguments]


def _alone(arguments: list[str]) -> str:
    subprocess.run(_command([*arguments, "--workers", "1"]), check=True)
    return ""


def _on_cluster(step: str, arguments: list[str], out: Path) -> str:
    with (
        one_thread_each(),
        LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster) as client,
    ):
        wanted = _chunks(step, arguments, out)
        arguments = [*arguments, "--dask", client.scheduler.address]
        running = subprocess.Popen(_command(arguments), stderr=subprocess.PIPE, text=True)
        killed = _kill_half_way(running, client, out, wanted)
        said = running.communicate()[1]
        sys.stderr.write(said)
        if running.returncode:
            raise SystemExit(f"{arguments[0]} failed with status {running.returncode}")
        return killed


def _kill_half_way(running: Any, client: Client, out: Path, wanted: int) -> str:
    """Kill the first worker when half of the chunks are there; which it was.

    Nobody where all chunks are there by then: nothing would be lost.
    """
    parts = out.with_name(out.name + ".parts")
    while running.poll() is None:
        count = len(list(parts.glob("chunk-*.npz"))) if parts.is_dir() else 0
        if max(wanted // 2, 1) <= count < wanted:
            pids = client.run(os.getpid)
            address = sorted(pids)[0]
            os.kill(pids[address], signal.SIGKILL)
            return f"worker {pids[address]} at {count} of {wanted} chunks"
        time.sleep(POLL_SECONDS)
    return ""


def _chunks(step: str, arguments: list[str], out: Path) -> int:
    """How many chunks the same work had, as the file of one process tells."""
    import h5py

    from naetrigger.pipeline.engines import engine_named
    from naetrigger.pipeline.score_stream import chunk_rows
    from naetrigger.training.simulate.chunks import order

    with h5py.File(out.parent / "one_process.h5") as file:
        rows, columns = next(iter(file.values()))["values"].shape
    if step == "generate":
        return -(-rows // order("zero_bias", "l1-objects", 1).events)
    engine = engine_named(arguments[arguments.index("--engine") + 1])
    return -(-rows // chunk_rows(columns, engine.slow))


if __name__ == "__main__":
    raise SystemExit(main())
