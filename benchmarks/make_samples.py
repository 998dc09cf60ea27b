"""Make the samples that ship with the package, by what `naetrigger data generate` runs.

    python benchmarks/make_samples.py

Needs the extra `generate`. The defaults are those of the shipped files; the hash printed for each
file is over the stored values, so two runs with one seed on one platform print the same, whatever
the number of workers. An interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from naetrigger.contracts.event_stream import event_writer
from naetrigger.contracts.events import read_events
from naetrigger.pipeline.terminal import watching
from naetrigger.training.simulate.generate import generate
from naetrigger.training.simulate.sample import CITATION, LABEL, file_content_hash

JET_SIGNALS = (
    "svjt_2000_r01",
    "svjt_2000_r03",
    "svjt_2000_r05",
    "svjt_2000_r07",
    "svjs_2000_r03",
    "svjt_1000_r03",
    "svjt_4000_r03",
)
TRIGGER_SIGNALS = (
    "a_4l",
    "lq_btau",
    "h0_tautau",
    "hp_taunu",
    "ttbar",
    "svjs_2000_r03",
)


@dataclass(frozen=True)
class Sample:
    """One file: rows of the background, rows of each signal."""

    view: str
    background: tuple[str, int]
    signals: tuple[str, ...]
    signal_rows: int

    def rows(self, scale: float) -> dict[str, int]:
        """Rows of each process."""
        wanted = {self.background[0]: self.background[1]}
        wanted |= dict.fromkeys(self.signals, self.signal_rows)
        return {process: max(1, round(rows * scale)) for process, rows in wanted.items()}


SAMPLES = {
    "jets": Sample("jets", ("ttbar", 50_500), JET_SIGNALS, 5_000),
    "l1-objects": Sample("l1-objects", ("zero_bias", 100_000), TRIGGER_SIGNALS, 5_000),
    "calo-regions": Sample("regions", ("zero_bias", 20_000), TRIGGER_SIGNALS, 1_000),
    "jet-images": Sample("images", ("qcd", 20_000), ("top",), 5_000),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("training/data"), help="folder of files")
    parser.add_argument("--only", choices=SAMPLES, action="append", help="some of the files")
    parser.add_argument("--scale", type=float, default=1.0, help="of all numbers of rows")
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    total = 0.0
    for name in arguments.only or SAMPLES:
        path = arguments.out / f"{name}.h5"
        start = time.monotonic()
        make_sample(name, path, arguments.scale, arguments.seed, arguments.workers)
        total += path.stat().st_size / 1e6
        print(
            f"{path}: {path.stat().st_size / 1e6:.2f} MB in {time.monotonic() - start:.0f} s, "
            f"content sha256 {file_content_hash(path)}",
            flush=True,
        )
    print(f"{total:.2f} MB in all")


def make_sample(name: str, path: Path, scale: float, seed: int, workers: int) -> None:
    """Make the processes of one file each, then put them into it."""
    sample = SAMPLES[name]
    folder = path.with_name(f"{name}.{seed}-{scale:g}.processes")
    folder.mkdir(exist_ok=True)
    for process, rows in sample.rows(scale).items():
        part = folder / f"{process}.h5"
        if not part.exists():
            with watching(silent=False, debug=False) as watcher:
                made = generate(process, rows, seed, part, sample.view, workers, watcher.progress)
            print(f"{name}: {made.rows} rows of {process} from {made.events} events", flush=True)
    with event_writer(path, {"label": LABEL, "citation": CITATION}) as writer:
        for process in sample.rows(scale):
            writer.append(*read_events(folder / f"{process}.h5"))
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
