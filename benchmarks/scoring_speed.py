"""How long `naetrigger score` takes for a file of 10^7 trigger events, all of it counted.

    python benchmarks/scoring_speed.py runs/l1-objects --events 10000000 --workers 2

The file repeats the zero bias of a shipped sample, block by block as it is compressed there, under
ids of its own. Reported: wall time, CPU time of all processes, the largest sum of their resident
memory, and of how many cores they had the use. Linux only.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from naetrigger.contracts.events import FORMAT, VERSION
from naetrigger.training.data.readers import source_path
from naetrigger.training.data.settings import DataSettings

PROCESS = "zero_bias"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path)
    parser.add_argument("--sample", default="l1-objects", help="a shipped sample")
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--engine", default="network")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=None, help="where the file is kept")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        file = folder / f"{arguments.sample}-{arguments.events}.h5"
        if not file.exists():
            repeat(source_path(DataSettings(source=arguments.sample)), file, arguments.events)
        report(arguments, file, folder / "scores.h5")


def repeat(sample: Path, target: Path, events: int) -> None:
    """A file of at least `events` rows of zero bias, its full blocks over and over."""
    with h5py.File(sample) as source, h5py.File(target, "w") as file:
        file.attrs.update({"format": FORMAT, "version": VERSION, "processes": [PROCESS]})
        group = file.create_group(PROCESS)
        group.attrs.update({"role": "background", "process": PROCESS})
        block = source[PROCESS]["values"].chunks[0]
        own = len(source[PROCESS]["values"]) // block  # a block that is cut short is left out
        blocks = -(-events // block)
        for name in ("values", "weights", "context"):
            copy_blocks(source[PROCESS][name], group, name, own, blocks)
        group.create_dataset(
            "event_ids",
            data=np.arange(blocks * block, dtype=np.uint64),
            chunks=(block,),
            compression="gzip",
            compression_opts=9,
            shuffle=True,
        )


def copy_blocks(source: h5py.Dataset, group: h5py.Group, name: str, own: int, blocks: int) -> None:
    """The source's first `own` blocks of rows again and again, as they are compressed."""
    rows, *rest = source.chunks
    dataset = group.create_dataset(
        name,
        (blocks * rows, *source.shape[1:]),
        source.dtype,
        chunks=source.chunks,
        compression="gzip",
        compression_opts=9,
        shuffle=True,
    )
    dataset.attrs.update(source.attrs)
    columns = range(0, source.shape[1], rest[0]) if rest else [None]
    for block in range(blocks):
        for column in columns:
            place = (block % own * rows,) if column is None else (block % own * rows, column)
            _, content = source.id.read_direct_chunk(place)
            dataset.id.write_direct_chunk((block * rows, *place[1:]), content)


def report(arguments: argparse.Namespace, file: Path, out: Path) -> None:
    """Score the file and print a line of a table."""
    command = [sys.executable, "-m", "naetrigger.pipeline.cli", "score", str(arguments.run)]
    command += [str(file), "--out", str(out), "--force", "--quiet"]
    command += ["--engine", arguments.engine, "--workers", str(arguments.workers)]
    start = time.monotonic()
    process = subprocess.Popen(command)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, resident_mb(process.pid))
        time.sleep(0.2)
    wall = time.monotonic() - start
    if process.returncode:
        sys.exit(process.returncode)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    with h5py.File(out) as scores:
        events = len(scores[PROCESS]["score"])
    out.unlink()
    print(
        "| engine | events | file [MB] | workers | wall [s] | CPU [s] | cores had | memory [MB] |"
    )
    print("|---|---|---|---|---|---|---|---|")
    print(
        f"| {arguments.engine} | {events} | {file.stat().st_size / 1e6:.0f} | {arguments.workers} "
        f"| {wall:.1f} | {cpu:.1f} | {cpu / wall:.2f} | {peak:.0f} |"
    )


def resident_mb(pid: int) -> float:
    """Memory of a process and its descendants, shared pages counted once to each."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    own = [int(line.split()[1]) / 1e3 for line in text.splitlines() if line.startswith("VmRSS")]
    return sum(own) + sum(resident_mb(int(child)) for child in children)


if __name__ == "__main__":
    main()
