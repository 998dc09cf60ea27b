"""What is said before training about the sample that it draws from."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from naetrigger.training.batches import batches
from naetrigger.training.loop import train
from naetrigger.training.settings import MahalanobisObjective, TrainingSettings

X = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
STEEP = np.random.default_rng(1).pareto(1.1, 400) + 1


@pytest.mark.parametrize(
    ("weights", "use_weights", "said"),
    [
        (STEEP, False, True),
        (STEEP, True, False),
        (np.full(400, 3.0), False, False),
        (np.linspace(0.5, 1.5, 400), False, False),
        (None, False, False),
    ],
)
def test_weights_that_vary_and_are_not_used_are_worth_a_word(
    weights: np.ndarray | None, use_weights: bool, said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    objective = {"name": "ae", "use_weights": use_weights}
    settings = TrainingSettings.model_validate({"objective": objective})
    with caplog.at_level(logging.WARNING, "naetrigger"):
        batches(settings, X, X, weights, weights, ("a", "b", "c"))
    assert ("objective.use_weights is not set: all 400" in caplog.text) == said


def test_what_scores_in_closed_form_has_the_weighted_moments(tmp_path: Path) -> None:
    """Whatever is drawn in training, and so the same for every seed."""
    mean = np.average(X, axis=0, weights=STEEP)
    inverse = np.linalg.inv(np.cov(X.T, aweights=STEEP, bias=True))
    expected = np.einsum("ni,ij,nj->n", X - mean, inverse, X - mean)
    for seed in (1, 2):
        objective = MahalanobisObjective(score="inputs", use_weights=True)
        settings = TrainingSettings(objective=objective, seed=seed)
        given = {"train_weights": STEEP, "validation_weights": STEEP}
        model = train(settings, X, X, tmp_path / str(seed), **given).teacher.model
        np.testing.assert_allclose(model.scores(torch.from_numpy(X)), expected, rtol=1e-3)


def test_weights_come_back_from_what_they_are_drawn_by() -> None:
    settings = TrainingSettings(objective=MahalanobisObjective(use_weights=True))
    data = batches(settings, X, X, STEEP, STEEP, ("a", "b", "c"))
    np.testing.assert_allclose(data.weights, STEEP / STEEP.sum(), atol=1e-14)  # of cumulated sums
