"""Tables hold f for every address, and training sees their words."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from naetrigger.contracts.errors import InputError
from naetrigger.firmware_configs.feature import Feature
from naetrigger.firmware_configs.input_spec import InputSpec
from naetrigger.firmware_configs.lookup_table import looked_up, table_words

TABLE = {"offline": "log1p", "table_type": "ufixed<10,4,RND_CONV,SAT>"}
PT = Feature(name="pt", unit="GeV", lsb=0.5, bits=9, offset=3.0, shift=0, **TABLE)


def spec_of(*features: Feature, type: str = "fixed<10,4,RND_CONV,SAT>") -> InputSpec:
    return InputSpec(name="s", description="d", source="here", type=type, features=features)


def test_inputs_are_the_tables_words() -> None:
    n = np.arange(512.0)
    words = table_words(PT)
    np.testing.assert_array_equal(words, np.rint(np.log1p(n) * 64))
    np.testing.assert_array_equal(looked_up(PT, n), words / 64)
    np.testing.assert_array_equal(spec_of(PT).inputs(n[:, None])[:, 0], words / 64 - 3)


def test_signed_addresses_are_twos_complement() -> None:
    feature = PT.model_copy(update={"signed": True, "bits": 3, "offline": "none"})
    assert table_words(feature).tolist() == [0, 64, 128, 192, 0, 0, 0, 0]  # negative: saturated
    np.testing.assert_array_equal(looked_up(feature, np.array([-4.0, 3.0])), [0, 3])


def test_fewer_address_bits_share_words() -> None:
    feature = PT.model_copy(update={"table_bits": 7, "exact": False})
    words = table_words(feature)
    assert words.shape == (128,)
    np.testing.assert_array_equal(words, np.rint(np.log1p(np.arange(128) * 4 + 1.5) * 64))
    np.testing.assert_array_equal(looked_up(feature, np.array([8.0, 11.0])), words[[2, 2]] / 64)


@pytest.mark.parametrize("bad", [-1.0, 512.0, 0.5, np.nan])
def test_only_hardware_integers_are_looked_up(bad: float) -> None:
    with pytest.raises(
        InputError, match="'pt': its table takes whole numbers from 0 to 511, row 1"
    ):
        spec_of(PT).inputs([[3.0], [bad]])


def test_a_logarithm_of_zero_has_no_word() -> None:
    with pytest.raises(InputError, match=r"'pt': log needs values above 0.*log1p takes zeros"):
        table_words(PT.model_copy(update={"offline": "log"}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lsb": None, "bits": None}, "table_type needs lsb and bits"),
        ({"offline": "none"}, "a table needs an offline step"),
        ({"table_type": None, "table_bits": 5}, "table_bits needs table_type"),
        ({"table_bits": 10}, "at most bits"),
        ({"table_type": "fxd<3>"}, "is no fixed-point format"),
    ],
)
def test_a_table_that_cannot_be_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Feature.model_validate(PT.model_dump() | changes)


def test_the_inputs_format_must_hold_the_words() -> None:
    with pytest.raises(ValidationError, match="'pt': needs 6 fraction bits"):
        spec_of(PT, type="fixed<10,5,RND_CONV,SAT>")
    with pytest.raises(ValidationError, match="'pt': its table reads 7 of 9 bits"):
        spec_of(PT.model_copy(update={"table_bits": 7}))
