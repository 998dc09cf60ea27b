"""Streaming needs no more memory for more events; benchmarks/memory_ceilings.py has 10^7."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from naetrigger.contracts.events import write_events
from naetrigger.pipeline.cli import run_command_line
from naetrigger.training.data import survey
from tests.pipeline.small_run import crossings, make_run

BLOCK, TIMES = 3500, 3
FEW = 19  # blocks: more than is read at once
COMMANDS = {
    "info": "data info {file}",
    "convert": "data convert {file} --out {out}/x.parquet --force --quiet",
    "score": "score {run} {file} --workers 1 --out {out}/x.h5 --force --quiet",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run, and event files of which one holds three times the events of the other."""
    folder = tmp_path_factory.mktemp("memory")
    made = {"run": make_run(folder / "run"), "out": folder}
    write_events(folder / "block.h5", [crossings(BLOCK)])
    for name, blocks in (("few", FEW), ("many", TIMES * FEW)):
        made[name] = folder / f"{name}.h5"
        repeat(folder / "block.h5", made[name], blocks)
    return made


def repeat(source: Path, target: Path, blocks: int) -> None:
    """The same rows again and again; not packed, which would take longer than reading them."""
    with h5py.File(source) as one, h5py.File(target, "w") as many:
        many.attrs.update(one.attrs)
        group = many.create_group("zero_bias")
        group.attrs.update(one["zero_bias"].attrs)
        for name, data in one["zero_bias"].items():
            group[name] = np.concatenate([data[()]] * blocks)
            group[name].attrs.update(data.attrs)


def peak_mb(command: str) -> float:
    tracemalloc.start()
    assert run_command_line(command.split()) == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


@pytest.mark.parametrize("name", COMMANDS)
def test_three_times_the_events_need_no_more_memory(
    name: str, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "SAMPLE_VALUES", 400_000)  # is full in either file
    commands = {size: COMMANDS[name].format(file=files[size], **files) for size in ("few", "many")}
    peak_mb(commands["few"])  # what is imported and kept is counted once
    few, many = peak_mb(commands["few"]), peak_mb(commands["many"])
    assert many < 1.5 * few
