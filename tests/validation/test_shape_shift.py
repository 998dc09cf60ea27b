"""Divergence against SciPy, weighted ranks against repeated rows, and chance against itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.spatial.distance import jensenshannon
from scipy.stats import spearmanr

from naetrigger.validation.shape_shift import (
    bin_edges,
    divergence,
    jensen_shannon,
    random_rows,
    rank_correlation,
)

histograms = arrays.arrays(np.float64, 6, elements=st.floats(0, 100, allow_subnormal=False)).filter(
    lambda h: h.sum() > 1e-3
)


@given(histograms, histograms)
def test_divergence_is_the_square_of_scipys_distance(p: np.ndarray, q: np.ndarray) -> None:
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2) ** 2, abs=1e-7)
    assert 0 <= jensen_shannon(p, q) <= 1 + 1e-12


def test_equal_and_disjoint_histograms() -> None:
    assert jensen_shannon([1, 2, 3], [10, 20, 30]) == 0
    assert jensen_shannon([1, 1, 0], [0, 0, 5]) == pytest.approx(1)
    assert np.isnan(jensen_shannon([0, 0], [1, 1]))


def test_edges_hold_equal_shares_or_single_values() -> None:
    x = np.random.default_rng(0).normal(size=10_000)
    counts, _ = np.histogram(x, bin_edges(x))
    np.testing.assert_allclose(counts, 500, atol=1)
    few = np.array([0.0, 0, 0, 1, 5, 5])
    assert np.histogram(few, bin_edges(few))[0].tolist() == [3, 1, 2]


def test_a_selection_by_the_column_is_told_from_a_random_one() -> None:
    rng = np.random.default_rng(1)
    x, y, w = rng.normal(size=5000), rng.normal(size=5000), rng.uniform(0.5, 2, size=5000)
    selected = y > 1.5
    random = random_rows(5000, int(selected.sum()), rng)
    sculpted, untouched = (divergence(v, w, selected, random) for v in (y, x))
    assert sculpted.value > sculpted.expected + 20 * sculpted.deviation
    assert untouched.value == pytest.approx(untouched.expected, abs=4 * untouched.deviation)
    assert untouched.expected > 0


@given(st.integers(0, 2**32 - 1))
def test_weights_count_like_repeated_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 5, size=(2, 30)).astype(float)
    times = rng.integers(1, 4, size=30)
    repeated = spearmanr(np.repeat(a, times), np.repeat(b, times)).statistic
    assert rank_correlation(a, b, times.astype(float)) == pytest.approx(repeated, abs=1e-9)


def test_a_constant_has_no_correlation() -> None:
    assert rank_correlation(np.ones(10), np.arange(10.0), np.ones(10)) is None
