"""The plain autoencoder: L = mean E(x) over the data.

Heimel et al., arXiv:1808.08979; Farina, Nakai and Shih, arXiv:1808.08992.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.objectives.objective import Objective, State, StepResult, Validation
from naetrigger.training.settings import AeObjective, ModelSettings


@dataclass(frozen=True)
class Ae(Objective[AeObjective, Autoencoder]):
    """Criterion: the mean energy of the validation events."""

    def network(
        self, model: ModelSettings, n_inputs: int, generator: torch.Generator
    ) -> Autoencoder:
        return build_model(model, n_inputs, generator)

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
