"""A working folder for hostile inputs: small good files beside which the bad ones are put."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.events import write_events
from tests.pipeline.small_run import crossings, make_run

ROWS = 300
SECONDS = 300  # what takes longer hangs


@pytest.fixture(autouse=True)
def no_hanging() -> Iterator[None]:
    """A case that waits for ever fails."""

    def hangs(*_: object) -> None:
        raise TimeoutError(f"nothing happened for {SECONDS} s")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def good_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """good.csv, two.csv, events.h5 and run/: what nothing is wrong with."""
    folder = tmp_path_factory.mktemp("good")
    rng = np.random.default_rng(3)
    for name, columns in (("good", "a,b,c,d"), ("two", "x,y")):
        table = rng.normal(size=(ROWS, len(columns.split(","))))
        np.savetxt(
            folder / f"{name}.csv", table, fmt="%.3f", delimiter=",", header=columns, comments=""
        )
    write_events(folder / "events.h5", [crossings(ROWS)])
    make_run(folder / "done")
    return folder


@pytest.fixture
def working_folder(good_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the good files, and the current folder."""
    folder = tmp_path / "work"
    shutil.copytree(good_files, folder)
    monkeypatch.chdir(folder)
    return folder
