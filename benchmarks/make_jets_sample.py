"""Make the jets sample that ships with the package: top pairs and seven semivisible-jet points.

    python benchmarks/make_jets_sample.py --out training/data/jets.h5

Needs the extra `generate`. The defaults are those of the shipped file; the hash printed at the end
is over the stored values, so two runs with one seed on one platform print the same.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from naetrigger.training.simulate.processes import PROCESSES
from naetrigger.training.simulate.sample import content_hash, simulate_jets, write_sample


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="HDF5 file to write")
    parser.add_argument("--background", type=int, default=24_000, help="jets of each background")
    parser.add_argument("--signal", type=int, default=5_000, help="jets of each signal")
    parser.add_argument("--seed", type=int, default=14)
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)

    started = time.monotonic()
    samples = []
    for name, process in PROCESSES.items():
        wanted = arguments.background if process.role == "background" else arguments.signal
        report = ProgressLines(name, wanted)
        samples.append(simulate_jets(name, wanted, arguments.seed, report))
    write_sample(arguments.out, samples)
    size_mb = arguments.out.stat().st_size / 1e6
    print(f"{arguments.out}: {size_mb:.2f} MB in {time.monotonic() - started:.0f} s")
    print(f"content sha256 {content_hash(samples)}")


class ProgressLines:
    """One line at most every ten seconds, and one when a process is done."""

    def __init__(self, name: str, wanted: int) -> None:
        self.name, self.wanted = name, wanted
        self.started = self.last = time.monotonic()

    def __call__(self, kept: int, generated: int) -> None:
        now = time.monotonic()
        if kept < self.wanted and now - self.last < 10:
            return
        self.last = now
        rate = generated / (now - self.started)
        print(
            f"{self.name}: {kept}/{self.wanted} jets, {generated} events, {rate:.0f} events/s",
            flush=True,
        )


if __name__ == "__main__":
    main()
