"""The plain autoencoder: L = mean E(x) over the data.

Heimel et al., arXiv:1808.08979; Farina, Nakai and Shih, arXiv:1808.08992.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.objectives.objective import State, StepResult, Validation
from naetrigger.training.settings import AeObjective


@dataclass(frozen=True)
class Ae:
    """Criterion: the mean energy of the validation events."""

    settings: AeObjective

    def start(self, model: Autoencoder) -> State:
        del model
        return State()

    def learning_rate(self, step: int) -> float:
        del step
        return self.settings.learning_rate

    def loss(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> StepResult:
        del state, generator
        positive = model.energy(batch).mean()
        return StepResult(positive, {"positive_energy": positive.item()})

    def validate(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> Validation:
        del state, generator
        return Validation(model.scores(batch).mean().item(), {})
