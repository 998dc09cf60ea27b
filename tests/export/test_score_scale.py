"""The regression's target: scores of any sign become numbers from zero on, in the same order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.score import SCORES
from naetrigger.export.distil import train_student
from naetrigger.export.score_scale import LOWEST, score_scale
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
    target = score_scale(scores, "energy").target(np.sort(scores))
    assert np.isfinite(target).all()
    assert (np.diff(target) >= 0).all()
    assert (target > 0).mean() == pytest.approx(1 - LOWEST, abs=1 / len(scores))
    assert np.median(target) == pytest.approx(np.log(2), rel=1e-2)
    assert (np.diff(target[target > 0]) > 0).all()
    with np.errstate(invalid="ignore"):  # what the plain logarithm makes of a likelihood
        assert np.isnan(np.log1p(ANY_SIGN / 3)).any()


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
    assert record["origin"] == score_scale(parts["train"].scores, "energy").origin < 0
