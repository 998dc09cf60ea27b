"""Tables of input specs give the spec's own mantissas."""

from __future__ import annotations

import numpy as np
import pytest

from naetrigger.firmware_configs.input_spec import InputSpec, load_input_spec
from naetrigger.firmware_configs.input_tables import input_tables


@pytest.mark.parametrize("name", ["l1-57", "l1-57-pt"])
def test_every_integer_in_range_and_the_ends(name: str) -> None:
    spec = load_input_spec(name)
    tables = input_tables(spec)
    assert tables is not None
    scales = list(spec.scales.values())
    low, high = np.array([s.low for s in scales]), np.array([s.high for s in scales])
    x = np.random.default_rng(0).integers(low, high + 1, (3000, len(scales)))
    x[0], x[1] = low, high
    values = x.astype(np.float32)
    np.testing.assert_array_equal(tables.mantissas(values), spec.mantissas(values))
    assert len(np.unique(tables.mantissas(values))) > 100


@pytest.mark.parametrize("name", ["jets8", "regions-63", "images-1600"])
def test_specs_that_are_more_than_tables_have_none(name: str) -> None:
    assert input_tables(load_input_spec(name)) is None


def test_a_logarithm_that_zero_does_not_have_is_left_to_the_spec() -> None:
    feature = {"name": "a", "lsb": 1.0, "bits": 4, "offline": "log", "offset": 0.0, "shift": 0}
    spec = InputSpec.model_validate(
        {"name": "s", "description": "", "source": "", "features": [feature]}
    )
    assert input_tables(spec) is None
