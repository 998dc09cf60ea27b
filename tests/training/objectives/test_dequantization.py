"""Gray levels under a continuous density: bounded with noise of a level's width, not without."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from naetrigger.training.loop import train
from naetrigger.training.settings import GlowObjective, ModelSettings, TrainingSettings

LEVEL = 0.25
N = 4


def energies(width: float, folder: Path) -> np.ndarray:
    """-log p where a glow saw nothing but one gray image, over inputs within half a level of it."""
    objective = GlowObjective(
        steps=150, validate_every=50, batch_size=64, learning_rate=3e-2, couplings=1, filters=4,
        dequantization=width,
    )  # fmt: skip
    settings = TrainingSettings(model=ModelSettings(), objective=objective, seed=1)
    gray = np.zeros((500, N), np.float32)
    model = train(settings, gray, gray[:100], folder).teacher.model
    spread = np.random.default_rng(1).uniform(-width / 2, width / 2, (4000, N))
    return model.scores(torch.from_numpy(spread.astype(np.float32))).numpy()


def test_density_of_spread_levels_is_at_most_that_of_a_level(tmp_path: Path) -> None:
    """log p integrates to no more than log(1 / width) an input, whatever the flow learns."""
    bound = N * math.log(LEVEL)
    found = energies(LEVEL, tmp_path / "spread")
    assert found.mean() >= bound - 3 * found.std() / math.sqrt(len(found))
    assert found.mean() <= bound + 3  # and it has learned


def test_without_noise_the_density_of_a_level_grows_beyond_any_bound(tmp_path: Path) -> None:
    assert energies(0.0, tmp_path / "bare").max() < N * math.log(LEVEL) - 3
