"""What every trained network is to the rest: something that gives each input an energy."""

from __future__ import annotations

from abc import ABC, abstractmethod

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
            return torch.cat([self.energy(part) for part in torch.split(x, batch_size)])
        finally:
            for module in training:
                module.training = True
