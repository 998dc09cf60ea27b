"""Physical values become hardware integers by one formula, and the shipped specs are derived."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from naetrigger.contracts import calo_regions, trigger_objects
from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events
from naetrigger.firmware_configs.derive_spec import derive_input_spec
from naetrigger.firmware_configs.feature import Feature
from naetrigger.firmware_configs.input_spec import (
    InputSpec,
    Source,
    input_spec_names,
    load_input_spec,
)
from naetrigger.firmware_configs.offline_steps import BlockSum, Gaussian, Remap, grid_columns
from naetrigger.firmware_configs.shipped import parse_yaml
from naetrigger.firmware_configs.trigger_scales import trigger_scales


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


PT = Feature(name="jet1_pt", unit="GeV", lsb=0.5, bits=11, offset=70, shift=4)
PHI = Feature(name="jet1_phi", unit="rad", lsb=0.0436, bits=8, period=144, offset=100, shift=6)
ETA = Feature(name="jet1_eta", lsb=0.0435, bits=8, signed=True, offset=0, shift=7)


def test_hardware_integers_by_hand():
    spec = spec_of(PT, ETA, PHI, type="fixed<15,8,RND_CONV,SAT>")
    x = [[0, 0, 0], [70, -128, 100], [2047, 127, 29]]
    # (x - 70) / 16; x / 128; (x - 100) / 64 between -72 / 64 and 71 / 64
    expected = [[-70 / 16, 0, 44 / 64], [0, -1, 0], [1977 / 16, 127 / 128, -71 / 64]]
    np.testing.assert_array_equal(spec.inputs(x), expected)


@pytest.mark.parametrize(
    ("feature", "type", "said"),
    [
        (PT, "fixed<12,8,RND_CONV,SAT>", None),
        (PT, "fixed<11,8,RND_CONV,SAT>", "needs 4 fraction bits, fixed<11,8,RND_CONV,SAT> has 3"),
        (PT, "fixed<12,7,RND_CONV,SAT>", "ranges from -4.375 to 123.562, beyond"),
        (PT, "ufixed<12,8,RND_CONV,SAT>", "ranges from"),
        (PHI, "fixed<8,2,RND_CONV,SAT>", None),
        (PHI, "fixed<7,1,RND_CONV,SAT>", "ranges from -1.125 to 1.10938"),
        (PHI.model_copy(update={"offset": 0.5}), "fixed<8,2,RND_CONV,SAT>", "needs 7 fraction"),
        (ETA, "fixed<8,1,RND_CONV,SAT>", None),
        (ETA, "fixed<7,1,RND_CONV,SAT>", "needs 7 fraction bits"),
        (ETA.model_copy(update={"exact": False}), "fixed<7,1,RND_CONV,SAT>", None),
        (PT.model_copy(update={"offline": "log1p"}), "fixed<7,1,RND_CONV,SAT>", None),
    ],
)
def test_a_spec_that_loses_a_bit_refuses_itself(feature, type, said):
    if said is None:
        spec_of(feature, type=type)
        return
    with pytest.raises(ValueError, match=f"feature '{feature.name}': {re.escape(said)}"):
        spec_of(feature, type=type)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bits": None}, "lsb and bits go together"),
        ({"lsb": None}, "lsb and bits go together"),
        ({"bits": 17}, "less than or equal to 16"),
        ({"period": 4096}, "needs an unsigned integer that counts to 4095"),
        ({"period": 144, "offline": "log"}, "an angle takes no offline step"),
    ],
)
def test_a_feature_that_cannot_be_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        Feature.model_validate(PT.model_dump() | changes)


def test_a_step_that_makes_more_bits_than_the_feature_has_is_refused():
    step = BlockSum(shape=(2, 2), block=(2, 2))
    feature = Feature(name="sum_00_00", lsb=1, bits=13, offset=0, shift=0)
    pixels = Source(columns="pix_*", lsb=1, bits=12)
    with pytest.raises(ValueError, match="its step makes 14 bits, it has 13"):
        InputSpec(
            name="s",
            description="d",
            source="here",
            type="fixed<15,15>",
            sources=(pixels,),
            steps=(step,),
            features=(feature,),
        )


def test_events_are_read_by_their_columns():
    spec = spec_of(PT, ETA, type="fixed<15,8,RND_CONV,SAT>")
    values = np.array([[5, 6, 7], [8, 9, 10]], np.float32)
    columns = ("jet1_eta", "other", "jet1_pt")
    events = Events("p", "background", columns, values, np.ones(2), np.arange(2, dtype=np.uint64))
    np.testing.assert_array_equal(spec.mantissas(events), spec.mantissas(values[:, [2, 0]]))
    physical = replace(events, units=("1", "1", "GeV"))
    with pytest.raises(InputError, match="column 'jet1_pt' is in GeV, not in hardware integers"):
        spec.mantissas(physical)


def test_rows_are_worked_on_in_pieces_and_errors_name_the_whole_tables_row():
    spec = spec_of(Feature(name="a", offline="log", offset=0, shift=0))
    x = np.linspace(1, 2, 5000)[:, None]
    np.testing.assert_array_equal(spec.scaled(x), np.log(x))
    x[4321] = 0
    with pytest.raises(InputError, match="row 4321 holds"):
        spec.mantissas(x)
    assert spec.mantissas(np.empty((0, 1))).shape == (0, 1)


def test_1600_features_stay_a_line_each():
    spec = load_input_spec("images-1600")
    assert len(spec.features) == 1600
    line = spec.to_yaml().splitlines()[-1]
    assert line.startswith("- {name: pix_39_39,")


@pytest.mark.parametrize(
    ("name", "sources", "inputs"),
    [
        ("l1-57", trigger_objects.COLUMNS, 57),
        ("regions-252", calo_regions.COLUMNS, 252),
        ("images-1600", grid_columns("pix", (40, 40)), 1600),
        ("images-100", grid_columns("pix", (40, 40)), 100),
    ],
)
def test_shipped_specs_read_the_columns_of_the_samples(name, sources, inputs):
    spec = load_input_spec(name)
    assert spec.source_columns == sources
    assert len(spec.columns) == inputs
    assert spec.scales == trigger_scales(sources)
    assert all(feature.exact and feature.lsb for feature in spec.features)
    assert load_again(spec) == spec


def load_again(spec):
    return InputSpec.model_validate(parse_yaml(spec.to_yaml(), "again"))


def test_yaml_keeps_steps_sources_and_tables():
    cells = grid_columns("pix", (4, 4))
    x = np.random.default_rng(0).integers(0, 400, (99, 16)).astype(float)
    steps = (Remap(power=0.5), Gaussian(shape=(4, 4), sigma=0.7))
    for chosen in (steps, (BlockSum(shape=(4, 4), block=(2, 2)),)):
        spec = derive_input_spec("s", cells, x, scales=trigger_scales(cells), steps=chosen)
        again = load_again(spec)
        assert again == spec
        np.testing.assert_array_equal(again.mantissas(x), spec.mantissas(x))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n---\nb: 2\n", "2 documents"),
        ("a: !!str 3\n", "tags"),
        ("{[a]: 1}\n", "a key must be one word"),
        ("a: {b: 1, b: 2}\n", "key 'b' stands twice"),
    ],
)
def test_yaml_is_read_strictly(text, message):
    with pytest.raises(InputError, match=message):
        parse_yaml(text, "x.yaml")


def test_words_of_yaml_mean_what_they_mean_elsewhere():
    text = "a: 1e-5\nb: 0x1F\nc: yes\nd: ~\nf: 1.5\ng: '1'\nh: [1, {a: b}]\ni: |\n  text\n  more\n"
    assert repr(parse_yaml(text, "x")) == repr(yaml.safe_load(text))


def test_the_examples_of_the_docs_are_read():
    page = Path(__file__).parents[2] / "docs" / "inputs.md"
    blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    assert len(blocks) >= 4
    first = InputSpec.model_validate(parse_yaml(blocks[0], "docs/inputs.md"))
    assert first.fixed.width == 15
    for block in blocks[1:]:
        text = block if not block.startswith("-") else f"features:\n{block}"
        document = parse_yaml(text, "docs/inputs.md")
        for feature in document.get("features", ()):
            Feature.model_validate(feature)
        assert set(document) <= {"features", "sources", "steps", "data", "student"}
        if "steps" in document:
            InputSpec(**first.model_dump(exclude={"sources", "steps"}), **document)
