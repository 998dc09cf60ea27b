"""A decision bit fires on the test background as in training, or the report says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from naetrigger.validation.comparison import compare, decision_bits
from naetrigger.validation.decision_checks import beyond_chance, decision_checks
from naetrigger.validation.efficiency import efficiency, scored, threshold_for
from naetrigger.validation.report.build import build_report
from naetrigger.validation.report.schema import Check, DecisionBit
from naetrigger.validation.settings import Limits, ValidationSettings

LIMIT = Limits().decision_difference
QUICK = ValidationSettings(
    bootstrap_replicas=20, background_efficiencies=(0.1,), limits=Limits(decision_difference=0.1)
)


def bit(train: tuple[float, int], test: tuple[float, int], k: int = 0) -> DecisionBit:
    """Of efficiencies that were counted on so many events."""
    measured = []
    for share, n in (train, test):
        scores = np.zeros(n)
        scores[: round(share * n)] = 1
        measured.append(efficiency(scored(scores), 1))
    return DecisionBit(
        bit=k,
        target=0.01,
        threshold_hw=40,
        training_background_efficiency=measured[0].value,
        training_low=measured[0].low,
        training_high=measured[0].high,
        background_efficiency=measured[1].value,
        low=measured[1].low,
        high=measured[1].high,
    )


def check(one: DecisionBit) -> Check:
    (found,) = decision_checks([one], LIMIT)
    return found


def test_what_chance_explains_passes() -> None:
    found = check(bit((0.01, 10_000), (0.012, 5000)))
    assert (found.passed, found.value, found.advice) == (True, 0.0, "")
    assert found.name == "decision bit 0 on the test background"


def test_a_threshold_of_another_spectrum_fails_in_either_direction() -> None:
    above, below = (check(bit((0.01, 10_000), (test, 5000))) for test in (0.0241, 0.0014))
    assert not above.passed
    assert not below.passed
    assert above.name == below.name  # no measured value in it
    assert "fires on 0.024 of the test background" in above.advice
    assert not check(bit((0.01, 10_000), (0.0, 5000))).passed


def test_in_large_samples_small_differences_pass() -> None:
    assert check(bit((0.01, 10_000_000), (0.0105, 10_000_000))).passed
    assert not check(bit((0.01, 10_000_000), (0.012, 10_000_000))).passed


def test_a_threshold_above_all_training_events_is_judged_too() -> None:
    assert check(bit((0.0, 1000), (0.0, 1000))).value == 0.0
    assert not check(bit((0.0, 10_000), (0.05, 1000))).passed


def test_a_report_without_the_interval_in_training_has_no_check() -> None:
    old = bit((0.01, 1000), (0.01, 1000)).model_copy(update={"training_low": None})
    assert beyond_chance(old) is None
    assert list(decision_checks([old], LIMIT)) == []


def test_samples_of_one_kind_hardly_ever_fail() -> None:
    rng = np.random.default_rng(4)
    failed = 0
    for _ in range(300):
        scores, weights = rng.exponential(100, 6000), rng.choice([0.25, 1.0], 6000)
        train, test = (
            scored(scores[half], weights[half]) for half in (slice(0, 4000), slice(4000, 6000))
        )
        found = threshold_for(train, 0.01)
        assert found.value is not None
        assert found.background is not None
        fired = efficiency(test, found.value)
        failed += not check(
            DecisionBit(
                bit=0,
                target=0.01,
                threshold_hw=0,
                training_background_efficiency=found.background.value,
                training_low=found.background.low,
                training_high=found.background.high,
                background_efficiency=fired.value,
                low=fired.low,
                high=fired.high,
            )
        ).passed
    assert failed <= 3


@pytest.mark.parametrize(("of_training", "passes"), [(0.1, True), (0.02, False)])
def test_the_report_holds_every_bit_against_its_training(
    inputs: Any, of_training: float, passes: bool
) -> None:
    scores = inputs(n=2000, signals=("svj",)).scores["student"]["network"]["tt"]
    entry = {
        "bit": 0,
        "background_efficiency_target": of_training,
        "threshold_hw": int(np.quantile(scores, 0.9)),
        "training_background_efficiency": of_training,
        "training_low": 0.98 * of_training,
        "training_high": 1.02 * of_training,
    }
    made = compare(QUICK, inputs(n=2000, signals=("svj",), decision=[entry]))
    (judged,) = [c for c in build_report(made).checks if c.name.startswith("decision bit")]
    assert judged.passed is passes
    assert judged.limit == QUICK.limits.decision_difference
    assert decision_bits(made)[0].training_low == entry["training_low"]
