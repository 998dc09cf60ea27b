"""Mahalanobis distance of the latent: E(x) = (z - m)^T C^-1 (z - m), z = encode(x).

Lee et al., arXiv:1807.03888, here for one class. The autoencoder is trained to reconstruct; then
m and C, mean and covariance of the background's latents, are worked into the encoder's last layer
(and their inverse into the decoder's first), after which E(x) is the squared length of the latent
and the reconstruction is what it was. So the score goes to hardware without its decoder.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from naetrigger.contracts.score import score_named
from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.objectives.objective import Objective, State, StepResult, Validation
from naetrigger.training.settings import MahalanobisObjective, ModelSettings

RIDGE = 1e-6  # of the mean variance, added to each: a latent that never moves has none


class Mahalanobis(Objective[MahalanobisObjective, Autoencoder]):
    """Criterion: the mean squared reconstruction error of the validation events."""

    def network(
        self, model: ModelSettings, n_inputs: int, generator: torch.Generator
    ) -> Autoencoder:
        network = build_model(model, n_inputs, generator)
        _ends(network)
        network.score = score_named("latent_norm")
        return network

    def loss(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> StepResult:
        del state, generator
        error = (batch - model(batch)).square().mean()
        return StepResult(error, {"positive_energy": error.item()})

    def validate(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> Validation:
        del state, generator
        with torch.no_grad():
            return Validation((batch - model(batch)).square().mean().item(), {})

    @torch.no_grad()
    def finish(self, model: Autoencoder, inputs: Tensor) -> None:
        last, first = _ends(model)
        z = model.encode(inputs).double()
        mean = z.mean(dim=0)
        centred = z - mean
        covariance = centred.T @ centred / len(z)
        ridge = RIDGE * covariance.diagonal().mean().clamp_min(1e-30)
        root = torch.linalg.cholesky(covariance + ridge * torch.eye(len(mean)))
        whiten = torch.linalg.inv(root)  # z' = whiten (z - mean) has unit covariance
        first.bias.copy_(first.bias.double() + first.weight.double() @ mean)
        first.weight.copy_(first.weight.double() @ root)
        last.bias.copy_(whiten @ (last.bias.double() - mean))
        last.weight.copy_(whiten @ last.weight.double())


def _ends(model: Autoencoder) -> tuple[nn.Linear, nn.Linear]:
    """The linear layers before and behind the latent."""
    encoder, decoder = list(model.encoder.children()), list(model.decoder.children())
    last, first = encoder[-1], decoder[0]
    if model.settings.spherical or not (
        isinstance(last, nn.Linear) and isinstance(first, nn.Linear)
    ):
        raise TypeError("a Mahalanobis distance needs linear layers around a plain latent")
    return last, first
