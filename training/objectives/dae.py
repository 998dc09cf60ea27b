"""The denoising autoencoder: L = mean distance of x from the reconstruction of x + noise * eps.

Vincent et al., ICML 2008. The score is that of a plain autoencoder, without noise.
"""

from __future__ import annotations

import torch
from torch import Tensor

from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.objectives.objective import Objective, State, StepResult, Validation
from naetrigger.training.settings import DaeObjective, ModelSettings


class Dae(Objective[DaeObjective, Autoencoder]):
    """Criterion: the denoising error of the validation events, with the same noise each time."""

    def network(
        self, model: ModelSettings, n_inputs: int, generator: torch.Generator
    ) -> Autoencoder:
        return build_model(model, n_inputs, generator)

    def loss(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> StepResult:
        del state
        error = self._error(model, batch, generator)
        return StepResult(error, {}, lambda: {"positive_energy": model.scores(batch).mean().item()})

    def validate(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> Validation:
        del state
        with torch.no_grad():
            return Validation(self._error(model, batch, generator).item(), {})

    def _error(self, model: Autoencoder, x: Tensor, generator: torch.Generator) -> Tensor:
        eps = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        return model.energy_at(x, model.encode(x + self.settings.noise * eps)).mean()
