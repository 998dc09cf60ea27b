"""What curves show of a chain: how often it moves, and how its ends differ from the data."""

from __future__ import annotations

import torch
from torch import Tensor

from naetrigger.training.langevin import Energy, sample, trajectory
from naetrigger.training.settings import Langevin


def monitored_sample(
    energy: Energy, starts: Tensor, data: Tensor, chain: Langevin, generator: torch.Generator
) -> tuple[Tensor, dict[str, float]]:
    """Chain ends (B, F), and for the curves their greatest `feature_distance` from data (B, F);
    with Metropolis also the `acceptance`.
    """
    metrics = {}
    if chain.metropolis:
        chains = trajectory(energy, starts, chain, generator)
        ends = chains.positions[-1]
        metrics["acceptance"] = chains.acceptance
    else:
        ends = sample(energy, starts, chain, generator)
    metrics["feature_distance"] = feature_distances(data, ends).max().item()
    return ends, metrics


def feature_distances(data: Tensor, samples: Tensor) -> Tensor:
    """Wasserstein-1 distance of every feature by itself, in the data's spreads; shape (F,).

    Both samples have the shape (N, F). A feature that does not vary counts in its own units.
    """
    if data.shape != samples.shape:
        raise ValueError(f"samples of one shape, got {tuple(data.shape)}, {tuple(samples.shape)}")
    apart = (data.sort(dim=0).values - samples.sort(dim=0).values).abs().mean(dim=0)
    spread = data.std(dim=0, correction=0)
    return apart / torch.where(spread > 0, spread, torch.ones_like(spread))
