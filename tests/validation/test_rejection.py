"""Measures at low rates against sums by hand, known distributions, and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from naetrigger.contracts.errors import InputError
from naetrigger.validation.efficiency import Scored, auc, auc_replicas, resample_counts, scored
from naetrigger.validation.rejection import (
    Curve,
    mean_efficiency,
    mean_efficiency_replicas,
    rejection,
    significance_improvement,
)

Pair = tuple[Scored, Scored]


@pytest.fixture(scope="module")
def pair() -> Pair:
    """Integers with ties, weights, and two rows an event."""
    rng = np.random.default_rng(4)
    samples = []
    for n, shift in ((4000, 0.0), (1500, 1.0)):
        scores = np.rint(4 * rng.normal(shift, 1, n)).astype(np.int64)
        samples.append(scored(scores, rng.uniform(0.2, 2, n), np.arange(n) // 2))
    return samples[0], samples[1]


def area(pair: Pair, up_to: float) -> float:
    curve = Curve.of(*pair)
    return mean_efficiency(*curve.efficiencies(pair[0].weights, pair[1].weights), up_to=up_to)


def counts_of(pair: Pair, replicas: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    b, s = (resample_counts(sample.event_ids, replicas, rng) for sample in pair)
    return b, s


def test_the_whole_curve_gives_the_auc(pair: Pair) -> None:
    assert area(pair, 1.0) == pytest.approx(auc(*pair), rel=1e-12)
    counts = counts_of(pair)
    mine = mean_efficiency_replicas(Curve.of(*pair), *pair, 1.0, counts)
    np.testing.assert_allclose(mine, auc_replicas(*pair, counts), rtol=1e-12)


@pytest.mark.parametrize("up_to", [0.1, 0.5, 1.0])
def test_signal_below_the_last_background_is_beyond_the_range(up_to: float) -> None:
    """Where a background efficiency is met exactly, the curve's rise at it does not count."""
    above = scored(np.arange(10.0, 20.0))
    threshold = 20 - 10 * up_to
    below = scored(np.array([threshold - 0.5, threshold - 0.4]))
    assert area((above, below), up_to) == 0
    assert area((above, scored(below.scores + 20)), up_to) == 1


def test_a_part_of_the_curve_is_that_of_scikit_learn(pair: Pair) -> None:
    """Which gives it between chance (0.5) and perfect (1)."""
    truth = np.concatenate([np.zeros(len(pair[0].scores)), np.ones(len(pair[1].scores))])
    scores, weights = (
        np.concatenate([getattr(x, name) for x in pair]) for name in ("scores", "weights")
    )
    for up_to in (0.01, 0.1, 0.5):
        theirs = roc_auc_score(truth, scores, sample_weight=weights, max_fpr=up_to)
        chance = up_to / 2
        assert (area(pair, up_to) - chance) / (1 - chance) == pytest.approx(
            2 * theirs - 1, rel=1e-9
        )


def test_a_coin_has_half_of_the_range() -> None:
    rng = np.random.default_rng(1)
    coin = scored(rng.normal(size=20000)), scored(rng.normal(size=20000))
    assert area(coin, 0.2) == pytest.approx(0.1, abs=0.01)


def test_rejection_of_gaussians_is_the_known_one() -> None:
    rng = np.random.default_rng(2)
    pair = scored(rng.normal(size=200_000)), scored(rng.normal(1.5, 1, size=200_000))
    for target in (0.1, 0.3, 0.5):
        found = rejection(*pair, target)
        truth = 1 / stats.norm.sf(1.5 + stats.norm.isf(target))
        assert found.signal.value >= target
        assert found.high is not None
        width = (found.high - found.low) / 2
        assert found.value == pytest.approx(truth, abs=4 * width)


def test_equal_scores_are_not_split() -> None:
    signal = scored(np.array([5, 5, 3, 1]))
    background = scored(np.array([5, 4, 3, 3, 2, 1, 1, 0]))
    found = rejection(background, signal, 0.6)
    assert (found.threshold, found.signal.value, found.background.value) == (3, 0.75, 0.5)
    exact = rejection(background, signal, 0.5)
    assert (exact.threshold, exact.value) == (5, 8.0)


def test_a_curve_worked_by_hand() -> None:
    pair = scored(np.arange(10)), scored(np.array([8.5, 5.5, 5.5, 0.5]))
    assert rejection(*pair, 0.25).value == 10
    assert rejection(*pair, 0.5).value == pytest.approx(10 / 4)
    assert area(pair, 0.1) == 0  # 9 lies above 8.5
    assert area(pair, 0.2) == pytest.approx(0.125)  # (0, 0), (0.1, 0), (0.1, 0.25), (0.2, 0.25)


def test_a_rejection_without_background_has_a_lower_end_alone() -> None:
    found = rejection(scored(np.zeros(100)), scored(np.ones(50)), 0.5)
    assert found.value is None
    assert found.high is None
    assert found.low == pytest.approx(1 / (1 - 0.158655254**0.01), rel=1e-6)


def test_significance_improvement_is_the_best_of_all_allowed_thresholds(pair: Pair) -> None:
    background, signal = pair
    best = significance_improvement(Curve.of(*pair), *pair, 50.0, counts_of(pair))
    assert best is not None
    tried = []
    for threshold in np.unique(background.scores):
        w = background.weights[background.scores >= threshold]
        if w.sum() ** 2 / (w**2).sum() >= 50:
            b = w.sum() / background.weights.sum()
            kept = signal.weights[signal.scores >= threshold].sum() / signal.weights.sum()
            tried.append(kept / np.sqrt(b))
    assert best.value == pytest.approx(max(tried), rel=1e-12)
    assert best.signal_efficiency / best.background_efficiency**0.5 == pytest.approx(best.value)
    assert best.error is not None
    assert 0 < best.error < 0.2 * best.value


def test_too_few_events_give_no_improvement() -> None:
    pair = scored(np.zeros(5)), scored(np.ones(5))
    assert significance_improvement(Curve.of(*pair), *pair, 10.0, counts_of(pair)) is None


@pytest.mark.parametrize("up_to", [0.0, -0.1, 1.5, float("nan")])
def test_a_range_that_is_none_is_refused(pair: Pair, up_to: float) -> None:
    with pytest.raises(InputError, match="background efficiency in"):
        area(pair, up_to)


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_a_signal_efficiency_that_is_none_is_refused(pair: Pair, target: float) -> None:
    with pytest.raises(InputError, match="signal efficiency in"):
        rejection(*pair, target)
