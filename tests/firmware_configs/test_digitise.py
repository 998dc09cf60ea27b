"""Digitisation of whole events: exact round trips, and every refusal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naetrigger.contracts import trigger_objects
from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events
from naetrigger.firmware_configs.digitise import digitise, physical
from naetrigger.firmware_configs.trigger_scales import trigger_scales

COLUMNS = trigger_objects.COLUMNS
SCALES = trigger_scales(COLUMNS)
LOW, HIGH = trigger_objects.LIMITS.reshape(57, 2).T


def random_crossings(n: int, seed: int) -> Events:
    """Events of random integers, objects sorted, the softest ones often missing."""
    rng = np.random.default_rng(seed)
    x = rng.integers(LOW, HIGH + 1, (n, 57)).reshape(n, 19, 3)
    for kind, first in (("eg", 1), ("mu", 5), ("jet", 9)):
        end = first + {k.name: k.count for k in trigger_objects.KINDS}[kind]
        x[:, first:end, 0] = -np.sort(-x[:, first:end, 0], axis=1)
    x[rng.random((n, 19)) < np.linspace(0, 0.5, 19)] = 0
    x[x[:, :, 0] == 0] = 0
    for first, end in ((1, 5), (5, 9), (9, 19)):
        order = np.argsort(-x[:, first:end, 0], axis=1, kind="stable")
        x[:, first:end] = np.take_along_axis(x[:, first:end], order[:, :, None], axis=1)
    values = x.reshape(n, 57).astype(np.float32)
    ids = np.arange(n, dtype=np.uint64)
    return Events("zb", "background", COLUMNS, values, np.ones(n), ids, units=("hw",) * 57)


def changed(events: Events, column: str, row: int, value: float) -> Events:
    values = events.values.copy()
    values[row, COLUMNS.index(column)] = value
    return replace(events, values=values)


@given(st.integers(0, 2**32 - 1))
def test_integers_to_physical_values_and_back(seed):
    events = random_crossings(20, seed)
    there = physical(events, SCALES)
    assert there.units == trigger_objects.UNITS
    back = digitise(there, SCALES)
    np.testing.assert_array_equal(back.events.values, events.values)
    assert set(back.events.units) == {"hw"}
    assert not back.saturated
    np.testing.assert_array_equal(digitise(events, SCALES).events.values, events.values)


def test_what_is_beyond_the_range_saturates_and_is_counted() -> None:
    events = physical(random_crossings(50, 1), SCALES)
    events = changed(changed(events, "jet1_pt", 3, 5000.0), "jet1_pt", 4, 6000.0)
    events = changed(events, "jet1_eta", 3, -7.0)
    result = digitise(events, SCALES)
    assert result.saturated == {"jet1_pt": 2, "jet1_eta": 1}
    assert result.events.column("jet1_pt")[[3, 4]].tolist() == [2047, 2047]
    assert result.events.column("jet1_eta")[3] == -128


def test_missing_objects_stay_zeros() -> None:
    events = random_crossings(50, 2)
    missing = events.values.reshape(50, 19, 3)[:, :, 0] == 0
    back = digitise(physical(events, SCALES), SCALES).events.values.reshape(50, 19, 3)
    assert not back[missing].any()


def test_objects_out_of_order_are_refused_or_sorted() -> None:
    events = random_crossings(50, 3)
    x = events.values.reshape(50, 19, 3).copy()
    x[7, 9], x[7, 12] = (9, 1, 2), (300, 3, 4)
    wrong = replace(events, values=x.reshape(50, 57))
    with pytest.raises(
        InputError, match=r"not sorted .* the first in row 7: jet1_pt is 9, jet2_pt"
    ):
        digitise(wrong, SCALES)
    result = digitise(wrong, SCALES, sort_objects=True)
    assert result.sorted_rows == 1
    jets = result.events.values.reshape(50, 19, 3)[7, 9:]
    assert np.all(np.diff(jets[:, 0]) <= 0)
    assert sorted(map(tuple, jets)) == sorted(map(tuple, x[7, 9:]))  # whole objects move


def test_columns_without_a_scale_move_with_their_object() -> None:
    columns = ("mu1_pt", "mu1_eta", "mu1_charge", "mu2_charge", "mu2_pt", "mu2_eta", "n")
    values = np.array([[10, 1, -1, 1, 20, 3, 7], [30, 5, 1, -1, 20, 6, 8]], np.float32)
    ids = np.arange(2, dtype=np.uint64)
    events = Events("zb", "background", columns, values, np.ones(2), ids)
    pt_alone = trigger_scales(("mu1_pt", "mu2_pt"))
    for scales in (pt_alone, trigger_scales(columns)):
        result = digitise(events, scales, assumed="hw", sort_objects=True)
        expected = [[20, 3, 1, -1, 10, 1, 7], [30, 5, 1, -1, 20, 6, 8]]
        assert result.events.values.tolist() == expected
    lacking = replace(events, columns=("mu1_pt", "mu1_eta", "mu1_charge", "x", *columns[4:]))
    with pytest.raises(InputError, match=r"mu1 and mu2 cannot be sorted.*column of charge"):
        digitise(lacking, pt_alone, assumed="hw", sort_objects=True)


@pytest.mark.parametrize(
    ("column", "value", "units", "said"),
    [
        ("jet1_pt", -1.0, None, "'jet1_pt': holds 1 negative values, the first in row 2"),
        ("jet1_eta", np.nan, None, "'jet1_eta': row 2 holds nan"),
        ("jet1_phi", np.inf, None, "'jet1_phi': row 2 holds inf"),
        (
            "jet1_pt",
            9.5,
            "hw",
            "'jet1_pt': hardware integers are whole numbers from 0 to 2047, row 2",
        ),
        ("eg1_pt", 512, "hw", "'eg1_pt': hardware integers are whole numbers from 0 to 511, row 2"),
        ("mu1_eta", 256, "hw", "from -256 to 255, row 2 holds 256"),
        ("jet1_phi", 144, "hw", "from 0 to 143"),
        ("jet1_phi", np.nan, "hw", "from 0 to 143, row 2 holds nan"),
        ("jet1_pt", 1, "MeV", "has unit 'MeV', its input spec expects 'GeV' or 'hw'"),
        ("jet1_pt", 1, "", "states no unit.*say data.units: physical or data.units: hw"),
    ],
)
def test_bad_columns_are_named(column: str, value: float, units: str | None, said: str) -> None:
    events = random_crossings(5, 4)
    events = changed(events if units == "hw" else physical(events, SCALES), column, 2, value)
    if units is not None:
        place = COLUMNS.index(column)
        stated = (*events.units[:place], units, *events.units[place + 1 :])
        events = replace(events, units=stated)
    with pytest.raises(InputError, match=said):
        digitise(events, SCALES)


def test_columns_without_a_unit_are_what_is_said() -> None:
    events = random_crossings(30, 5)
    plain = replace(events, units=())
    np.testing.assert_array_equal(
        digitise(plain, SCALES, assumed="hw").events.values, events.values
    )
    plain = replace(physical(events, SCALES), units=())
    back = digitise(plain, SCALES, assumed="physical").events
    np.testing.assert_array_equal(back.values, events.values)


def test_an_object_of_less_than_one_step_of_pt_is_a_missing_one():
    values = np.zeros((2, 3), np.float32)
    values[0] = 0.4, 1.2, 2.0
    values[1] = 0.6, 1.2, 2.0
    columns = ("jet1_pt", "jet1_eta", "jet1_phi")
    events = Events(
        "b",
        "background",
        columns,
        values,
        np.ones(2),
        np.arange(2, dtype=np.uint64),
        units=("GeV", "1", "rad"),
    )
    found = digitise(events, trigger_scales(columns)).events.values
    assert not found[0].any()
    assert found[1].all()


def test_order_is_held_where_one_object_has_fewer_columns() -> None:
    """jet1 with its direction, jet2 with its pT alone: more pT in the second is still wrong."""
    columns = ("jet1_pt", "jet1_eta", "jet1_phi", "jet2_pt")
    rows = np.float32([[50, 3, 4, 20], [20, 3, 4, 50]])
    ids = np.arange(2, dtype=np.uint64)
    events = Events("zb", "background", columns, rows, np.ones(2), ids, units=("hw",) * 4)
    digitise(events.select(slice(0, 1)), trigger_scales(columns))
    with pytest.raises(InputError, match="in row 1: jet1_pt is 20, jet2_pt is 50"):
        digitise(events, trigger_scales(columns))
    with pytest.raises(InputError, match=r"jet1 and jet2 cannot be sorted.*eta, phi"):
        digitise(events, trigger_scales(columns), sort_objects=True)
