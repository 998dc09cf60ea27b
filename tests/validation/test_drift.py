"""Distributions and their tests: false alarms, power, dead and hot inputs, weights."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed
from naetrigger.validation.distributions import (
    Distribution,
    FloatCounts,
    IntegerCounts,
    Share,
)
from naetrigger.validation.drift import compared, equal_fractions_p, holm, judged
from naetrigger.validation.efficiency import efficiency, scored
from naetrigger.validation.monitor_schema import Drift

KIND = Fixed(True, 10, 4)


def distribution(values: np.ndarray, weights: np.ndarray | None = None) -> Distribution:
    counts = IntegerCounts(1, KIND)
    words = KIND.mantissas(np.clip(values, KIND.min, KIND.max))[:, None]
    counts.add(words, np.ones(len(values)) if weights is None else weights)
    return counts.distribution(0)


def drift(reference: np.ndarray, found: np.ndarray, is_input: bool = True) -> Drift:
    one = compared("x", distribution(reference), distribution(found))
    return judged(one, holm(np.array(one.p_values)).tolist(), 0.01, 0.1, is_input)


def test_a_histogram_is_that_of_numpy() -> None:
    rng = np.random.default_rng(0)
    words = rng.integers(KIND.min_mantissa, KIND.max_mantissa + 1, (5000, 3))
    weights = rng.uniform(0.5, 2, 5000)
    counts = IntegerCounts(3, KIND)
    for rows in (slice(0, 1), slice(1, 4000), slice(4000, None)):
        counts.add(words[rows], weights[rows])
    for column in range(3):
        found = counts.distribution(column)
        real = KIND.real(words[:, column])
        assert found.mean == pytest.approx(np.average(real, weights=weights))
        assert found.total == pytest.approx(weights.sum())
        assert found.effective == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
        assert found.n == 5000


def test_wide_integers_share_bins() -> None:
    wide = Fixed(False, 20, 20)
    counts = IntegerCounts(1, wide, bits=8)
    counts.add(np.array([[0], [4095], [4096], [2**20 - 1]]), np.ones(4))
    found = counts.distribution(0)
    assert len(found.weights) == 256
    assert found.weights[0] == 2
    assert found.axis.values[0] == pytest.approx(4095 / 2)


def test_distances_are_those_of_scipy() -> None:
    rng = np.random.default_rng(1)
    a, b = KIND.quantize(rng.normal(0, 2, 3000)), KIND.quantize(rng.normal(0.3, 2, 2000))
    one = compared("x", distribution(a), distribution(b))
    expected = stats.ks_2samp(a, b, method="asymp")
    assert one.ks == pytest.approx(expected.statistic)
    assert one.ks_p == pytest.approx(expected.pvalue, rel=0.2)
    assert one.wasserstein == pytest.approx(stats.wasserstein_distance(a, b) / a.std())


def test_p_values_are_uniform_where_nothing_changed() -> None:
    rng = np.random.default_rng(2)
    found = []
    for _ in range(300):
        a = rng.normal(0, 1, 1500)
        weights = rng.choice([0.5, 1.0, 3.0], 1200)
        one = compared("x", distribution(a), distribution(rng.normal(0, 1, 1200), weights))
        found.append([one.ks_p, one.chi2_p, one.tail_p])
    p = np.array(found)
    for column, name in enumerate(("ks", "chi2", "tail")):
        below = (p[:, column] < 0.1).mean()
        assert 0.03 < below < 0.16, f"{name}: {below}"  # 0.1 +- 0.017, on coarse bins less
    assert 0.4 < p[:, 1].mean() < 0.6


def test_holm_controls_any_false_alarm_and_keeps_the_order() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005])
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    rng = np.random.default_rng(3)
    alarms = [(holm(rng.uniform(size=50)) < 0.05).any() for _ in range(2000)]
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.016)


@pytest.mark.parametrize(("shift", "expected"), [(0.0, ()), (0.3, ("drift",)), (0.02, ())])
def test_a_drift_takes_significance_and_size(shift: float, expected: tuple[str, ...]) -> None:
    """A shift of 2% of a deviation is significant in 200 000 events, and too small to matter."""
    rng = np.random.default_rng(4)
    found = drift(rng.normal(0, 1, 200_000), rng.normal(shift, 1, 200_000))
    assert found.flags == expected
    if shift:
        assert found.p < 1e-3
        assert found.wasserstein == pytest.approx(shift, abs=0.012)  # two means known to 0.003


def test_few_events_that_look_different_are_not_flagged() -> None:
    rng = np.random.default_rng(5)
    found = drift(rng.normal(0, 1, 5000), rng.normal(0.15, 1, 60))
    assert found.wasserstein > 0.1
    assert found.flags == ()


def test_few_events_may_lack_what_is_rare() -> None:
    """100 events of which 0.3% are not zero: mostly none is, which is neither dead nor a drift."""
    rng = np.random.default_rng(10)
    reference = sparse(rng, 0.003, 20_000)
    files = [sparse(rng, 0.003, 100) for _ in range(200)]
    assert sum(not file.any() for file in files) > 100
    assert sum(bool(drift(reference, file).flags) for file in files) <= 6  # 2 +- 1.4 at alpha 0.01


def test_bins_of_a_chi2_hold_enough_of_the_smaller_sample() -> None:
    rng = np.random.default_rng(11)
    found = [
        compared("x", distribution(rng.poisson(3, 20_000)), distribution(rng.poisson(3, 100)))
        for _ in range(300)
    ]
    assert max(one.degrees for one in found) < 10
    assert np.mean([one.chi2_p < 0.01 for one in found]) < 0.03


def test_a_change_of_width_alone_is_a_drift() -> None:
    rng = np.random.default_rng(6)
    found = drift(rng.normal(0, 1, 20_000), rng.normal(0, 1.4, 20_000))
    assert "drift" in found.flags
    assert found.found.deviation / found.reference.deviation == pytest.approx(1.4, rel=0.05)


def sparse(rng: np.random.Generator, occupancy: float, n: int = 5000) -> np.ndarray:
    """Mostly zero, as a calorimeter cell."""
    return np.where(rng.random(n) < occupancy, rng.exponential(1, n) + 0.1, 0.0)


def test_dead_and_hot_inputs() -> None:
    rng = np.random.default_rng(7)
    reference = sparse(rng, 0.1)
    assert drift(reference, np.zeros(5000)).flags[0] == "dead"
    assert drift(reference, np.full(5000, 2.5)).flags[0] == "dead"  # stuck
    assert drift(reference, sparse(rng, 0.01)).flags == ("dead", "drift")
    assert "hot" in drift(reference, sparse(rng, 0.7)).flags
    assert drift(reference, sparse(rng, 0.1)).flags == ()
    noisy = np.where(rng.random(5000) < 0.08, 15.0, rng.normal(0, 1, 5000))
    assert "hot" in drift(rng.normal(0, 1, 5000), noisy).flags
    assert drift(np.zeros(500), np.zeros(500)).flags == ()
    assert "hot" in drift(np.zeros(5000), sparse(rng, 0.5)).flags


def test_a_constant_score_is_flagged() -> None:
    rng = np.random.default_rng(8)
    assert "constant" in drift(rng.normal(0, 1, 500), np.ones(500), is_input=False).flags


def test_equal_fractions() -> None:
    assert equal_fractions_p(Share(0.1, 500.0), Share(0.1, 500.0)) == 1.0
    expected = stats.fisher_exact([[50, 450], [80, 420]])[1]
    assert equal_fractions_p(Share(0.1, 500.0), Share(0.16, 500.0)) == pytest.approx(expected)
    z = (0.12 - 0.1) / np.sqrt(0.11 * 0.89 * 2 / 5000)
    assert equal_fractions_p(Share(0.1, 5000.0), Share(0.12, 5000.0)) == pytest.approx(
        2 * stats.norm.sf(z)
    )
    assert equal_fractions_p(Share(0.0, 5000.0), Share(0.0, 5000.0)) == 1.0


def test_scores_of_floats_and_nan() -> None:
    rng = np.random.default_rng(9)
    scores = rng.exponential(1, 4000)
    counts = FloatCounts(scores)
    counts.add(scores[:1000], np.ones(1000))
    counts.add(scores[1000:] * 50, np.ones(3000))  # far beyond the bins
    found = counts.distribution()
    assert found.total == 4000
    assert found.weights[-1] > 1500
    assert found.mean == pytest.approx((scores[:1000].sum() + 50 * scores[1000:].sum()) / 4000)
    constant = FloatCounts(np.full(60, 3.0))
    constant.add(np.full(60, 3.0), np.ones(60))
    assert compared("score", constant.distribution(), constant.distribution()).wasserstein == 0
    for no_number in (np.nan, np.inf):
        scores[7] = no_number
        with pytest.raises(InputError, match="1 scores are NaN or infinite, the first in row 4007"):
            counts.add(scores, np.ones(4000))


KINDS = {
    "alike": lambda rng, x: np.ones(len(x)),
    "any": lambda rng, x: np.where(rng.random(len(x)) < 0.01, 30.0, 1.0),
    "heavy tail": lambda rng, x: np.where(rng.random(len(x)) < 0.1 * (x > 5), 30.0, 1.0),
    "light tail": lambda rng, x: np.where(x > 5, 0.1, 1.0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_follow_the_values_raise_no_false_alarm(kind: str) -> None:
    """Few heavy events in the tail: by one number for the whole sample every third file alarmed."""
    rng = np.random.default_rng(12)
    found, pulls = [], []
    for _ in range(300):
        values = np.minimum(rng.exponential(2.2, (2, 5000)), KIND.max)
        a, b = (distribution(x, KINDS[kind](rng, x)) for x in values)
        one = compared("x", a, b)
        above = a.axis.values >= 6.0
        shares = a.share(above), b.share(above)
        found.append([one.ks_p, one.tail_p, one.occupancy_p, equal_fractions_p(*shares)])
        variance = sum(s.value * (1 - s.value) / s.effective for s in shares)
        pulls.append((shares[0].value - shares[1].value) / np.sqrt(variance))
    alarms = (np.array(found) < 0.05).mean(axis=0)
    assert (alarms < 0.1).all(), alarms  # 0.05 +- 0.013
    assert alarms[3] > 0.015
    assert np.std(pulls) == pytest.approx(1, abs=0.13)  # 300 pairs: +- 0.04


def test_a_fraction_is_effective_cumulated_well_as_the_report_says() -> None:
    """The same variance as of efficiencies, and the plain number where weights are alike."""
    rng = np.random.default_rng(13)
    values = rng.exponential(2.2, 4000)
    for weights in (np.full(4000, 0.3), np.where(values > 5, 4.0, 1.0)):
        of = distribution(values, weights)
        cut = of.axis.values[700]
        known = efficiency(scored(KIND.quantize(np.minimum(values, KIND.max)), weights), cut)
        share = of.share(of.axis.values >= cut)
        assert share.value == pytest.approx(known.value)
        assert share.value * share.effective == pytest.approx(known.effective_passing)
        if np.ptp(weights) == 0:
            assert share.effective == pytest.approx(4000)
            assert of.effective_cumulated == pytest.approx(4000)
    nothing = of.share(np.zeros(len(of.weights), bool))
    assert (nothing.value, nothing.effective) == (0.0, of.effective)
