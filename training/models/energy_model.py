"""What every trained network is to the rest: something that gives each input an energy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from naetrigger.contracts.score import Score
from naetrigger.training.settings import ModelSettings


class EnergyModel(nn.Module, ABC):
    """A network with the energy E(x), which is its anomaly score: higher is more anomalous.

    settings : what it was built from, kept for the teacher's file
    n_inputs : F
    score : what its energy is, an entry of `naetrigger.contracts.score.SCORES`
    """

    def __init__(self, settings: ModelSettings, n_inputs: int, score: Score) -> None:
        super().__init__()
        self.settings = settings
        self.n_inputs = n_inputs
        self.score = score

    @abstractmethod
    def energy(self, x: Tensor) -> Tensor:
        """E(x) of inputs (B, F), shape (B,)."""

    @torch.no_grad()
    def scores(self, x: Tensor, batch_size: int = 65536) -> Tensor:
        """E(x) of any number of events, without a graph, batch by batch; shape (N,)."""
        training = [module for module in self.modules() if module.training]
        self.eval()
        try:
            return in_parts(self.energy, x, batch_size)
        finally:
            for module in training:
                module.training = True


def in_parts(function: Callable[[Tensor], Tensor], x: Tensor, size: int = 65536) -> Tensor:
    """function(x) of any number of events, `size` at a time, so that memory does not grow."""
    return torch.cat([function(part) for part in torch.split(x, size)])
