"""Planted disagreements must be found where they were planted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from naetrigger.contracts.errors import AgreementError, InputError
from naetrigger.validation.agreement import (
    agreement_checks,
    compare_engines,
    compare_pair,
    differing_events,
    first_difference,
    relative_difference,
    require_agreement,
    require_same_trace,
    spearman,
)


def _trace(n=6):
    rng = np.random.default_rng(0)
    return {
        "input": rng.integers(-50, 50, (n, 4)),
        "dense": rng.integers(-50, 50, (n, 3)),
        "score": rng.integers(0, 999, n),
    }


def _planted(trace, layer, event, element, by=1):
    changed = {name: values.copy() for name, values in trace.items()}
    flat = changed[layer].reshape(len(changed[layer]), -1)
    flat[event, element] += by
    changed[layer] = flat.reshape(changed[layer].shape)
    return changed


def test_equal_integers_are_exact_and_pass():
    scores = np.arange(100)
    pairs = compare_engines({"network": scores, "hls": scores.copy(), "rtlsim": scores[:7]})
    assert [(p.a, p.b, p.n) for p in pairs] == [
        ("network", "hls", 100), ("network", "rtlsim", 7), ("hls", "rtlsim", 7),
    ]  # fmt: skip
    assert all(p.exact_fraction == 1 and p.max_lsb == 0 for p in pairs)
    assert all(check.passed for check in agreement_checks(pairs))


def test_one_lsb_on_one_event_fails():
    scores = np.arange(100)
    other = scores.copy()
    other[63] -= 1
    pair = compare_pair("network", scores, "hls", other)
    assert pair.exact_fraction == 0.99
    assert pair.max_lsb == 1
    (check,) = agreement_checks([pair])
    assert not check.passed


def test_differences_beyond_63_bits_do_not_wrap():
    low, high = np.array([-(2**63) + 1]), np.array([2**63 - 1])
    assert compare_pair("a", low, "b", high).max_lsb == 2**64 - 2


def test_float_engines_are_held_to_rounding():
    scores = np.random.default_rng(1).exponential(size=500)
    near, far = scores * (1 + 5e-6), scores * (1 + 5e-5)
    assert agreement_checks([compare_pair("torch", scores, "onnx", near)])[0].passed
    assert not agreement_checks([compare_pair("torch", scores, "onnx", far)])[0].passed


def test_nan_on_one_side_fails():
    scores = np.ones(5)
    broken = np.array([1, 1, np.nan, 1, 1])
    pair = compare_pair("torch", scores, "onnx", broken)
    assert not agreement_checks([pair])[0].passed


@pytest.mark.parametrize("no_number", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_fail_also_where_both_have_them(no_number):
    scores = np.array([1.0, no_number, 3.0, no_number, no_number])
    pair = compare_pair("torch", scores, "onnx", scores.copy())
    assert pair.max_relative == np.inf
    assert not agreement_checks([pair])[0].passed
    differences = relative_difference(scores, scores * (1 + 1e-3))
    assert np.isfinite(differences).tolist() == [True, False, True, False, False]
    assert differences[0] == pytest.approx(1e-3 / 2)  # over the median of the numbers, 2


def test_teacher_and_student_are_compared_by_rank():
    rng = np.random.default_rng(2)
    teacher = rng.normal(size=200)
    student = np.rint(8 * teacher).astype(np.int64)
    pair = compare_pair("torch", teacher, "network", student)
    assert pair.expectation == "rank"
    assert pair.max_lsb is None
    assert pair.spearman == pytest.approx(stats.spearmanr(teacher, student).statistic)
    assert agreement_checks([pair]) == []


def test_a_constant_score_has_no_rank_correlation():
    assert spearman(np.ones(5), np.arange(5)) is None


@pytest.mark.parametrize(
    ("layer", "event", "element"), [("input", 0, 3), ("dense", 4, 1), ("score", 5, 0)]
)
def test_first_difference_is_where_it_was_planted(layer, event, element):
    trace = _trace()
    found = first_difference(trace, _planted(trace, layer, event, element))
    assert found is not None
    assert (found.event, found.layer, found.element) == (event, layer, element)
    assert found.b - found.a == 1


def test_the_first_event_wins_and_in_it_the_first_layer():
    trace = _trace()
    other = _planted(_planted(_planted(trace, "input", 4, 0), "score", 2, 0), "dense", 2, 2)
    found = first_difference(trace, other)
    assert found is not None
    assert (found.event, found.layer, found.element) == (2, "dense", 2)


def test_traces_of_selected_events_name_the_original_event():
    trace = _trace(2)
    found = first_difference(trace, _planted(trace, "dense", 1, 0), np.array([17, 42]))
    assert found is not None
    assert found.event == 42


def test_equal_traces_have_no_difference():
    assert first_difference(_trace(), _trace()) is None
    require_same_trace("network", _trace(), "hls", _trace())


def test_require_same_trace_names_everything():
    trace = _trace()
    with pytest.raises(AgreementError) as caught:
        require_same_trace("network", trace, "hls", _planted(trace, "dense", 4, 1, by=7))
    got = trace["dense"][4, 1]
    for part in ("'network'", "'hls'", "event 4", "'dense'", f"{got}", f"{got + 7}"):
        assert part in str(caught.value)


def test_require_agreement_asks_only_for_differing_events():
    trace = _trace(40)
    other = _planted(_planted(trace, "dense", 31, 2), "score", 31, 0)
    asked = []

    def trace_of(engine, rows):
        asked.append((engine, rows.tolist()))
        full = trace if engine == "network" else other
        return {name: values[rows] for name, values in full.items()}

    with pytest.raises(AgreementError, match=r"event 31.*'dense' of event 31") as caught:
        require_agreement({"network": trace["score"], "rtl": other["score"]}, trace_of)
    assert asked == [("network", [31]), ("rtl", [31])]
    assert "on 1 of 40 events" in str(caught.value)


def test_require_agreement_returns_the_pairs_when_all_is_well():
    scores = np.arange(5)
    (pair,) = require_agreement({"network": scores, "hls": scores})
    assert pair.exact_fraction == 1.0
    assert differing_events(scores, scores).tolist() == []


def test_traces_without_a_common_layer_are_refused():
    with pytest.raises(InputError, match="share no layer"):
        first_difference({"a": np.zeros((1, 1))}, {"b": np.zeros((1, 1))})


def test_empty_scores_are_refused():
    with pytest.raises(InputError, match="N > 0"):
        compare_engines({"network": np.zeros(0, np.int64), "hls": np.zeros(0, np.int64)})
