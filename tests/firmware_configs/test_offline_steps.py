"""Steps on whole tables: their algebra, and what they need of the columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter

from naetrigger.contracts import trigger_objects
from naetrigger.contracts.errors import InputError
from naetrigger.firmware_configs.derive_spec import derive_input_spec
from naetrigger.firmware_configs.offline_steps import (
    BlockSum,
    Gaussian,
    Remap,
    RotatePhi,
    columns_after,
    columns_before,
    grid_columns,
)
from naetrigger.firmware_configs.scale import Scale
from naetrigger.firmware_configs.trigger_scales import trigger_scales
from tests.firmware_configs.test_digitise import random_crossings

PIXEL = Scale(lsb=2.0**-12, bits=12)
ROTATE = RotatePhi(reference=("jet1",), objects=trigger_objects.OBJECTS)
CROSSINGS = random_crossings(300, 0)
ROTATED = derive_input_spec(
    "rotated",
    trigger_objects.COLUMNS,
    CROSSINGS.values,
    scales=trigger_scales(trigger_objects.COLUMNS),
    steps=(ROTATE,),
    constant="keep",
)


def image_table(rng: np.random.Generator, shape: tuple[int, int], n: int = 7):
    cells = grid_columns("pix", shape)
    return {c: rng.integers(0, 4096, n).astype(float) for c in cells}


def turned(values, steps):
    """The same events, turned by a whole number of calorimeter steps."""
    x = values.reshape(-1, 19, 3).copy()
    periods = np.array([kind.phi_steps for kind in trigger_objects.KIND_OF_OBJECT])
    there = x[:, :, 0] > 0
    phi = (x[:, :, 2] + steps * periods / 144) % periods
    x[:, :, 2] = np.where(there, phi, x[:, :, 2])
    return x.reshape(-1, 57)


@given(st.integers(0, 2**32 - 1), st.integers(0, 143))
def test_inputs_do_not_change_when_the_event_is_turned(seed, steps):
    """For every event, whichever objects are missing, muons as reference included."""
    values = random_crossings(40, seed).values
    np.testing.assert_array_equal(
        ROTATED.mantissas(turned(values, steps)), ROTATED.mantissas(values)
    )


def test_without_the_step_they_do() -> None:
    plain = ROTATED.model_copy(update={"steps": ()})
    values = CROSSINGS.values
    assert not np.array_equal(plain.mantissas(turned(values, 5)), plain.mantissas(values))


def test_rotation_by_hand() -> None:
    scales = trigger_scales(trigger_objects.COLUMNS)
    step = RotatePhi(reference=("jet1", "mu1"), objects=("met", "mu1", "jet1"))
    table = {
        "met_pt": np.array([5.0, 5, 5, 0]),
        "met_phi": np.array([10.0, 10, 10, 0]),
        "mu1_pt": np.array([9.0, 9, 0, 0]),
        "mu1_phi": np.array([100.0, 101, 0, 0]),
        "jet1_pt": np.array([20.0, 0, 0, 0]),
        "jet1_phi": np.array([20.0, 0, 0, 0]),
    }
    out = step.apply(table, scales)
    # relative to the jet; to the muon (101 // 4 = 25); to MET; nothing there
    assert out["met_phi"].tolist() == [134, 129, 0, 0]
    assert out["mu1_phi"].tolist() == [20, 0, 0, 0]
    assert out["jet1_phi"].tolist() == [0, 0, 0, 0]
    assert table["met_phi"].tolist() == [10, 10, 10, 0], "the table given is left alone"


def test_block_sums() -> None:
    table = image_table(np.random.default_rng(0), (4, 6))
    step = BlockSum(shape=(4, 6), block=(2, 3))
    out = step.apply(table, {})
    assert set(out) == set(grid_columns("sum", (2, 2)))
    expected = sum(table[f"pix_{r:02d}_{c:02d}"] for r in (2, 3) for c in (0, 1, 2))
    np.testing.assert_array_equal(out["sum_01_00"], expected)
    cut = BlockSum(shape=(4, 6), block=(2, 3), bits=13).apply(table, {})
    np.testing.assert_array_equal(cut["sum_01_00"], np.minimum(expected, 8191))
    scales = dict.fromkeys(step.cells, PIXEL)
    assert step.scales(scales)["sum_00_00"].bits == 15  # 6 x 4095
    wide = BlockSum(shape=(40, 40), block=(20, 20))
    with pytest.raises(InputError, match=r"400 cells of 12 bits need 21 bits.*state `bits`"):
        wide.scales(dict.fromkeys(wide.cells, PIXEL))


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5])
def test_gaussian_is_scipys(sigma: float) -> None:
    table = image_table(np.random.default_rng(1), (12, 9))
    step = Gaussian(shape=(12, 9), sigma=sigma)
    image = step.image(table)
    expected = gaussian_filter(image, (0, sigma, sigma), mode="constant", truncate=4.0)
    np.testing.assert_allclose(step.image(step.apply(table, {})), expected, rtol=1e-12)


def test_remap() -> None:
    table = {"pix_00_00": np.array([0.0, 16.0]), "other": np.array([-1.0, 3.0])}
    out = Remap(power=0.5).apply(table, {})
    assert out["pix_00_00"].tolist() == [0, 4]
    assert out["other"].tolist() == [-1, 3]
    logarithm = Remap(log_scale=4.0).apply(table, {})
    np.testing.assert_allclose(logarithm["pix_00_00"], [0, np.log(5)])
    with pytest.raises(InputError, match="'pix_00_00': remap needs values >= 0"):
        Remap(power=0.5).apply({"pix_00_00": np.array([-1.0])}, {})


def test_columns_before_and_after() -> None:
    steps = (Remap(power=0.5), BlockSum(shape=(2, 2), block=(2, 1)))
    cells = grid_columns("pix", (2, 2))
    assert columns_before(("mass", "sum_00_00"), steps) == ("mass", *cells)
    assert columns_after(("mass", *cells), steps) == ("mass", "sum_00_00", "sum_00_01")
    with pytest.raises(InputError, match="step sum: needs column 'pix_01_01'"):
        columns_after(cells[:3], steps)
    turn = RotatePhi(reference=("eg1",), objects=("eg1", "eg2"))
    assert columns_before(("eg2_phi",), (turn,)) == ("eg2_phi", "eg1_pt", "eg1_phi", "eg2_pt")


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (lambda: Remap(), "one of power and log_scale"),
        (lambda: Remap(power=1, log_scale=2), "one of power and log_scale"),
        (lambda: BlockSum(shape=(40, 40), block=(3, 4)), "does not divide"),
        (lambda: BlockSum(shape=(0, 40), block=(1, 4)), "shape must be 1 to 100"),
        (lambda: BlockSum(shape=(4, 4), block=(2, 2), into="pix"), "a prefix other than 'pix'"),
        (lambda: RotatePhi(reference=("jet1",), objects=("met",)), "'jet1' is not among"),
        (lambda: Gaussian(shape=(4, 4), sigma=0), "greater than 0"),
    ],
)
def test_steps_that_make_no_sense_are_refused(step, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        step()


def test_rotation_needs_periods_that_fit() -> None:
    table = {name: np.ones(2) for name in ("a_pt", "a_phi", "b_pt", "b_phi")}
    step = RotatePhi(reference=("a",), objects=("a", "b"))
    scales = {"a_phi": Scale(lsb=1, bits=8, period=144)}
    with pytest.raises(InputError, match="'b_phi' has no scale with a period"):
        step.apply(table, scales)
    scales["b_phi"] = Scale(lsb=1, bits=8, period=200)
    with pytest.raises(InputError, match="200 is no multiple of 144"):
        step.apply(table, scales)
