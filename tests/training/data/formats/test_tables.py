"""Parquet and calorimeter regions: what is kept, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events
from naetrigger.training.data.formats import WRITERS
from naetrigger.training.data.formats.format import ReadOptions
from naetrigger.training.data.readers import EventSource, open_events


def only(source: EventSource) -> Events:
    return source.read(source.processes[0].name)


def tops() -> Events:
    return Events(
        "tops",
        "signal",
        ("a", "b"),
        np.float32([[1, 2], [3, 4]]),
        np.array([0.1, 0.2]),
        np.array([2**64 - 1, 3], np.uint64),
        ("jet_pt",),
        np.float32([[5], [6]]),
        units=("GeV", ""),
        context_units=("GeV",),
    )


def test_csv_keeps_apart_what_no_model_sees(tmp_path: Path) -> None:
    written = tops()
    WRITERS["csv"](tmp_path / "tops.csv", [written])
    header = (tmp_path / "tops.csv").read_text().partition("\n")[0]
    assert header == "a,b,context.jet_pt,weight,event_id"
    source = open_events(tmp_path / "tops.csv")
    assert (source.columns, source.description.context_columns) == (("a", "b"), ("jet_pt",))
    read = only(source)
    assert (read.columns, read.context_columns) == (written.columns, written.context_columns)
    for name in ("values", "weights", "event_ids", "context"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))


def test_parquet_keeps_everything(tmp_path: Path) -> None:
    written = tops()
    WRITERS["parquet"](tmp_path / "f.parquet", [written])
    read = only(open_events(tmp_path / "f.parquet"))
    for name in ("process", "role", "columns", "units", "context_columns", "context_units"):
        assert getattr(read, name) == getattr(written, name)
    for name in ("values", "weights", "event_ids", "context"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))


def test_parquet_of_pandas(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1, 2, 3], "weight": [1.0, 2.0, 0.5]}, index=[4, 5, 9])
    frame.to_parquet(tmp_path / "f.parquet")
    source = open_events(tmp_path / "f.parquet")
    assert source.columns == ("x",)  # and not the row labels
    assert "weights from column 'weight'" in source.description.notes
    assert only(source).weights.tolist() == [1.0, 2.0, 0.5]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"x": ["a"]}, "column 'x' holds string, expected numbers"),
        ({"x": [[1.0]]}, "column 'x' holds list"),
        ({"x": [None], "y": [1.0]}, "column 'x' holds null|NaN"),
        ({"x": pa.array([1.0, None])}, "NaN or infinite, the first in row 1, column 'x'"),
        ({"x": [1.0], "event_id": [-1]}, "'event_id' must hold whole numbers"),
        ({"x": [1.0], "weight": [0.0]}, "weights are not positive"),
        ({"weight": [1.0]}, "holds no columns of values"),
    ],
)
def test_wrong_parquet(tmp_path: Path, columns: dict[str, object], said: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "f.parquet")
    with pytest.raises(InputError, match=said):
        only(open_events(tmp_path / "f.parquet"))


def regions_file(path: Path, **datasets: object) -> Path:
    with h5py.File(path, "w") as file:
        for name, data in datasets.items():
            file[name] = data
    return path


@pytest.mark.parametrize("shape", [(5, 18, 14), (5, 252), (5, 18, 14, 1)])
def test_regions_in_every_naming(tmp_path: Path, shape: tuple[int, ...]) -> None:
    et = np.arange(5 * 252, dtype=np.uint16).reshape(shape)
    flags = np.array([True, False, True, True, False])
    old = only(open_events(regions_file(tmp_path / "o.h5", CaloRegions=et, AcceptanceFlag=flags)))
    bits = np.zeros((5, 18, 14), bool)
    bits[2, 3, :4] = True
    new = only(open_events(regions_file(tmp_path / "n.h5", et=et, tauBits=bits, egBits=~bits)))
    for events in (old, new):
        np.testing.assert_array_equal(events.values, np.arange(5 * 252).reshape(5, 252))
        assert events.column("reg_01_02")[0] == 16  # phi 1, eta 2
        assert set(events.units) == {"hw"}
    assert old.column("acceptance").tolist() == [1, 0, 1, 1, 0]
    assert new.column("n_tau_bits").tolist() == [0, 0, 4, 0, 0]
    assert new.column("n_eg_bits").tolist() == [252, 252, 248, 252, 252]


@pytest.mark.parametrize(
    ("datasets", "said"),
    [
        ({"CaloRegions": np.zeros((5, 14, 18))}, r"must have shape \(N, 18, 14\), phi then eta"),
        ({"CaloRegions": np.full((5, 252), 0.5)}, "no hardware integers .* row 0, reg_00_00: 0.5"),
        ({"CaloRegions": np.full((5, 252), -1)}, "no hardware integers"),
        ({"CaloRegions": np.full((5, 252), np.nan)}, "no hardware integers"),
        ({"et": np.zeros((5, 252)), "tauBits": np.zeros((4, 252))}, "'tauBits' of shape"),
        ({"CaloRegions": np.array([b"x"] * 5)}, "expected numbers"),
        ({"Calo": np.zeros((5, 252))}, "no known layout: holds Calo"),
    ],
)
def test_wrong_regions(tmp_path: Path, datasets: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(InputError, match=said):
        only(open_events(regions_file(tmp_path / "f.h5", **datasets)))


def test_weight_and_id_columns_can_be_named(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0], "w": [3.0, 4.0], "evt": [8, 9]})
    frame.to_parquet(tmp_path / "f.parquet")
    frame.to_csv(tmp_path / "f.csv", index=False)
    for name in ("f.parquet", "f.csv"):
        options = ReadOptions(weight_column="w", event_id_column="evt")
        events = only(open_events(tmp_path / name, options))
        assert events.columns == ("x",)
        assert (events.weights.tolist(), events.event_ids.tolist()) == ([3, 4], [8, 9])
