"""What curves show of a chain: how often it moves, and how its ends differ from the data."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from naetrigger.training.langevin import Target, Trajectory, sample, trajectory
from naetrigger.training.settings import Langevin

Sampler = Callable[[Target, Tensor, Langevin, torch.Generator], Tensor]
"""What draws samples: `naetrigger.training.langevin.sample`, or something that watches it."""


class Recorder:
    """Samples as `sample` does, and keeps chains step by step: all, or those with Metropolis."""

    def __init__(self, everything: bool = False) -> None:
        self.everything = everything
        self.chains: list[Trajectory] = []

    def __call__(
        self, energy: Target, start: Tensor, chain: Langevin, generator: torch.Generator
    ) -> Tensor:
        """The ends, (B, F)."""
        if not (self.everything or chain.metropolis):
            return sample(energy, start, chain, generator)
        self.chains.append(trajectory(energy, start, chain, generator))
        return self.chains[-1].positions[-1]

    def metrics(self, data: Tensor, ends: Tensor) -> dict[str, float]:
        """For the curves: the greatest `feature_distance` of the ends from data, (B, F) both, and
        of the last chain with Metropolis the `acceptance`.
        """
        metrics = {"feature_distance": feature_distances(data, ends).max().item()}
        if self.chains:
            metrics["acceptance"] = self.chains[-1].acceptance
        return metrics


def feature_distances(data: Tensor, samples: Tensor) -> Tensor:
    """Wasserstein-1 distance of every feature by itself, in the data's spreads; shape (F,).

    Both samples have the shape (N, F). A feature that does not vary counts in its own units.
    """
    if data.shape != samples.shape:
        raise ValueError(f"samples of one shape, got {tuple(data.shape)}, {tuple(samples.shape)}")
    apart = (data.sort(dim=0).values - samples.sort(dim=0).values).abs().mean(dim=0)
    spread = data.std(dim=0, correction=0)
    return apart / torch.where(spread > 0, spread, torch.ones_like(spread))
