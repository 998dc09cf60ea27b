"""Streaming needs no more memory for more events; benchmarks/memory_ceilings.py has 10^7."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from naetrigger.contracts.event_stream import event_writer
from naetrigger.pipeline.cli import run_command_line
from tests.pipeline.small_run import crossings, make_run

FEW = 70_000  # more than is read at once
COMMANDS = {
    "info": "data info {file}",
    "convert": "data convert {file} --out {out}/x.parquet --force --quiet",
    "score": "score {run} {file} --workers 1 --out {out}/x.h5 --force --quiet",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run, and event files of which one holds four times the events of the other."""
    folder = tmp_path_factory.mktemp("memory")
    made = {"run": make_run(folder / "run"), "out": folder}
    block = crossings(FEW)
    for name, times in (("few", 1), ("many", 4)):
        made[name] = folder / f"{name}.h5"
        with event_writer(made[name]) as writer:
            for _ in range(times):
                writer.append(block)
    return made


def peak_mb(command: str) -> float:
    tracemalloc.start()
    assert run_command_line(command.split()) == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


@pytest.mark.parametrize("name", COMMANDS)
def test_four_times_the_events_need_no_more_memory(name: str, files: dict[str, Path]) -> None:
    commands = {size: COMMANDS[name].format(file=files[size], **files) for size in ("few", "many")}
    peak_mb(commands["few"])  # what is imported and kept is counted once
    few, many = peak_mb(commands["few"]), peak_mb(commands["many"])
    whole = 4 * FEW * 57 * 4 / 1e6
    assert many < 1.5 * few
    assert many < whole  # of the file as float32
