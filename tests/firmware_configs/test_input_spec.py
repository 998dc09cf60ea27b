"""Physical values become hardware integers by one formula, and the shipped specs are derived."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naetrigger.contracts.errors import InputError
from naetrigger.firmware_configs.derive_spec import derive_input_spec
from naetrigger.firmware_configs.feature import Feature
from naetrigger.firmware_configs.input_spec import (
    InputSpec,
    input_spec_names,
    load_input_spec,
)


def spec_of(*features: Feature, type: str = "fixed<8,3,RND_CONV,SAT>") -> InputSpec:
    return InputSpec(name="s", description="d", source="here", type=type, features=features)


def test_known_values():
    spec = spec_of(
        Feature(name="a", offset=1.0, shift=1), Feature(name="b", offline="log", offset=0, shift=-1)
    )
    values = [[1.0, 1.0], [2.0, np.e], [100.0, np.exp(0.5)]]
    # (x - 1) / 2 and 2 log(x), in steps of 1/32, ending at 127/32
    expected = [[0, 0], [16, 64], [127, 32]]
    np.testing.assert_array_equal(spec.mantissas(values), expected)
    np.testing.assert_array_equal(spec.inputs(values), np.array(expected) / 32)
    assert spec.saturated(values) == {"a": pytest.approx(1 / 3), "b": 0.0}


@given(st.integers(-(2**9), 2**9 - 1), st.integers(-8, 8), st.integers(-512, 512))
def test_hardware_values_come_back_exactly(mantissa, shift, offset):
    """x = offset + q 2^shift has the mantissa of q: nothing is lost on the way in."""
    spec = spec_of(
        Feature(name="a", offset=offset / 64, shift=shift), type="fixed<10,3,RND_CONV,SAT>"
    )
    x = offset / 64 + mantissa / 128 * 2.0**shift
    assert spec.mantissas([[x]])[0, 0] == mantissa


def test_derived_inputs_have_zero_mean_and_unit_scale():
    rng = np.random.default_rng(1)
    table = np.stack([rng.normal(40, 13, 4000), np.exp(rng.normal(-3, 0.2, 4000))], axis=1)
    spec = derive_input_spec("s", ("a", "b"), table, offline={"b": "log"})
    scaled = spec.scaled(table)
    assert np.all(np.abs(scaled.mean(axis=0)) < 1 / 64)
    assert np.all((scaled.std(axis=0) > 0.5) & (scaled.std(axis=0) <= 1.0))


def test_a_spec_survives_its_yaml(tmp_path):
    spec = derive_input_spec("s", ("a",), np.arange(10.0)[:, None])
    path = tmp_path / "spec.yaml"
    path.write_text(spec.to_yaml())
    assert load_input_spec(str(path)) == spec


@pytest.mark.parametrize("name", input_spec_names())
def test_a_shipped_spec_is_usable(name):
    spec = load_input_spec(name)
    assert spec.name == name
    assert spec.fixed.overflow.value == "SAT", "an input beyond the range must not wrap"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1.0]], "expected 2 columns"),
        ([[1.0, 0.0]], "column 'b': log needs values above 0, row 0 holds 0.0; log1p takes zeros"),
        ([[np.nan, 1.0]], "NaN or infinity"),
    ],
)
def test_bad_values_are_refused(values, message):
    spec = spec_of(
        Feature(name="a", offset=0, shift=0), Feature(name="b", offline="log", offset=0, shift=0)
    )
    with pytest.raises((InputError, ValueError), match=message):
        spec.mantissas(values)


def test_a_constant_column_is_refused():
    with pytest.raises(InputError, match="column 'a': is constant"):
        derive_input_spec("s", ("a",), np.ones((5, 1)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "key 'a' stands twice"),
        ("a: &x 1\nb: *x\n", "aliases"),
        ("- 1\n", "expected a mapping"),
        ("a: [1\n", "not valid YAML"),
        ("a: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
        ("a: " + "[" * 20000, "not valid YAML"),
    ],
)
def test_hostile_yaml_is_refused(tmp_path, text, message):
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_input_spec(str(path))


def test_a_format_that_is_none_is_refused(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(
        spec_of(Feature(name="a", offset=0, shift=0)).to_yaml().replace("fixed", "fxed")
    )
    with pytest.raises(InputError, match="is no fixed-point format"):
        load_input_spec(str(path))
