"""Why data alone does not teach a score: points far off the data that are reconstructed well.

They are found by search, down the energy from starts away from the data.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from naetrigger.training.loop import train
from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.settings import ModelSettings, ObjectiveSettings, TrainingSettings

FAR = 0.7  # ten standard deviations of the noise about the ring


def ring(n: int, seed: int) -> np.ndarray:
    """(n, 4): a circle in the first two inputs, small noise in the others."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    x = np.stack([np.cos(angle), np.sin(angle), *(0.05 * rng.normal(size=(2, n)))], axis=1)
    return (1.4 * x).astype(np.float32)


def searched(model: EnergyModel, data: Tensor) -> tuple[Tensor, Tensor]:
    """Points down the energy, and each one's distance from the nearest event."""
    g = torch.Generator().manual_seed(5)
    x = (torch.rand(300, 4, generator=g) * 8 - 4).requires_grad_()
    optimiser = torch.optim.Adam([x], lr=0.05)
    for _ in range(100):
        optimiser.zero_grad()
        model.energy(x).sum().backward()
        optimiser.step()
    return x.detach(), torch.cdist(x.detach(), data).min(dim=1).values


def test_far_points_are_reconstructed(
    tmp_path: Path,
    small_objectives: dict[str, ObjectiveSettings],
    reconstruction_only: tuple[str, ...],
    subtests: pytest.Subtests,
) -> None:
    for name in reconstruction_only:
        with subtests.test(name):
            assert is_fooled(small_objectives[name], tmp_path / name)


def is_fooled(small: ObjectiveSettings, folder: Path) -> bool:
    """Whether a point far from all events has an energy below the median of theirs."""
    objective = small.model_copy(
        update={"steps": 300, "batch_size": 64, "learning_rate": 1e-2, "validate_every": 100}
    )
    settings = TrainingSettings(model=ModelSettings(hidden=(16,), latent=2), objective=objective)
    model = train(settings, ring(1000, 1), ring(200, 2), folder).teacher.model
    data = torch.from_numpy(ring(1000, 3))
    points, distance = searched(model, data)
    fooled = (distance > FAR) & (model.scores(points) < model.scores(data).median())
    return bool(fooled.any())
