"""The Wasserstein autoencoder with MMD: L = E+ + weight * MMD^2(encode(x), z),  z ~ prior.

Tolstikhin et al., arXiv:1711.01558. The kernel is Gaussian and its bandwidth the median distance
of two draws of the prior. That is the distance which latents should have, and no weight can
change it. The prior is a standard normal, or uniform on the sphere for spherical latents.
"""

from __future__ import annotations

import torch
from torch import Tensor

from naetrigger.contracts.errors import InputError
from naetrigger.training.mmd import mmd_squared, prior_bandwidth
from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.objectives.objective import Objective, State, StepResult, Validation
from naetrigger.training.settings import ModelSettings, WaeObjective


class Wae(Objective[WaeObjective, Autoencoder]):
    """Criterion: the loss of the validation events, with the same draws of the prior each time."""

    def network(
        self, model: ModelSettings, n_inputs: int, generator: torch.Generator
    ) -> Autoencoder:
        return build_model(model, n_inputs, generator)

    def check(self, events: Tensor, sample: str) -> None:
        """The unbiased MMD^2 is over pairs of events."""
        validation = sample == "validation"
        name = "objective.validation_size" if validation else "objective.batch_size"
        got = len(events) if validation else self.settings.batch_size
        if got < 2:
            raise InputError(
                f"{name}: wae compares pairs of events, so each process needs two or more, got "
                f"{got}; raise it{', or give more validation events' if validation else ''}"
            )

    def loss(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> StepResult:
        del state
        error, distance = self._terms(model, batch, generator)
        metrics = {"positive_energy": error.item(), "distance": distance.item()}
        return StepResult(error + self.settings.mmd_weight * distance, metrics)

    def validate(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> Validation:
        del state
        with torch.no_grad():
            error, distance = self._terms(model, batch, generator)
        return Validation((error + self.settings.mmd_weight * distance).item(), {})

    def _terms(
        self, model: Autoencoder, x: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Reconstruction error and MMD^2 of a batch of at least two events."""
        latent = model.encode(x)
        prior = torch.randn(latent.shape, generator=generator, dtype=x.dtype, device=x.device)
        spherical = model.settings.spherical
        if spherical:
            prior = prior / prior.norm(dim=1, keepdim=True)
        distance = mmd_squared(latent, prior, prior_bandwidth(latent.shape[1], spherical))
        return model.energy_at(x, latent).mean(), distance
