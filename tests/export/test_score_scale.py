"""The regression's target: scores of any sign become numbers from zero on, in the same order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.score import SCORES
from naetrigger.export.distil import train_student
from naetrigger.export.score_scale import HIGH, LOWEST, score_scale
from naetrigger.export.student_settings import StudentSettings
from naetrigger.export.student_task import StudentTask

ANY_SIGN = np.random.default_rng(1).normal(-40, 8, 4000)


@pytest.mark.parametrize("name", sorted(SCORES.keys() - {"energy"}))
def test_a_sum_of_squares_is_measured_in_its_median(name: str) -> None:
    scores = ANY_SIGN**2
    target = score_scale(scores, name).target(scores)
    np.testing.assert_allclose(target, np.log1p(scores / np.median(scores)), rtol=1e-12)


@pytest.mark.parametrize("scores", [ANY_SIGN, ANY_SIGN + 1e6, ANY_SIGN**2, -(ANY_SIGN**2)])
def test_an_energy_of_any_sign_keeps_its_order(scores: np.ndarray) -> None:
    scale = score_scale(scores, "energy")
    target = scale.target(np.sort(scores))
    assert np.isfinite(target).all()
    assert (target > 0).mean() == pytest.approx(1 - LOWEST, abs=1 / len(scores))
    assert (np.diff(target[target > 0]) > 0).all()
    assert target.max() + HIGH == pytest.approx(scale.highest)
    with np.errstate(invalid="ignore"):  # what the plain logarithm makes of a likelihood
        assert np.isnan(np.log1p(ANY_SIGN / 3)).any()


def test_the_background_is_spread_over_the_scale_of_an_energy() -> None:
    """A Gaussian of any place and width: its sigma is the unit, so one sigma is asinh(1)."""
    for place, width in ((0.0, 1.0), (-1e5, 3.0), (7.0, 1e-3)):
        scores = np.random.default_rng(2).normal(place, width, 100_000)
        scale = score_scale(scores, "energy")
        low, middle, high = scale.target(place + width * np.array([-1.0, 0.0, 1.0]))
        assert high - middle == pytest.approx(np.arcsinh(1), abs=0.02)
        assert middle - low == pytest.approx(np.arcsinh(1), abs=0.02)


def test_far_above_all_background_the_target_ends() -> None:
    scale = score_scale(ANY_SIGN, "energy")
    far = scale.target(np.array([1e9, 1e30]))
    assert (far == scale.highest).all()
    errors = score_scale(ANY_SIGN**2, "squared_error")
    assert (np.diff(errors.target(np.array([1e9, 1e30]))) > 0).all()


def test_a_student_learns_a_likelihood(task: StudentTask, tmp_path: Path) -> None:
    """The same teacher by its logarithm, as a likelihood gives it, below zero for many events."""
    parts = {
        part: replace(getattr(task, part), scores=np.log(getattr(task, part).scores))
        for part in ("train", "points", "validation", "validation_points")
    }
    assert np.median(parts["train"].scores) < 0
    settings = StudentSettings(
        mode="regress", hidden=(12, 8), epochs=10, float_epochs=30, batch_size=64
    )
    report = train_student(replace(task, teacher_score="energy", **parts), settings, 1, tmp_path)
    assert report.spearman > 0.6
    record = report.student.record
    assert record["centre"] == np.median(parts["train"].scores)
    assert record["score_meaning"].startswith("asinh")
