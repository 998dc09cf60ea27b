"""Differences between parts: Pearson's chi2, and known scatter where parts share a pool."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from naetrigger.validation.part_differences import chi2, pull
from naetrigger.validation.tail import Sample

THRESHOLD = 900


def halves(n: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.bool_], ...]:
    one = rng.random(n) < 0.5
    return one, ~one


def in_order(n: int, parts: int = 5) -> list[npt.NDArray[np.bool_]]:
    return [np.arange(n) * parts // n == i for i in range(parts)]


def pooled(rng: np.random.Generator, n: int = 10_000, pools: int = 1) -> Sample:
    """Crossings made from 200 pool events, whose score is the event's and a little of their own.

    pools : consecutive parts of the sample that have a pool each
    """
    event = rng.integers(0, 200, n) + 200 * (np.arange(n) * pools // n)
    scores = rng.exponential(300, 200 * pools)[event] + rng.exponential(30, n)
    return Sample(scores.astype(np.int64), np.ones(n), event)


def test_of_counted_crossings_in_equal_parts_it_is_pearsons_chi2() -> None:
    rng = np.random.default_rng(0)
    n = 5000
    sample = Sample(rng.integers(0, 10, n), np.ones(n))
    passing = sample.scores >= 8
    parts = in_order(n)
    table = [[np.sum(passing[rows]) for rows in parts], [np.sum(~passing[rows]) for rows in parts]]
    expected = stats.chi2_contingency(table, correction=False)
    assert chi2(sample, passing, parts) == pytest.approx((expected.statistic, 4))


def test_two_parts_by_hand() -> None:
    """Cluster 0 fires in both parts alike, cluster 2 in neither; cluster 1 makes the difference."""
    sample = Sample(np.arange(8), np.ones(8), np.array([0, 0, 1, 2, 0, 0, 1, 2]))
    one = np.arange(8) < 4
    passing = np.array([1, 1, 1, 0, 1, 1, 0, 0], bool)
    # d_1c - d_2c is 0 of clusters 0 and 2, and (1 - p) / 4 - (0 - p) / 4 = 1/4 of cluster 1
    assert pull(sample, passing, one, ~one) == pytest.approx((3 / 4 - 2 / 4) / (1 / 4))
    assert pull(sample, passing, ~one, one) == pytest.approx(-1.0)


def test_halves_of_one_pool_differ_by_a_standard_deviation() -> None:
    """Pool events shift both halves alike; by errors of each half the pulls had a width of 0.2."""
    rng = np.random.default_rng(1)
    pulls = []
    for _ in range(200):
        sample = pooled(rng)
        one, other = halves(len(sample), rng)
        found = pull(sample, sample.scores >= THRESHOLD, one, other)
        assert found is not None
        pulls.append(found)
    assert np.std(pulls) == pytest.approx(1, abs=0.2)  # 4 errors of 1 / sqrt(400)
    assert abs(np.mean(pulls)) < 4 / np.sqrt(200)


@pytest.mark.parametrize("pools", [1, 5])
def test_the_chance_of_a_spread_is_uniform_whether_parts_share_a_pool_or_not(pools: int) -> None:
    rng = np.random.default_rng(2)
    chances = []
    for _ in range(200):
        sample = pooled(rng, pools=pools)
        value, degrees = chi2(sample, sample.scores >= THRESHOLD, in_order(len(sample)))
        chances.append(stats.chi2.sf(value, degrees))
    assert stats.kstest(chances, "uniform").pvalue > 1e-3


def test_a_drift_through_crossings_of_one_pool_is_seen() -> None:
    rng = np.random.default_rng(3)
    sample = pooled(rng)
    rising = sample.scores + np.linspace(0, 150, len(sample))
    value, degrees = chi2(sample, rising >= THRESHOLD, in_order(len(sample)))
    assert stats.chi2.sf(value, degrees) < 1e-3


def test_where_nothing_can_differ_there_is_no_chi2() -> None:
    rng = np.random.default_rng(4)
    sample = Sample(np.arange(8), rng.random(8), np.arange(8) % 4)
    parts = [np.arange(8) < 4, np.arange(8) >= 4]
    for passing in (np.zeros(8, bool), np.ones(8, bool)):
        assert chi2(sample, passing, parts) == (0.0, 0)
        assert pull(sample, passing, *parts) is None
    assert chi2(sample, np.arange(8) < 3, parts[:1]) == (0.0, 0)
    copies = Sample(sample.scores, np.full(8, 0.3), sample.clusters)
    assert chi2(copies, np.arange(8) % 4 < 1, parts) == (0.0, 0)
