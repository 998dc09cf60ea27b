"""Columns that number the events are found and said, where they would become inputs unasked."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from naetrigger.training.data.event_numbers import event_numbers
from naetrigger.training.data.formats.format import ReadOptions
from naetrigger.training.data.prepare import prepare
from naetrigger.training.data.readers import open_events
from naetrigger.training.data.settings import DataSettings
from naetrigger.training.data.survey import survey


def written(path: Path, columns: tuple[str, ...]) -> Path:
    """2000 events of physical values, and of numbers that no two events share in column `n`."""
    rng = np.random.default_rng(1)
    table = rng.normal(50, 10, (2000, len(columns)))
    if "n" in columns:
        table[:, columns.index("n")] = rng.permutation(2000)
    np.savetxt(path, table, fmt="%.5g", delimiter=",", header=",".join(columns), comments="")
    return path


def test_by_name_or_by_values() -> None:
    rng = np.random.default_rng(1)
    numbers = rng.permutation(5000).astype(np.float32)
    pt = rng.integers(0, 4096, 5000).astype(np.float32)
    met = rng.exponential(20, 5000).astype(np.float32)
    table = np.stack([numbers, pt, met, pt], axis=1)
    assert event_numbers(("n", "pt", "met", "Event_Number"), table) == ["n", "Event_Number"]
    few = table[:500]  # so few differ by chance, too
    assert event_numbers(("n", "pt", "met", "jet_pt"), few) == []


@pytest.mark.parametrize(
    ("columns", "settings", "named"),
    [
        (("ht", "met", "lumi", "n"), {}, "'lumi', 'n'"),
        (("ht", "met", "event", "n"), {"columns": ("ht", "event")}, ""),  # asked for
        (("ht", "met", "event"), {"event_id_column": "event"}, ""),
        (("ht", "met", "event_id"), {}, ""),
    ],
)
def test_the_data_stage_warns(
    columns: tuple[str, ...],
    settings: dict[str, object],
    named: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = written(tmp_path / "x.csv", columns)
    if ids := {"event", "event_id"} & set(columns) - set(settings.get("columns", ())):
        path.write_text(_whole(path.read_text(), columns.index(ids.pop())))
    (tmp_path / "out").mkdir()
    with caplog.at_level(logging.WARNING, "naetrigger"):
        prepare(DataSettings(source=str(path), **settings), tmp_path / "out")
    assert (named in caplog.text) if named else not caplog.text
    assert ("leave it out" in caplog.text) == bool(named)


def _whole(text: str, place: int) -> str:
    """The rows' numbers in one column."""
    head, *rows = (line.split(",") for line in text.splitlines())
    for number, row in enumerate(rows):
        row[place] = str(number)
    return "\n".join(",".join(row) for row in (head, *rows)) + "\n"


def test_data_info_notes_them(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", ("ht", "run", "n"))
    (found,) = survey(open_events(path, ReadOptions(keep_bad=True)))
    assert any("'run', 'n'; leave it out" in note for note in found.notes())
