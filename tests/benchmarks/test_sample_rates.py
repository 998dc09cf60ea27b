"""Rates and halves of zero bias: a collision that many crossings share counts once."""

from __future__ import annotations

import numpy as np
import pytest

import sample_rates
import shipped_samples
from toy_events import toy_events


def test_a_hardest_collision_is_in_one_half_only():
    pool = np.repeat([-1, 4, 5, 8], 5)
    zero_bias = toy_events("zero_bias", {"x": np.arange(20)}, {"pool_event": pool})
    even, odd = shipped_samples.halves(zero_bias)
    assert set(even.column("pool_event")) == {-1, 5}
    assert set(odd.column("pool_event")) == {4, 8}


def test_rate_and_its_error_of_a_known_selection():
    pool = np.arange(100) // 10
    zero_bias = toy_events("zero_bias", {"x": np.arange(100)}, {"pool_event": pool})
    found = sample_rates.rate(zero_bias, zero_bias.column("x") >= 80)
    assert found.khz == pytest.approx(1000 * 20 / 100)
    assert found.error == pytest.approx(10 * np.sqrt(2 * 10**2))  # two pool events of weight 10
    assert found.effective_pool_events == pytest.approx(2)
    none = sample_rates.rate(zero_bias, zero_bias.column("x") > 100)
    assert (none.khz, none.error) == (0, 0)
