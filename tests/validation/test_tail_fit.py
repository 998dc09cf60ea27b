"""Fitted tails: known shapes, what makes no tail, and requests that need none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from naetrigger.contracts.errors import InputError
from naetrigger.validation.tail import Sample
from naetrigger.validation.tail_fit import extrapolate, fit_tail, survival

FINE = 1000.0  # LSBs in the mean of an exponential score: ties hardly matter


def exponential(n: int, rng: np.random.Generator, lsb: float = 1 / FINE) -> Sample:
    """Scores with P(S >= t) = exp(-t lsb), all weights one."""
    return Sample(np.floor(rng.exponential(1.0, n) / lsb).astype(np.int64), np.ones(n))


@pytest.mark.parametrize("lsb", [1 / FINE, 0.25])
def test_extrapolation_finds_the_tail_of_an_exponential(lsb: float) -> None:
    """xi = 0 and sigma = 1/LSB; a threshold far rarer than the sample resolves, ties or not."""
    rng = np.random.default_rng(11)
    sample = exponential(20_000, rng, lsb)
    fit = fit_tail(sample)
    assert fit.shape == pytest.approx(0, abs=0.12)
    assert fit.scale * lsb == pytest.approx(1, rel=0.15)
    found = extrapolate(sample, 1e-5, rng, replicas=40)
    truth = -np.log(1e-5) / lsb
    assert found.intervals[0.95][0] <= truth <= found.intervals[0.95][1]
    assert found.intervals[0.95][0] < found.intervals[0.68][0] <= found.value
    with pytest.raises(InputError, match="within the sample"):
        extrapolate(sample, 0.2, rng)
    with pytest.raises(InputError, match="an extrapolation needs"):
        fit_tail(sample.select(np.arange(20_000) < 200))


def test_a_tail_never_reaches_down_to_a_score_that_most_crossings_share() -> None:
    """Of 20 000 crossings 19 600 score nothing; the others are exponential above it."""
    rng = np.random.default_rng(17)
    sample = exponential(20_000, rng)
    rare = replace(sample, scores=np.where(rng.random(20_000) < 0.98, 0, 1 + sample.scores))
    for events in (500.0, 1000.0, 2000.0):
        fit = fit_tail(rare, events)
        assert fit.start == rare.scores[rare.scores > 0].min()
        assert fit.fraction == pytest.approx(0.02, rel=0.1)
        assert fit.shape == pytest.approx(0, abs=0.15)
    found = extrapolate(rare, 2e-5, rng, replicas=40)
    assert found.intervals[0.95][0] <= np.log(0.02 / 2e-5) * FINE <= found.intervals[0.95][1]
    at_the_top = replace(sample, scores=np.minimum(sample.scores, 1000))
    with pytest.raises(InputError, match=r"0\.3.* of the crossings share the highest score 1000"):
        fit_tail(at_the_top)


def test_a_tail_of_no_pareto_form_is_refused() -> None:
    """A twentieth of the crossings share a score, and two of a hundred lie far above it."""
    rng = np.random.default_rng(18)
    sample, u = exponential(20_000, rng), rng.random(20_000)
    scores = np.where(u < 0.02, 6 + sample.scores, np.where(u < 0.07, 5, 0))
    with pytest.raises(InputError, match=r"above 5 are not like a Pareto tail: .* as 2\.00"):
        fit_tail(replace(sample, scores=scores))


def test_crossings_of_one_pool_event_make_no_tail() -> None:
    """As many crossings as one likes, of a pool of 50: the tail holds no 100 effective events."""
    rng = np.random.default_rng(19)
    sample = exponential(20_000, rng)
    assert fit_tail(replace(sample, clusters=rng.integers(0, 15_000, 20_000))).fraction > 0.04
    with pytest.raises(InputError, match=r"holds [45]\d effective events .*needs 100"):
        fit_tail(replace(sample, clusters=rng.integers(0, 50, 20_000)))


def test_a_request_within_the_sample_is_not_extrapolated() -> None:
    """Beyond the whole tail, beyond half of it, and as near to it as resamples scatter."""
    rng = np.random.default_rng(20)
    sample = exponential(20_000, rng)
    for request in (0.2, 0.04):  # the tail begins at 0.05, half of it at 0.025
        with pytest.raises(
            InputError, match=r"within the sample \(half of its tail begins at 0.025"
        ):
            extrapolate(sample, request, rng)
    few = replace(sample, clusters=rng.integers(0, 600, 20_000))  # the tail is a tenth
    with pytest.raises(InputError, match=r"0\.095 is too near to where the tail begins"):
        extrapolate(few, 0.095, rng)
    assert extrapolate(few, 0.05, rng, replicas=20).intervals[0.68][0] > fit_tail(few).start


def test_a_threshold_that_no_number_holds_is_refused() -> None:
    u = np.random.default_rng(21).random(20_000)
    sample = Sample(np.floor(1000 * u**-1.5).astype(np.int64), np.ones(20_000))
    with pytest.raises(InputError, match="sets no threshold"):
        extrapolate(sample, 1e-300, np.random.default_rng(0), replicas=3)


def test_the_survival_function_is_scipys() -> None:
    z = np.array([0.0, 0.3, 2.0, 30.0])
    for shape in (-0.5, -1e-12, 0.0, 0.2, 1.5):
        np.testing.assert_allclose(survival(z, shape), stats.genpareto.sf(z, shape), rtol=1e-9)


def test_a_fitted_tail_has_the_shape_it_was_drawn_with() -> None:
    rng = np.random.default_rng(12)
    scores = np.floor(stats.genpareto.rvs(0.25, scale=800, size=60_000, random_state=rng))
    fit = fit_tail(Sample(scores.astype(np.int64), np.ones(60_000)), events=5000)
    assert fit.shape == pytest.approx(0.25, abs=0.08)
