"""A Gaussian latent-variable model and the bound on its likelihood (Kingma and Welling 2013).

p(x) = int N(x | decode(z), s^2) N(z | 0, 1) dz
log p(x) >= E_q log N(x | decode(z), s^2) - KL(q | N(0, 1)),  q(z | x) = N(mu(x), sigma(x)^2)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from naetrigger.contracts.score import score_named
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.models.mlp import linear


class Variational(EnergyModel):
    """Energy: minus the bound in nats, over latents of fixed noise, so that it is a function.

    autoencoder : mu(x) is its encoder's output
    spread : log sigma(x)^2 from the input of the encoder's last layer, see `spread_head`
    noise : (K, latent), standard normal; kept in the teacher's file
    observation_noise : s
    """

    noise: Tensor

    def __init__(
        self, autoencoder: Autoencoder, spread: nn.Module, noise: Tensor, observation_noise: float
    ) -> None:
        super().__init__(autoencoder.settings, autoencoder.n_inputs, score_named("energy"))
        self.autoencoder = autoencoder
        self.spread = spread
        self.observation_noise = observation_noise
        self.register_buffer("noise", noise)

    def energy(self, x: Tensor) -> Tensor:
        """Minus the bound on log p(x), shape (B,)."""
        noise = self.noise.unsqueeze(1)
        return negative_bound(self.autoencoder, self.spread, x, noise, self.observation_noise)


def spread_head(autoencoder: Autoencoder, generator: torch.Generator) -> nn.Linear:
    """A fresh layer beside the encoder's last one."""
    last = _parts(autoencoder)[1]
    head = linear(last.in_features, last.out_features, generator)
    return head.to(last.weight)


def negative_bound(
    autoencoder: Autoencoder, spread: nn.Module, x: Tensor, eps: Tensor, s: float
) -> Tensor:
    """Minus the bound, shape (B,), averaged over noise eps of shape (K, B or 1, latent)."""
    body, last = _parts(autoencoder)
    features = autoencoder.through(body, x)
    mu, log_variance = (autoencoder.through(head, features) for head in (last, spread))
    z = mu + (log_variance / 2).exp() * eps
    reconstruction = autoencoder.decode(z.flatten(0, 1)).reshape(len(eps), *x.shape)
    error = (x - reconstruction).square().sum(dim=2).mean(dim=0)
    misfit = error / (2 * s**2) + x.shape[1] * (0.5 * math.log(2 * math.pi) + math.log(s))
    kl = 0.5 * (mu.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
    bound: Tensor = misfit + kl
    return bound


def _parts(autoencoder: Autoencoder) -> tuple[nn.Module, nn.Linear]:
    """The encoder up to its last layer, and that layer."""
    encoder = autoencoder.encoder
    if not isinstance(encoder, nn.Sequential) or not isinstance(encoder[-1], nn.Linear):
        raise TypeError("a variational encoder is a Sequential that ends in a linear layer")
    return encoder[:-1], encoder[-1]
