"""How fast, and in how much memory, files of the 40-MHz layout and others are read, on one core.

    python benchmarks/reading_speed.py [--events 1000000] [--folder /tmp/reading]

Writes the files with h5py alone (and this program's writers), then streams each from beginning to
end with all checks. Rates are per CPU second of one thread, of a file that the system still holds
in memory. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

from naetrigger.contracts.trigger_objects import KINDS
from naetrigger.training.data.formats import WRITERS
from naetrigger.training.data.readers import open_events

BLOCK = 50_000
MEASURE = """
import json, sys, time
from pathlib import Path
from naetrigger.training.data.readers import open_events
start = time.process_time()
n = sum(len(events) for events in open_events(Path(sys.argv[1])).chunks())
seconds = time.process_time() - start
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
memory = int(status["VmHWM"].split()[0]) / 1e3  # ru_maxrss would count the parent process
print(json.dumps({"events": n, "seconds": seconds, "memory_mb": memory}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        print("| file | size [MB] | events per CPU second | peak memory [MB] |\n|---|---|---|---|")
        for name, path in files(folder, arguments.events):
            result = measure(path)
            assert result["events"] == arguments.events
            rate = result["events"] / result["seconds"]
            megabytes = path.stat().st_size / 1e6
            print(f"| {name} | {megabytes:.0f} | {rate:,.0f} | {result['memory_mb']:.0f} |")
            sys.stdout.flush()


def files(folder: Path, n: int) -> list[tuple[str, Path]]:
    """The files to be read, each with its name for the table."""
    plain = write_particles(folder / "plain.h5", n, {})
    packed = write_particles(folder / "gzip.h5", n, {"compression": "gzip", "compression_opts": 4})
    others = []
    for name in ("parquet", "csv"):
        path = folder / f"events.{name}"
        WRITERS[name](path, open_events(plain).chunks())
        others.append((name, path))
    return [
        ("particles-40mhz, not compressed", plain),
        ("particles-40mhz, gzip", packed),
        *others,
    ]


def write_particles(path: Path, n: int, options: dict[str, object]) -> Path:
    """Random events of the 40-MHz layout, written block by block with h5py alone."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        particles = file.create_dataset(
            "Particles", (n, 19, 4), "f8", chunks=(1000, 19, 4), **options
        )
        for start in range(0, n, BLOCK):
            particles[start : start + BLOCK] = events(rng, min(BLOCK, n - start))
    return path


def events(rng: np.random.Generator, n: int) -> np.ndarray:
    """Falling pT, a random number of objects of each kind."""
    parts = []
    for code, kind in enumerate(KINDS, 1):
        pt = -np.sort(-rng.exponential(20.0, (n, kind.count)), axis=1)
        there = np.arange(kind.count) < rng.integers(0, kind.count + 1, n)[:, None]
        there |= kind.name == "met"
        eta = rng.uniform(-2.4, 2.4, pt.shape) * (kind.name != "met")
        phi = rng.uniform(-np.pi, np.pi, pt.shape)
        parts.append(np.stack([pt, eta, phi, np.full(pt.shape, code)], axis=2) * there[:, :, None])
    return np.concatenate(parts, axis=1)


def measure(path: Path) -> dict[str, float]:
    """Read one file in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], check=True, capture_output=True, text=True
    )
    return dict(json.loads(done.stdout))


if __name__ == "__main__":
    main()
