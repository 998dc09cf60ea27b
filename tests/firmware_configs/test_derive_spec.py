"""Specs derived from background: exact where there are integers, as narrow as that allows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naetrigger.contracts import trigger_objects
from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import parse_fixed
from naetrigger.firmware_configs.derive_spec import circular_mean, derive_input_spec
from naetrigger.firmware_configs.input_spec import InputSpec, centred, lost_bits
from naetrigger.firmware_configs.offline_steps import BlockSum, Gaussian, Remap, grid_columns
from naetrigger.firmware_configs.scale import Scale
from naetrigger.firmware_configs.trigger_scales import trigger_scales
from tests.firmware_configs.test_digitise import random_crossings

COLUMNS = trigger_objects.COLUMNS


def every_integer(scale: Scale) -> np.ndarray:
    return np.arange(scale.low, scale.high + 1, dtype=np.float64)


def assert_exact(spec: InputSpec) -> None:
    """By trying every integer of every feature: no bit lost, none saturated."""
    for feature in spec.features:
        x = every_integer(feature.scale)
        difference = x - feature.offset
        if feature.period is not None:
            difference = centred(difference, feature.period)
        wanted = np.ldexp(difference, -feature.shift)
        np.testing.assert_array_equal(spec.fixed.quantize(wanted), wanted, feature.name)


@given(
    st.lists(
        st.tuples(st.integers(1, 16), st.booleans(), st.floats(0, 1), st.floats(1e-3, 1)),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 2**32 - 1),
)
def test_no_bit_is_ever_lost(kinds, seed):
    rng = np.random.default_rng(seed)
    columns, scales = [], {}
    for i, (bits, signed, middle, width) in enumerate(kinds):
        scale = scales[f"q{i}"] = Scale(lsb=1, bits=bits, signed=signed)
        span = scale.high - scale.low
        x = rng.normal(scale.low + middle * span, width * span, 200)
        columns.append(scale.fitted(np.rint(x).astype(np.int64)))
    spec = derive_input_spec(
        "s", tuple(scales), np.stack(columns, axis=1), scales=scales, constant="keep"
    )
    assert_exact(spec)


def test_trigger_objects_are_exact_and_the_type_no_wider_than_needed() -> None:
    events = random_crossings(500, 0)
    spec = derive_input_spec(
        "s", COLUMNS, events.values, scales=trigger_scales(COLUMNS), constant="keep"
    )
    assert_exact(spec)
    assert (
        len({f.shift for f in spec.features if f.name.startswith("jet") and "_pt" in f.name}) == 1
    )
    fixed = spec.fixed
    for width, integer in ((fixed.width - 1, fixed.integer), (fixed.width - 1, fixed.integer - 1)):
        narrower = str(replace(fixed, width=width, integer=integer))
        with pytest.raises(ValueError, match=r"needs .* fraction bits|ranges from"):
            InputSpec.model_validate(spec.model_dump() | {"type": narrower})
        assert lost_bits(spec.model_copy(update={"type": narrower}))


def test_rare_objects_are_scaled_by_those_that_are_there() -> None:
    rng = np.random.default_rng(3)
    pt = np.where(rng.random((20_000, 1)) < 0.01, rng.integers(8, 40, (20_000, 1)), 0)
    spec = derive_input_spec("s", ("mu1_pt",), pt, scales=trigger_scales(("mu1_pt",)))
    (feature,) = spec.features
    assert (feature.offset, feature.shift) == (0.0, 4)  # spread 9.2 of those there; 2.4 of all


def test_weights_count() -> None:
    x = np.array([[10.0], [30.0]] * 100)
    scales = {"reg_00_00": Scale(lsb=0.5, bits=10)}
    weights = np.tile([3.0, 1.0], 100)
    spec = derive_input_spec("s", tuple(scales), x, weights=weights, scales=scales)
    assert spec.features[0].offset == 15


def test_an_angle_is_centred_on_its_circular_mean() -> None:
    rng = np.random.default_rng(0)
    phi = np.rint(rng.normal(0, 9, 5000)) % 144  # around 0: its plain mean is nonsense
    scales = trigger_scales(("jet1_phi",))
    (feature,) = derive_input_spec("s", tuple(scales), phi[:, None], scales=scales).features
    assert feature.offset in (143.0, 0.0, 1.0)
    assert feature.shift == 4
    flat = rng.integers(0, 144, 5000)
    assert circular_mean(flat.astype(float), np.ones(5000), 144) == 0.0
    (feature,) = derive_input_spec("s", tuple(scales), flat[:, None], scales=scales).features
    assert (feature.offset, feature.shift) == (0.0, 6)


def test_constant_columns() -> None:
    x = np.stack([np.zeros(60), np.arange(60)], axis=1)
    columns = ("met_eta", "met_pt")
    with pytest.raises(InputError, match=r"'met_eta': is constant \(0\).*constant: keep"):
        derive_input_spec("s", columns, x, scales=trigger_scales(columns))
    many = tuple("abcdefgh")
    with pytest.raises(
        InputError, match=r"'a': is constant \(1\), and so are 7 more \(b, .*, \.\.\."
    ):
        derive_input_spec("s", many, np.ones((60, 8)))
    spec = derive_input_spec("s", columns, x, scales=trigger_scales(columns), constant="keep")
    assert (spec.features[0].offset, spec.features[0].shift) == (0.0, 0)
    assert not spec.inputs(x)[:, 0].any()
    kept = derive_input_spec("s", ("a",), np.full((5, 1), 2.5), constant="keep").features[0]
    assert (kept.offset, kept.shift) == (2.5, 0)


def test_cells_of_a_grid_share_one_shift_and_sums_are_exact() -> None:
    rng = np.random.default_rng(1)
    cells = grid_columns("pix", (4, 4))
    x = rng.poisson(rng.uniform(0, 300, 16), (400, 16)).astype(float)
    scales = trigger_scales(cells)
    step = BlockSum(shape=(4, 4), block=(2, 2))
    spec = derive_input_spec("s", cells, x, scales=scales, steps=(step,))
    assert len({feature.shift for feature in spec.features}) == 1
    assert [f.bits for f in spec.features] == [14] * 4
    assert spec.source_columns == cells
    assert spec.scales == scales
    assert_exact(spec)


def test_remapped_grids_get_a_type_that_holds_the_background() -> None:
    rng = np.random.default_rng(2)
    cells = grid_columns("pix", (6, 6))
    x = rng.poisson(rng.exponential(200, (500, 36))).astype(float)
    steps = (Remap(power=0.5), Gaussian(shape=(6, 6), sigma=1))
    spec = derive_input_spec("s", cells, x, scales=trigger_scales(cells), steps=steps)
    assert max(spec.saturated(x).values()) == 0
    assert parse_fixed(spec.type).fraction == 7
    assert np.all(np.abs(spec.inputs(x).mean(axis=0)) < 0.1)


def test_a_step_whose_columns_are_missing_is_named() -> None:
    step = BlockSum(shape=(2, 2), block=(2, 2))
    with pytest.raises(InputError, match="step sum: needs column 'pix_01_01'"):
        derive_input_spec("s", grid_columns("pix", (2, 2))[:3], np.ones((5, 3)), steps=(step,))
