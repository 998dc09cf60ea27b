"""Physical values become hardware integers and come back, exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from naetrigger.contracts import calo_regions, trigger_objects
from naetrigger.firmware_configs.scale import Scale
from naetrigger.firmware_configs.trigger_scales import (
    group_of,
    scales_to_derive,
    to_physical,
    trigger_scale,
    trigger_scales,
)

KNOWN = trigger_scales((*trigger_objects.COLUMNS, *calo_regions.COLUMNS[:1], "pix_00_00"))
SCALES = list(dict.fromkeys(KNOWN.values()))


@pytest.mark.parametrize(
    ("column", "unit", "assumed", "known"),
    [
        ("jet1_pt", "hw", None, True),
        ("jet1_pt", "GeV", None, True),
        ("jet1_pt", "MeV", None, False),
        ("jet1_pt", "", None, False),
        ("jet1_pt", "", "hw", True),
        ("jet1_pt", "", "physical", True),
        ("jet1_pt", "MeV", "hw", False),
        ("jet1_mass", "GeV", None, False),
        ("pix_00_00", "hw", None, True),
        ("pix_00_00", "1", None, False),  # a pixel of what image, in what share of what
    ],
)
def test_which_columns_a_derived_spec_counts_in_steps(column, unit, assumed, known) -> None:
    assert (column in scales_to_derive([column], [unit], assumed)) == known


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_every_integer_comes_back_through_a_float32(scale: Scale) -> None:
    n = np.arange(scale.low, scale.high + 1)
    np.testing.assert_array_equal(scale.integers(scale.physical(n).astype(np.float32)), n)
    middle = n + (0.5 if scale.round == "floor" else 0.0)  # the middle of the bin
    np.testing.assert_array_equal(scale.integers((middle * scale.lsb).astype(np.float32)), n)


@given(
    st.floats(1e-4, 1e3),
    st.integers(1, 16),
    st.booleans(),
    st.sampled_from(["floor", "nearest"]),
    st.data(),
)
def test_any_scale_brings_its_integers_back(lsb, bits, signed, how, data):
    scale = Scale(lsb=lsb, bits=bits, signed=signed, round=how)
    n = data.draw(st.integers(scale.low, scale.high))
    assert scale.integers(np.float32(scale.physical(n))) == n


def test_the_known_scales_are_those_of_the_hardware() -> None:
    integers = np.random.default_rng(0).integers(
        trigger_objects.LIMITS[:, :, 0].ravel(),
        trigger_objects.LIMITS[:, :, 1].ravel() + 1,
        (99, 57),
    )
    physical = to_physical(integers)
    for i, column in enumerate(trigger_objects.COLUMNS):
        scale = KNOWN[column]
        np.testing.assert_array_equal(scale.integers(physical[:, i]), integers[:, i], column)
        assert (scale.low, scale.high) == tuple(trigger_objects.LIMITS[i // 3, i % 3]) or (
            column == "met_eta"
        )


def test_rounding_and_range() -> None:
    pt = Scale(unit="GeV", lsb=0.5, bits=9)
    assert pt.integers([0.0, 0.49, 0.5, 0.99, 255.5, 300.0]).tolist() == [0, 0, 1, 1, 511, 511]
    assert pt.beyond(pt.nearest([255.9, 256.0])).tolist() == [False, True]
    eta = Scale(lsb=0.0435, bits=8, signed=True, round="nearest")
    assert eta.integers([-9.0, -0.03, 0.02, 0.03, 9.0]).tolist() == [-128, -1, 0, 1, 127]
    phi = Scale(unit="rad", lsb=2 * math.pi / 144, bits=8, period=144)
    assert phi.integers([0.0, -0.01, math.pi, -math.pi, 2 * math.pi]).tolist() == [
        0,
        143,
        72,
        72,
        0,
    ]
    assert not phi.beyond(phi.nearest([100.0])).any()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lsb": 0, "bits": 8}, "greater than 0"),
        ({"lsb": 1, "bits": 17}, "less than or equal to 16"),
        ({"lsb": 1, "bits": 7, "period": 144}, "needs an unsigned integer that counts to 143"),
        ({"lsb": 1, "bits": 9, "period": 144, "signed": True}, "needs an unsigned"),
        ({"lsb": 1, "bits": 8, "period": 143}, "even"),
    ],
)
def test_a_scale_that_is_none_is_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Scale.model_validate(settings)


def test_columns_by_name() -> None:
    assert trigger_scale("mu2_phi").period == 576
    assert trigger_scale("jet10_pt").bits == 11
    assert trigger_scale("jet11_pt") is None
    assert trigger_scale("tau2") is None
    assert [group_of(c) for c in ("jet3_eta", "met_pt", "reg_03_11", "tau2")] == [
        "jet_eta",
        "met_pt",
        "reg",
        "tau2",
    ]
