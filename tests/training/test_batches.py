"""What is said before training about the sample that it draws from."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from naetrigger.training.batches import batches
from naetrigger.training.settings import TrainingSettings

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
