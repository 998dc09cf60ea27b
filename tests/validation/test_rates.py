"""Thresholds for rates: known tails, ties, weights, pools, refusals, the document."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from naetrigger.contracts.errors import InputError
from naetrigger.validation.intervals import CONFIDENCES, order_coverage, order_ranks
from naetrigger.validation.part_differences import chi2
from naetrigger.validation.rates import (
    by_context,
    by_order,
    expected_events,
    overlaps,
    threshold_for,
    threshold_interval,
)
from naetrigger.validation.rates_document import Crossings, Question, passed, rates_document
from naetrigger.validation.tail import Sample, fraction_of, tail_of
from naetrigger.validation.tail_bootstrap import bootstrap_thresholds

FINE = 1000.0  # LSBs in the mean of an exponential score: ties hardly matter


def exponential(n: int, rng: np.random.Generator, lsb: float = 1 / FINE) -> Sample:
    """Scores with P(S >= t) = exp(-t lsb), all weights one."""
    return Sample(np.floor(rng.exponential(1.0, n) / lsb).astype(np.int64), np.ones(n))


def true_fraction(threshold: int, lsb: float = 1 / FINE) -> float:
    return float(np.exp(-threshold * lsb))


def test_a_tail_by_hand() -> None:
    """Scores 9, 7, 7, 3 with weights 1, 1, 2, 4; the two of score 7 form a cluster."""
    scores, weights = np.array([3, 7, 9, 7]), np.array([4.0, 1.0, 1.0, 2.0])
    tail = tail_of(Sample(scores, weights, np.array([0, 1, 2, 1])))
    assert tail.values.tolist() == [9, 7, 3]
    assert tail.below.tolist() == [7, 3, 2]
    assert tail.fraction.tolist() == [1 / 8, 4 / 8, 1.0]
    assert tail.events.tolist() == pytest.approx([1.0, 16 / (1 + 9), 64 / (1 + 9 + 16)])
    # at 7: A = 1, 3, 0 of W = 1, 3, 4; p = 1/2, so the squares are 1/4 + 9/4 + 4
    assert tail.trials[1] == pytest.approx(0.25 * 64 / 6.5)
    assert (tail.index(10), tail.index(9), tail.index(8), tail.index(7)) == (-1, 0, 0, 1)
    apart = tail_of(Sample(scores, weights))
    assert apart.trials[1] == pytest.approx(0.25 * 64 / (0.25 * (1 + 1 + 4 + 16)))


def test_equal_weights_are_counted() -> None:
    sample = exponential(2000, np.random.default_rng(0))
    tail = tail_of(replace(sample, weights=np.full(2000, 0.3)), 0.1)
    np.testing.assert_allclose(tail.trials, 2000)
    np.testing.assert_allclose(tail.events, tail.fraction * 2000)
    assert sample.is_counted
    assert not replace(sample, clusters=np.arange(2000)).is_counted


def test_the_tail_is_what_every_fraction_says_by_itself() -> None:
    rng = np.random.default_rng(1)
    n = 3000
    sample = Sample(rng.integers(0, 40, n), rng.random(n) + 0.1, rng.integers(-1, 500, n))
    tail = tail_of(sample, 0.5)
    for i, value in enumerate(tail.values.tolist()):
        alone = fraction_of(sample, sample.scores >= value)
        assert tail.at(i).value == pytest.approx(alone.value)
        assert tail.at(i).trials == pytest.approx(alone.trials, rel=1e-9)
        assert tail.at(i).events == pytest.approx(alone.events, rel=1e-9)


def test_the_interval_of_a_threshold_is_that_of_order_statistics() -> None:
    sample = exponential(5000, np.random.default_rng(2))
    highest = np.sort(sample.scores)[::-1]
    for confidence in CONFIDENCES:
        ranks = order_ranks(5000, 0.02, confidence)
        found = threshold_interval(tail_of(sample, 0.1), 0.02, confidence)
        assert found == (highest[ranks.up_to] + 1, highest[ranks.above - 1])


def test_thresholds_cover_as_often_as_they_should() -> None:
    """300 experiments; benchmarks/interval_coverage.py makes 2000 of each kind."""
    rng, n, p, trials = np.random.default_rng(3), 3000, 0.02, 300
    truth = int(np.ceil(-np.log(p) * FINE))
    for confidence in CONFIDENCES:
        inside = 0
        for _ in range(trials):
            found = threshold_interval(tail_of(exponential(n, rng), 0.1), p, confidence)
            assert found is not None
            inside += found[0] <= truth <= found[1]
        exact = order_coverage(n, p, confidence)
        assert abs(inside / trials - exact) < 3.5 * np.sqrt(exact * (1 - exact) / trials)


def test_a_requested_rate_comes_back_on_another_sample() -> None:
    rng = np.random.default_rng(4)
    found = threshold_for(tail_of(exponential(200_000, rng), 0.05), 0.002)
    assert found.value is not None
    assert found.reached
    assert found.at.fraction.value <= 0.002 < found.above.fraction.value  # type: ignore[union-attr]
    other = exponential(200_000, rng)
    low, high = fraction_of(other, other.scores >= found.value).interval(0.999)
    assert low <= 0.002 <= high
    assert low <= true_fraction(found.value) <= high
    assert found.intervals[0.95][0] <= -np.log(0.002) * FINE <= found.intervals[0.95][1]


def test_a_rate_between_two_coarse_scores_is_said_to_be_unreachable() -> None:
    """LSB 1: integer thresholds let e^-k pass; 0.03 lies between e^-4 and e^-3."""
    sample = exponential(100_000, np.random.default_rng(5), lsb=1.0)
    found = threshold_for(tail_of(sample, 0.2), 0.03)
    assert not found.reached
    assert found.intervals == {}
    assert found.value == found.at.threshold == 4
    assert found.at.fraction.value == pytest.approx(np.exp(-4), rel=0.1)
    assert found.above is not None
    assert found.above.threshold == 3
    assert found.above.fraction.value == pytest.approx(np.exp(-3), rel=0.1)
    assert threshold_for(tail_of(sample, 0.2), float(np.exp(-3))).reached


def test_a_rate_without_events_is_refused_with_what_it_needs() -> None:
    tail = tail_of(exponential(10_000, np.random.default_rng(6)), 0.1)
    found = threshold_for(tail, 1e-3)
    assert found.value is None
    assert found.needs == pytest.approx(30_000, rel=0.05)
    assert "30000 crossings" in found.note or str(found.needs) in found.note
    assert threshold_for(tail, 4e-3).value is not None
    assert threshold_for(tail, 1e-3, min_events=8).value is not None
    assert expected_events(tail, 1e-3) == pytest.approx(10, rel=0.1)


def test_a_small_pool_is_told_from_a_small_sample() -> None:
    rng = np.random.default_rng(7)
    sample = exponential(20_000, rng)
    pool = replace(sample, clusters=np.where(sample.scores > 4000, rng.integers(0, 9, 20_000), -1))
    tail, apart = tail_of(pool, 0.1), tail_of(sample, 0.1)
    found = threshold_for(tail, 0.005, pool=apart)
    assert found.value is None
    assert "more crossings of the same pool do not help" in found.note
    assert threshold_for(apart, 0.005).value is not None


def test_a_saturated_score_is_refused() -> None:
    sample = exponential(10_000, np.random.default_rng(8))
    clipped = replace(sample, scores=np.minimum(sample.scores, 3000))
    tail = tail_of(clipped, 0.2)
    assert "saturates" in threshold_for(tail, 0.01, maximum=3000).note
    assert threshold_for(tail, 0.1, maximum=3000).value is not None
    with pytest.raises(InputError, match="fraction between 0 and 1"):
        threshold_for(tail, 1.5)


def test_weights_cost_what_the_bootstrap_says() -> None:
    """Importance sampling: the error of the threshold from intervals and from resamples agree."""
    rng = np.random.default_rng(9)
    sample = exponential(20_000, rng)
    weights = np.where(sample.scores > 2000, 0.2, 1.0) * rng.choice([0.5, 1.5], 20_000)
    weighted = replace(sample, weights=weights, clusters=rng.integers(0, 15_000, 20_000))
    replicas = bootstrap_thresholds(weighted, [0.01, 0.002], 200, rng)
    for k, request in enumerate((0.01, 0.002)):
        low, high = threshold_interval(tail_of(weighted, 0.1), request, 0.68) or (0, 0)
        assert (high - low) / 2 == pytest.approx(replicas[:, k].std(), rel=0.25)
        assert low < np.median(replicas[:, k]) < high


def test_the_same_experiment_with_clusters_is_less_certain() -> None:
    rng = np.random.default_rng(10)
    sample = exponential(4000, rng)
    twice = Sample(np.repeat(sample.scores, 2), np.ones(8000), np.repeat(np.arange(4000), 2))
    kept = twice.select(np.ones(8000, bool))
    single = threshold_interval(tail_of(sample, 0.2), 0.05, 0.68)
    assert threshold_interval(tail_of(kept, 0.2), 0.05, 0.68) == single
    alone = threshold_interval(tail_of(Sample(kept.scores, kept.weights), 0.2), 0.05, 0.68)
    assert alone is not None
    assert single is not None
    assert alone[1] - alone[0] < single[1] - single[0]


def test_parts_and_their_chi2() -> None:
    rng = np.random.default_rng(13)
    sample = exponential(20_000, rng)
    pileup = rng.normal(50, 10, 20_000).astype(np.float32)
    flat = by_context(sample, 2000, pileup)
    assert len(flat) == 5
    value, degrees = chi2(sample, sample.scores >= 2000, [part.rows for part in flat])
    assert degrees == 4
    assert stats.chi2.sf(value, degrees) > 1e-3
    rising = replace(sample, scores=(sample.scores + 20 * pileup).astype(np.int64))
    parts = by_context(rising, 3500, pileup)
    value, degrees = chi2(rising, rising.scores >= 3500, [part.rows for part in parts])
    assert stats.chi2.sf(value, degrees) < 1e-6
    parts = by_order(sample, 2000, np.arange(20_000))
    assert [part.low for part in parts] == [0, 4000, 8000, 12_000, 16_000]
    assert [part.high for part in parts] == [3999, 7999, 11_999, 15_999, 19_999]
    value, degrees = chi2(sample, sample.scores >= 2000, [part.rows for part in parts])
    assert stats.chi2.sf(value, degrees) > 1e-3
    assert by_context(sample, 2000, np.full(20_000, 50, np.float32)) == []


def test_overlaps_by_hand() -> None:
    sample = Sample(np.array([1, 5, 6, 7]), np.array([1.0, 1.0, 2.0, 4.0]))
    seeds = {"a": np.array([True, True, False, False]), "b": np.array([False, False, False, True])}
    found, pure = overlaps(sample, 5, seeds)
    assert [one.name for one in found] == ["a", "b", "any seed"]
    assert [one.alone.value for one in found] == [2 / 8, 4 / 8, 6 / 8]
    assert [one.both.value for one in found] == [1 / 8, 4 / 8, 5 / 8]
    assert [one.shared for one in found] == pytest.approx([1 / 7, 4 / 7, 5 / 7])
    assert pure.value == 2 / 8


def test_numbers_of_clusters_may_be_anything() -> None:
    rng = np.random.default_rng(16)
    sample = Sample(rng.integers(0, 9, 500), rng.random(500) + 0.1, rng.integers(-1, 60, 500))
    assert sample.clusters is not None
    large = replace(sample, clusters=np.where(sample.clusters < 0, -1, 10**12 + sample.clusters))
    passing = sample.scores > 6
    one, two = fraction_of(large, passing), fraction_of(sample, passing)
    assert vars(one) == pytest.approx(vars(two))


def crossings(n: int = 60_000, seed: int = 14) -> Crossings:
    rng = np.random.default_rng(seed)
    sample = exponential(n, rng)
    calibration = rng.random(n) < 0.5
    return Crossings(
        replace(sample, weights=rng.choice([0.2, 1.0], n), clusters=rng.integers(0, n, n)),
        calibration,
        ~calibration,
        None,
        {"jet": sample.scores > 5000},
        ("n_pileup", rng.normal(50, 10, n).astype(np.float32)),
    )


QUESTION = Question((50.0, 5.0, 0.1), 10_000.0, 2**20, 0.5, replicas=20)


def test_the_document() -> None:
    document = rates_document(crossings(), replace(QUESTION, extrapolate=True))
    ok, refused, far = document["rates"]
    assert ok["status"] == "ok"
    assert ok["threshold_interval_95"][0] <= -np.log(0.005) * FINE <= ok["threshold_interval_95"][1]
    assert ok["threshold"] == 0.5 * ok["threshold_hw"]
    assert abs(ok["halves_pull"]) < 4
    assert ok["pure"]["rate_khz"] < ok["test"]["rate_khz"]
    assert ok["stability"]["degrees"] == ok["pileup"]["degrees"] == 4
    assert refused["status"] == far["status"] == "extrapolated"
    assert (
        far["threshold_interval_95"][0] <= -np.log(1e-5) * FINE <= far["threshold_interval_95"][1]
    )
    assert far["needs_calibration_crossings"] > 1e6
    assert passed(document)
    assert [seed["name"] for seed in document["seeds"]] == ["jet"]
    assert document["curve"][0]["rate_khz"] < document["curve"][-1]["rate_khz"]
    plain = rates_document(crossings(), QUESTION)
    assert [entry["status"] for entry in plain["rates"]] == ["ok", "refused", "refused"]
    assert not passed(plain)


def test_a_small_pool_is_refused_and_not_extrapolated() -> None:
    """Rates from within the tail to far beyond it; 20 pool events are no tail."""
    rng = np.random.default_rng(22)
    n = 20_000
    sample = replace(exponential(n, rng), clusters=rng.integers(0, 20, n))
    half = rng.random(n) < 0.5
    question = replace(QUESTION, requested_khz=(900.0, 450.0, 250.0, 1.0), extrapolate=True)
    for entry in rates_document(Crossings(sample, half, ~half), question)["rates"]:
        assert entry["status"] == "refused"
        assert "holds 20 effective events" in entry["note"]


def test_parts_by_order_are_named_by_rows_of_the_file() -> None:
    """Of a file of which every third row is there, by the first and last of the test half."""
    found = crossings()
    rows = 7 + 3 * np.arange(len(found.sample))
    document = rates_document(replace(found, rows=rows), QUESTION)
    parts = document["rates"][0]["stability"]["parts"]
    of_test = rows[found.test]
    edges = [i * len(of_test) // 5 for i in range(6)]
    assert [part["low"] for part in parts] == [of_test[i] for i in edges[:-1]]
    assert [part["high"] for part in parts] == [of_test[i - 1] for i in edges[1:]]
    assert parts[1]["name"] == f"rows {of_test[edges[1]]} to {of_test[edges[2] - 1]}"


def test_halves_that_do_not_agree_fail() -> None:
    found = crossings()
    shifted = np.where(found.test, found.sample.scores + 200, found.sample.scores)
    apart = replace(found, sample=replace(found.sample, scores=shifted))
    document = rates_document(apart, replace(QUESTION, requested_khz=(500.0,)))
    assert document["rates"][0]["halves_pull"] > 4
    assert not passed(document)


def test_documents_are_the_same_each_time() -> None:
    assert rates_document(crossings(), QUESTION) == rates_document(crossings(), QUESTION)


def test_questions_that_make_no_sense() -> None:
    with pytest.raises(InputError, match=r"--rate 20000: must be above 0 and below the 10000 kHz"):
        rates_document(crossings(), replace(QUESTION, requested_khz=(20_000.0,)))
    empty = replace(crossings(), test=np.zeros(60_000, bool))
    with pytest.raises(InputError, match="no crossing falls into the test half"):
        rates_document(empty, QUESTION)
    with pytest.raises(InputError, match="integers of the hardware"):
        Sample(np.array([0.5]), np.ones(1))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="there are no crossings"):
        Sample(np.zeros(0, np.int64), np.ones(0))


def test_constant_scores_and_one_crossing_are_refused_and_do_not_crash() -> None:
    constant = Sample(np.full(5000, 7), np.ones(5000))
    found = threshold_for(tail_of(constant, 0.1), 0.01)
    assert found.value is None
    assert found.note
    one = Sample(np.array([3]), np.ones(1))
    assert threshold_for(tail_of(one, 0.1), 0.01).value is None
