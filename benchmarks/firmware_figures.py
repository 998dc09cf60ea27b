"""The firmware of finished runs: size and latency by tool, events per second by engine.

    python benchmarks/firmware_figures.py RUN [RUN ...]

Sizes are those of report.json. Speeds are measured here on the export's test vectors, in CPU time
of all threads of this process, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from markdown_table import table
from naetrigger.pipeline.engines import available, load_engine
from naetrigger.validation.report.schema import report_from_json

ENGINES = ("network", "rtl", "rtlsim")
AT_LEAST = 1.0  # seconds of each measurement


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    runs: list[Path] = parser.parse_args().runs
    sizes, speeds = [], []
    for run in runs:
        report = report_from_json((run / "validation" / "report.json").read_text())
        for figures in report.firmware:
            if figures.target == "rtl":
                cells = [figures.latency_cycles, figures.clock_ns, figures.lut, figures.ff]
                cells += [figures.dsp, figures.lut_levels]
                shown = ["" if cell is None else str(cell) for cell in cells]
                sizes.append([report.metadata.recipe, figures.tool, *shown])
        vectors = np.load(run / "export" / "vectors.npz")
        rates = [speed(run, name, vectors["inputs"], vectors["scores"]) for name in ENGINES]
        speeds.append([report.metadata.recipe, *rates])
    print(table(["run", "by", "cycles", "clock [ns]", "LUT", "FF", "DSP", "LUT levels"], sizes))
    print()
    print(table(["run", *(f"{name} [events/s]" for name in ENGINES)], speeds))


def speed(run: Path, name: str, inputs: np.ndarray, scores: np.ndarray) -> str:
    """Events per second of CPU time, in thousands; the scores are compared."""
    if name not in available(run):
        return "not there"
    engine = load_engine(run, name)
    events = np.tile(inputs, (4, 1))
    assert (engine.scores(events) == np.tile(scores, 4)).all(), f"{run}: {name} differs"
    start, done = time.process_time(), 0
    while time.process_time() - start < AT_LEAST:
        engine.scores(events)
        done += len(events)
    return f"{done / (time.process_time() - start) / 1000:.0f}k"


if __name__ == "__main__":
    main()
