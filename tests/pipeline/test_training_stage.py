"""What a training has of the run's events, and members that are trained elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naetrigger.contracts.errors import EnvironmentProblem
from naetrigger.contracts.progress import Progress
from naetrigger.pipeline import engines, training_stage
from naetrigger.pipeline.input_specs import spec_of
from naetrigger.pipeline.recipe import load_recipe
from naetrigger.pipeline.run import run
from naetrigger.pipeline.training_stage import MemberJob
from naetrigger.training.data.training_weights import training_events
from naetrigger.training.settings import TrainingSettings

STEPS = 100


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps of trainings that only count; at step 30 whoever asked is gone."""
    steps: list[int] = []

    def train(settings: Any, seed: int, folder: Path, root: Path, progress: Progress) -> None:
        progress.start("training", STEPS)
        for step in range(STEPS):
            if step == 30 and seed == 2:
                next(folder.glob(".asked-*")).unlink()
            progress.update(step)
            steps.append(step)

    monkeypatch.setattr(training_stage, "train_member", train)
    monkeypatch.setattr(training_stage, "LOOK_SECONDS", 0.0)
    return steps


@pytest.mark.parametrize(("seed", "done"), [(1, STEPS), (2, 30)])
def test_a_member_that_nobody_waits_for_ends(
    seed: int, done: int, trained: list[int], tmp_path: Path
) -> None:
    """A later run may write in the same folder; Dask would let this one go on beside it."""
    with training_stage._asked(tmp_path) as mark:
        do = MemberJob(TrainingSettings(), tmp_path, tmp_path, mark).prepare()
        if seed == 1:
            do(seed, "", tmp_path)
        else:
            with pytest.raises(EnvironmentProblem, match="nobody waits for this training"):
                do(seed, "", tmp_path)
    assert len(trained) == done
    assert list(tmp_path.iterdir()) == []


def test_classes_of_a_recipes_events_give_the_relative_distance_of_its_inputs(
    tmp_path: Path,
) -> None:
    """Against the formula in float64; the training's classes are a context column of the file."""
    own = ["objective.name=relative_mahalanobis", "objective.score=inputs", "student.mode=regress"]
    classes = ["objective.labels=digit", "objective.classes=9"]
    recipe = load_recipe("digits", [*own, *classes], lambda line: None)
    run(recipe, tmp_path, until="training")
    spec = spec_of(tmp_path, "teacher")
    train, validation = (training_events(tmp_path / "data", n) for n in ("train", "validation"))
    z, digits = spec.inputs(train).astype(np.float64), train.column("digit")
    means = np.stack([z[digits == digit].mean(axis=0) for digit in np.unique(digits)])
    within = z - means[np.searchsorted(np.unique(digits), digits)]
    x = spec.inputs(validation).astype(np.float64)
    nearest = np.min([_squared(x - mean, within) for mean in means], axis=0)
    expected = nearest - _squared(x - z.mean(axis=0), z - z.mean(axis=0))
    given = engines.score(tmp_path, "torch", spec.mantissas(validation))
    assert len(means) == 9
    # means and matrices are kept in float32, and two distances of about 60 nearly cancel
    np.testing.assert_allclose(given, expected, rtol=0, atol=1e-3)


def _squared(x: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Squared Mahalanobis distances of (N, D), of the covariance of centred points; 1e-6 of the
    mean variance is added to each, as some pixels are never inked."""
    covariance = spread.T @ spread / len(spread)
    ridge = 1e-6 * covariance.diagonal().mean() * np.eye(len(covariance))
    return np.einsum("nd,de,ne->n", x, np.linalg.inv(covariance + ridge), x)
