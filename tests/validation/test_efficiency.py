"""AUC, errors and working points against exact formulas and other implementations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from naetrigger.contracts.errors import InputError
from naetrigger.validation.efficiency import (
    auc,
    auc_replicas,
    clopper_pearson,
    efficiency,
    resample_counts,
    roc,
    scored,
    spread,
    threshold_for,
)


def _pairwise_auc(b, wb, s, ws):
    """The definition, pair by pair."""
    wins = (s[:, None] > b[None, :]) + 0.5 * (s[:, None] == b[None, :])
    return float(ws @ wins @ wb / (ws.sum() * wb.sum()))


weighted = st.lists(
    st.tuples(st.integers(-4, 4), st.floats(0.1, 5.0)), min_size=1, max_size=30
).map(lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True)))


@given(weighted, weighted)
def test_auc_is_the_definition_with_ties_and_weights(background, signal):
    expected = _pairwise_auc(*background, *signal)
    assert auc(scored(*background), scored(*signal)) == pytest.approx(expected, rel=1e-12)


def test_auc_equals_scikit_learn():
    rng = np.random.default_rng(1)
    b, s = rng.integers(0, 50, 3000), rng.integers(10, 60, 1000)
    wb, ws = rng.uniform(0.1, 2, 3000), rng.uniform(0.1, 2, 1000)
    truth = np.r_[np.zeros(3000), np.ones(1000)]
    expected = roc_auc_score(truth, np.r_[b, s], sample_weight=np.r_[wb, ws])
    assert auc(scored(b, wb), scored(s, ws)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_auc_of_shifted_gaussians(shift):
    rng = np.random.default_rng(2)
    b, s = rng.normal(size=40_000), rng.normal(shift, 1, 40_000)
    expected = stats.norm.cdf(shift / np.sqrt(2))
    assert auc(scored(b), scored(s)) == pytest.approx(expected, abs=0.008)  # 4 errors of 0.002


def test_auc_does_not_lose_large_integers():
    """2**60 and 2**60 + 1 are one number in float64; as integers they are not."""
    b, s = np.array([2**60]), np.array([2**60 + 1])
    assert auc(scored(b), scored(s)) == 1.0


def test_roc_integrates_to_the_auc():
    rng = np.random.default_rng(3)
    b, s = scored(rng.integers(0, 9, 500), rng.uniform(size=500)), scored(rng.integers(3, 12, 300))
    curve = roc(b, s)
    x, y = np.r_[0, curve.background_efficiency], np.r_[0, curve.signal_efficiency]
    assert np.trapezoid(y, x) == pytest.approx(auc(b, s), abs=1e-12)
    assert np.all(np.diff(curve.thresholds) < 0)


def test_bootstrap_error_against_hanley_and_mcneil():
    """Radiology 143 (1982) 29, whose Q1 and Q2 are estimated here without their model."""
    rng = np.random.default_rng(4)
    b, s = rng.normal(size=800), rng.normal(1.0, 1, 400)
    value = auc(scored(b), scored(s))
    wins = s[:, None] > b[None, :]
    q1, q2 = np.mean(wins.mean(axis=0) ** 2), np.mean(wins.mean(axis=1) ** 2)
    variance = value * (1 - value) + 399 * (q1 - value**2) + 799 * (q2 - value**2)
    expected = np.sqrt(variance / (400 * 800))
    counts = resample_counts(np.arange(800), 800, rng), resample_counts(np.arange(400), 800, rng)
    found = spread(auc_replicas(scored(b), scored(s), counts))
    assert found == pytest.approx(expected, rel=0.12)  # 800 replicas: 2.5%, and 4 of those


def test_bootstrap_keeps_events_together():
    """Every event doubled: the error must be that of half as many rows."""
    rng = np.random.default_rng(5)
    b, s = rng.normal(size=300), rng.normal(0.7, 1, 300)
    ids = np.arange(300, dtype=np.uint64)
    pair, twice = np.repeat(ids, 2), (np.repeat(b, 2), np.repeat(s, 2))
    counts = resample_counts(pair, 400, np.random.default_rng(0))
    assert np.array_equal(counts[:, ::2], counts[:, 1::2])
    once = spread(
        auc_replicas(scored(b), scored(s), tuple(resample_counts(ids, 400, rng) for _ in range(2)))
    )
    doubled = spread(
        auc_replicas(
            scored(twice[0], None, pair),
            scored(twice[1], None, pair),
            tuple(resample_counts(pair, 400, rng) for _ in range(2)),
        )
    )
    alone = spread(
        auc_replicas(
            scored(twice[0]),
            scored(twice[1]),
            tuple(resample_counts(np.arange(600), 400, rng) for _ in range(2)),
        )
    )
    assert doubled == pytest.approx(once, rel=0.15)
    assert alone < 0.85 * doubled


def test_paired_difference_of_equal_models_is_exact():
    rng = np.random.default_rng(6)
    b, s = rng.normal(size=100), rng.normal(size=80)
    counts = resample_counts(np.arange(100), 50, rng), resample_counts(np.arange(80), 50, rng)
    first = auc_replicas(scored(b), scored(s), counts)
    second = auc_replicas(scored(3 * b + 1), scored(3 * s + 1), counts)
    assert np.array_equal(first, second)


def test_clopper_pearson_against_scipy_and_its_edges():
    for k, n in [(3, 10), (1, 1000), (57, 58)]:
        expected = stats.binomtest(k, n).proportion_ci(0.9, method="exact")
        assert clopper_pearson(k, n, 0.9) == pytest.approx((expected.low, expected.high))
    assert clopper_pearson(0, 10)[0] == 0.0
    assert clopper_pearson(10, 10)[1] == 1.0
    with pytest.raises(InputError, match="passed=11"):
        clopper_pearson(11, 10)


def test_unweighted_efficiency_has_the_exact_counts():
    found = efficiency(scored(np.arange(100)), 93)
    assert found.value == pytest.approx(0.07)
    assert found.effective_passing == pytest.approx(7.0)
    assert (found.low, found.high) == pytest.approx(clopper_pearson(7, 100))


def test_efficiency_of_copies_counts_events_not_rows():
    scores = np.repeat(np.arange(100), 4)
    found = efficiency(scored(scores, None, scores), 93)
    assert found.effective_passing == pytest.approx(7.0)


@pytest.mark.parametrize("jets", [(1, 5), (1, 5, 1), (1, 1, 5, 5)])
@pytest.mark.parametrize("weight", [1.0, 0.1])
@pytest.mark.parametrize("events", [1, 2, 9])
def test_events_that_all_fire_by_the_same_share_have_an_interval(jets, weight, events):
    """Nothing scatters between them, so they count as so many events, and no more."""
    scores, ids = np.tile(jets, events), np.repeat(np.arange(events), len(jets))
    found = efficiency(scored(scores, np.full(len(ids), weight), ids), 3)
    assert found.value == pytest.approx(np.mean(np.array(jets) >= 3))
    assert found.effective_passing == pytest.approx(found.value * events)
    assert 0 <= found.low < found.value < found.high <= 1


def test_weighted_efficiency_covers():
    """The 68% interval of a weighted efficiency contains the truth in about 68% of samples."""
    rng, inside = np.random.default_rng(7), 0
    for _ in range(300):
        sample = scored(rng.normal(size=400), rng.exponential(size=400))
        found = efficiency(sample, 1.0)
        inside += found.low <= stats.norm.sf(1.0) <= found.high
    assert 0.64 < inside / 300 < 0.82  # Clopper-Pearson covers a little more than it says


def test_threshold_in_integers_never_exceeds_the_target():
    scores = np.r_[np.zeros(900), np.full(60, 5), np.full(30, 9), np.full(10, 12)].astype(np.int64)
    found = threshold_for(scored(scores), 0.05)
    assert found.value == 6  # the smallest integer that 5 does not reach
    assert found.background is not None
    assert found.background.value == pytest.approx(0.04)
    assert found.reliable


def test_threshold_for_an_exact_fraction_is_not_lost_to_rounding():
    found = threshold_for(scored(np.arange(1000)), 0.001, min_events=1)
    assert found.value == 999


def test_threshold_between_floats_lets_none_of_the_lower_fire():
    scores = np.array([0.1, 0.2, 0.3, 0.4])
    found = threshold_for(scored(scores), 0.5)
    assert isinstance(found.value, float)
    assert np.sum(scores >= found.value) == 2


def test_few_events_are_said():
    found = threshold_for(scored(np.arange(1000)), 0.003)
    assert not found.reliable
    assert found.note.startswith("only 3.0 effective background events")


def test_an_unresolvable_target_is_refused():
    found = threshold_for(scored(np.array([1, 2, 3, 3])), 0.1)
    assert found.value is None
    assert "cannot resolve" in found.note


def test_a_saturated_working_point_is_refused_with_the_reason():
    scores = np.r_[np.arange(98), 255, 255]
    assert threshold_for(scored(scores), 0.1, maximum=255, min_events=1).value is not None
    for target in (0.02, 0.01):  # at 0.02 only saturated events would fire
        found = threshold_for(scored(scores), target, maximum=255)
        assert found.value is None
        assert "0.02 of the background stands at 255" in found.note


def test_threshold_error_is_that_of_a_quantile():
    """Variance of a sample quantile: p (1 - p) / (n f^2)."""
    rng = np.random.default_rng(8)
    b = scored(rng.normal(size=4000))
    found = threshold_for(b, 0.1, counts=resample_counts(b.event_ids, 400, rng))
    density = stats.norm.pdf(stats.norm.isf(0.1))
    assert found.error == pytest.approx(np.sqrt(0.09 / 4000) / density, rel=0.25)


def test_nan_scores_are_refused_naming_the_row():
    with pytest.raises(InputError, match="row 1"):
        scored(np.array([0.0, np.nan]))
