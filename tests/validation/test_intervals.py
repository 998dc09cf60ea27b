"""Intervals: known values, exact coverage, order statistics."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from naetrigger.validation.efficiency import clopper_pearson
from naetrigger.validation.intervals import (
    CONFIDENCES,
    clopper_pearson_coverage,
    clopper_pearson_of,
    effective_trials,
    order_coverage,
    order_ranks,
)


def test_clopper_pearson_in_one_go_is_scipys() -> None:
    passed, n = np.array([0.0, 1.0, 7.0, 40.0]), np.array([10.0, 20.0, 30.0, 40.0])
    low, high = clopper_pearson_of(passed, n, 0.95)
    for i in range(4):
        exact = stats.binomtest(int(passed[i]), int(n[i])).proportion_ci(0.95, method="exact")
        assert (low[i], high[i]) == pytest.approx((exact.low, exact.high), abs=1e-12)
        assert clopper_pearson(passed[i], n[i], 0.95) == pytest.approx((low[i], high[i]))


@pytest.mark.parametrize("confidence", CONFIDENCES)
@pytest.mark.parametrize(("n", "p"), [(10, 0.3), (100, 0.02), (2000, 0.02), (500, 0.5)])
def test_exact_coverage_is_at_least_nominal(n: int, p: float, confidence: float) -> None:
    assert clopper_pearson_coverage(n, p, confidence) >= confidence
    assert order_coverage(n, p, confidence) >= confidence


def test_coverage_by_hand() -> None:
    """One event: passing gives [0.16, 1], failing [0, 0.84]; p = 0.9 is in the first alone."""
    assert clopper_pearson_coverage(1, 0.9, 0.68) == pytest.approx(0.9)
    assert clopper_pearson_coverage(1, 0.5, 0.68) == pytest.approx(1.0)


@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_ranks_are_the_tightest_central_ones(confidence: float) -> None:
    n, p = 1000, 0.05
    ranks, tail = order_ranks(n, p, confidence), (1 - confidence) / 2
    k = stats.binom(n, p)
    assert k.cdf(ranks.above - 1) <= tail < k.cdf(ranks.above)
    assert k.sf(ranks.up_to) <= tail < k.sf(ranks.up_to - 1)


@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_ranks_are_where_clopper_pearson_holds_the_fraction(confidence: float) -> None:
    n, p = 400, 0.1
    k = np.arange(n + 1.0)
    low, high = clopper_pearson_of(k, np.float64(n), confidence)
    holds = k[(low <= p) & (p <= high)]
    ranks = order_ranks(n, p, confidence)
    assert (holds.min(), holds.max()) == (ranks.above, ranks.up_to)


def test_effective_trials_by_hand() -> None:
    """Of n events that are simply counted, n; of W = 1, 3, 4 with A = 1, 3, 0, 16 of 6.5."""
    n, p = 40, np.array([0.0, 0.25, 1.0])
    assert effective_trials(p, n * p * (1 - p), np.ones(n)) == pytest.approx(n)
    w = np.array([1.0, 3.0, 4.0])
    deviation = float(np.sum((np.array([1.0, 3.0, 0.0]) - 0.5 * w) ** 2))
    assert effective_trials(0.5, deviation, w) == pytest.approx(16 / 6.5)


@pytest.mark.parametrize("rounding", [0.0, 1e-34, -1e-17])
def test_clusters_that_do_not_scatter_count_by_their_weights(rounding: float) -> None:
    """One of two rows passes in each cluster: by squares of deviations n would be infinite."""
    n = effective_trials(0.5, rounding, np.array([2.0, 2.0, 4.0]))
    assert n == pytest.approx(64 / 24)
