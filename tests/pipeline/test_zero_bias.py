"""What files say of zero bias, and what the report makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from naetrigger.contracts.events import Events, read_events
from naetrigger.pipeline.zero_bias import is_zero_bias, rate_of_background_khz, stated_rate_khz
from naetrigger.training.data.readers import source_path
from naetrigger.training.data.settings import DataSettings
from tests.pipeline.small_run import crossings


def stating(rate: Any, role: str = "background") -> Events:
    return replace(crossings(5), role=role, attributes={"crossing_rate_khz": rate})


def test_zero_bias_is_known_by_its_name_or_its_rate() -> None:
    for name in ("zero_bias", "ZeroBias", "run3-zero-bias"):
        assert is_zero_bias(name, {})
    assert is_zero_bias("minbias", {"crossing_rate_khz": 30_000.0})
    assert not is_zero_bias("qcd", {"generator": "Pythia"})


@pytest.mark.parametrize("rate", ["fast", "", -1.0, 0, float("nan"), float("inf")])
def test_what_is_no_rate_is_none(rate: Any) -> None:
    assert stated_rate_khz({"crossing_rate_khz": rate}) is None
    assert stated_rate_khz({}) is None
    assert stated_rate_khz({"crossing_rate_khz": "28600"}) == 28_600


def test_the_background_has_a_rate_where_all_of_it_states_the_same() -> None:
    signal = stating(10.0, "signal")
    assert rate_of_background_khz([stating(30_000.0), signal]) == 30_000
    assert rate_of_background_khz([stating(30_000.0), stating(30_000.0)]) == 30_000
    assert rate_of_background_khz([stating(30_000.0), stating(40_000.0)]) is None
    assert rate_of_background_khz([stating(30_000.0), crossings(5)]) is None
    assert rate_of_background_khz([crossings(5), signal]) is None


@pytest.mark.parametrize(
    ("sample", "has_rate"), [("l1-objects", True), ("calo-regions", True), ("jets", False)]
)
def test_shipped_samples(sample: str, has_rate: bool) -> None:
    events = read_events(source_path(DataSettings(source=sample)))
    assert (rate_of_background_khz(events) is not None) == has_rate
