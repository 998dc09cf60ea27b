"""Samples of a trained model's own density exp(-E/T): points around and beyond the data."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from naetrigger.training.langevin import fresh_starts, sample
from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.settings import Langevin


def sample_negatives(
    model: EnergyModel,
    settings: Langevin,
    n: int,
    generator: torch.Generator,
    *,
    start: Literal["uniform", "gaussian"] | Tensor = "uniform",
    batch_size: int = 8192,
) -> Tensor:
    """n chain ends, shape (n, F).

    Short chains from 'uniform' starts give points on their way into the data; long ones, the
    model's density. Starts of shape (m, F), such as data, are used in turn.
    """
    like = next(model.parameters())
    parts = []
    for first in range(0, n, batch_size):
        rows = torch.arange(first, min(first + batch_size, n))
        if isinstance(start, Tensor):
            starts = start[rows % len(start)].to(like)
        else:
            starts = fresh_starts(start, (len(rows), model.n_inputs), settings, like, generator)
        parts.append(sample(model.energy, starts, settings, generator))
    return torch.cat(parts)
