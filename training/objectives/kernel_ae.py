"""The autoencoder with a smeared loss: L = mean squared Gaussian-smeared residual image.

Finke et al., arXiv:2104.09051; the other half of their improvement, the remapping of
intensities, is an offline step of the input spec.
"""

from __future__ import annotations

import torch
from torch import Tensor

from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.models.image import image_of
from naetrigger.training.models.smeared import Smear, Smeared
from naetrigger.training.objectives.objective import Objective, State, StepResult, Validation
from naetrigger.training.settings import KernelAeObjective, ModelSettings


class KernelAe(Objective[KernelAeObjective, Autoencoder | Smeared]):
    """Criterion: the loss of the validation events."""

    def network(
        self, model: ModelSettings, n_inputs: int, generator: torch.Generator
    ) -> Autoencoder | Smeared:
        smear = self._smear(n_inputs)
        autoencoder = build_model(model, n_inputs, generator)
        return Smeared(autoencoder, smear) if self.settings.score == "smeared" else autoencoder

    def start(self, model: Autoencoder | Smeared, generator: torch.Generator) -> State:
        del generator
        like = next(model.parameters())
        return State(modules={"smear": self._smear(model.n_inputs).to(like)})

    def loss(
        self,
        model: Autoencoder | Smeared,
        batch: Tensor,
        state: State,
        generator: torch.Generator,
    ) -> StepResult:
        del generator
        error = _error(model, batch, state)
        return StepResult(error, {}, lambda: {"positive_energy": model.scores(batch).mean().item()})

    def validate(
        self,
        model: Autoencoder | Smeared,
        batch: Tensor,
        state: State,
        generator: torch.Generator,
    ) -> Validation:
        del generator
        with torch.no_grad():
            return Validation(_error(model, batch, state).item(), {})

    def _smear(self, n_inputs: int) -> Smear:
        image = image_of(self.settings.image, n_inputs, "kernel_ae")
        return Smear(image, self.settings.width)


def _error(model: Autoencoder | Smeared, x: Tensor, state: State) -> Tensor:
    autoencoder = model.autoencoder if isinstance(model, Smeared) else model
    smear = state.modules["smear"]
    assert isinstance(smear, Smear)
    return smear.energy(autoencoder, x).mean()
