"""Events: shapes, units, and the HDF5 layout."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events, read_events, write_events


def _events(values: np.ndarray, **more: object) -> Events:
    values = np.asarray(values, np.float32)
    n = len(values)
    return Events(
        process="zero_bias",
        role="background",
        columns=("pt", "phi"),
        values=values,
        weights=np.ones(n),
        event_ids=np.arange(n, dtype=np.uint64),
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("high", "stored"), [(32_767, "int16"), (65_535, "uint16"), (65_536, "float32")]
)
def test_hardware_integers_are_stored_as_integers_and_come_back(
    tmp_path: Path, high: int, stored: str
) -> None:
    path = tmp_path / "events.h5"
    written = _events([[0, 3], [high, 143]], units=("hw", "hw"))
    write_events(path, [written])
    with h5py.File(path) as file:
        assert file["zero_bias/values"].dtype == stored
    (read,) = read_events(path)
    np.testing.assert_array_equal(read.values, written.values)
    assert read.units == ("hw", "hw")


def test_physical_values_stay_floats_also_where_they_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.h5"
    write_events(path, [_events([[1, 2]], units=("GeV", "rad"))])
    with h5py.File(path) as file:
        assert file["zero_bias/values"].dtype == "float32"
    (read,) = read_events(path)
    assert read.unit_of("phi") == "rad"


def test_a_type_that_float32_cannot_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.h5"
    write_events(path, [_events([[1, 2]])])
    with h5py.File(path, "r+") as file:
        group = file["zero_bias"]
        columns = group["values"].attrs["columns"]
        del group["values"]
        group.create_dataset("values", data=np.array([[1, 2**30 + 1]], np.int64))
        group["values"].attrs["columns"] = columns
    with pytest.raises(InputError, match="int64"):
        read_events(path)


def test_units_are_one_a_column() -> None:
    with pytest.raises(InputError, match="1 units for 2 columns"):
        _events([[1, 2]], units=("GeV",))
    assert _events([[1, 2]]).unit_of("pt") == ""
    with pytest.raises(InputError, match="did you mean"):
        _events([[1, 2]]).unit_of("ptt")
