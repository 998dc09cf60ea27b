"""Mahalanobis distance from the background: E(x) = (z - m)^T C^-1 (z - m).

m and C are mean and covariance of z over the background. Lee et al., arXiv:1807.03888, here for
one class.
latent: z = encode(x) of an autoencoder that is trained to reconstruct.
inputs: z = x; the loss is minus the log likelihood of a Gaussian, per input (constants left out),
whose minimum `finish` sets.

Either way m and C are worked into the linear layer before z when training ends (and their inverse
into the one behind it). Then E(x) is the squared length of the latent, and the reconstruction is
what it was. So the score goes to hardware without its decoder.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.score import score_named
from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.models.energy_model import in_parts
from naetrigger.training.models.whitening import whitening
from naetrigger.training.objectives.objective import Objective, State, StepResult, Validation
from naetrigger.training.settings import MahalanobisObjective, ModelSettings


class Mahalanobis(Objective[MahalanobisObjective, Autoencoder]):
    """Criterion: the loss of the validation events."""

    def network(
        self, model: ModelSettings, n_inputs: int, generator: torch.Generator
    ) -> Autoencoder:
        if self.settings.score == "inputs":
            model = ModelSettings(hidden=(), latent=n_inputs)
        network = build_model(model, n_inputs, generator)
        _ends(network)
        network.score = score_named("latent_norm")
        if self.settings.score == "inputs":
            _stand_aside(network)
        return network

    def loss(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> StepResult:
        del state, generator
        loss = self._loss(model, batch)
        return StepResult(loss, {"positive_energy": loss.item()})

    def validate(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> Validation:
        del state, generator
        with torch.no_grad():
            return Validation(self._loss(model, batch).item(), {})

    def _loss(self, model: Autoencoder, x: Tensor) -> Tensor:
        if self.settings.score == "latent":
            error: Tensor = (x - model(x)).square().mean()
            return error
        volume = torch.slogdet(_ends(model)[0].weight)[1]
        loss: Tensor = (model.encode(x).square().sum(dim=1).mean() / 2 - volume) / x.shape[1]
        return loss

    @torch.no_grad()
    def finish(self, model: Autoencoder, inputs: Tensor, weights: Tensor | None = None) -> None:
        if self.settings.score == "inputs":
            _stand_aside(model)
        last, first = _ends(model)
        mean, matrix, root = whitening(in_parts(model.encode, inputs), weights)
        first.bias.copy_(first.bias.double() + first.weight.double() @ mean)
        first.weight.copy_(first.weight.double() @ root)
        last.bias.copy_(matrix @ (last.bias.double() - mean))
        last.weight.copy_(matrix @ last.weight.double())


@torch.no_grad()
def _stand_aside(model: Autoencoder) -> None:
    """Both layers become the identity."""
    for layer in _ends(model):
        nn.init.eye_(layer.weight)
        nn.init.zeros_(layer.bias)


def _ends(model: Autoencoder) -> tuple[nn.Linear, nn.Linear]:
    """The linear layers before and behind the latent."""
    encoder, decoder = list(model.encoder.children()), list(model.decoder.children())
    last, first = encoder[-1], decoder[0]
    if model.settings.spherical or not (
        isinstance(last, nn.Linear) and isinstance(first, nn.Linear)
    ):
        raise InputError(
            "objective mahalanobis: needs linear layers around a plain latent: set "
            "model.spherical: false"
        )
    return last, first
