"""An autoencoder whose latent and reconstruction errors live under a Gaussian mixture (DAGMM).

Features of an event: c(x) = (encode(x), |x - x'| / |x|, cos(x, x')), x' its reconstruction.
Zong et al., ICLR 2018.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from naetrigger.contracts.score import score_named
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.models.energy_model import EnergyModel

EXTRA_FEATURES = 2  # relative distance and cosine
_TINY = 1e-8


class Mixture(NamedTuple):
    """Gaussians in D dimensions: shares (K,), means (K, D), covariances (K, D, D)."""

    shares: Tensor
    means: Tensor
    covariances: Tensor

    def energy(self, features: Tensor) -> Tensor:
        """Minus the log density of features (B, D), shape (B,)."""
        return self.heights().energy(features)

    def heights(self) -> Heights:
        """The same mixture, with all done that needs no features."""
        root = torch.linalg.cholesky(self.covariances)
        eye = torch.eye(self.means.shape[1], dtype=root.dtype, device=root.device)
        whiten = torch.linalg.solve_triangular(root, eye.expand_as(root), upper=False)
        log_det = root.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        constant = 0.5 * self.means.shape[1] * math.log(2 * math.pi)
        return Heights(self.shares.log() - log_det - constant, self.means, whiten)


class Heights(NamedTuple):
    """Log densities of each Gaussian at its mean (K,), means (K, D), and the maps (K, D, D) that
    whiten it."""

    log_heights: Tensor
    means: Tensor
    whiten: Tensor

    def energy(self, features: Tensor) -> Tensor:
        """Minus the log density of features (B, D), shape (B,)."""
        away = features.unsqueeze(1) - self.means  # (B, K, D)
        white = (self.whiten @ away.unsqueeze(3)).squeeze(3)
        return -torch.logsumexp(self.log_heights - 0.5 * white.square().sum(dim=2), dim=1)


def mixture_of(features: Tensor, membership: Tensor, ridge: float) -> Mixture:
    """The mixture that features (N, D) with memberships (N, K) make, whose rows sum to one, or to
    what the event counts for.
    """
    total = membership.sum(dim=0) + _TINY
    means = (membership.T @ features) / total.unsqueeze(1)
    away = features.unsqueeze(1) - means  # (N, K, D)
    covariances = torch.einsum("nk,nki,nkj->kij", membership, away, away)
    eye = torch.eye(features.shape[1], dtype=features.dtype, device=features.device)
    return Mixture(total / total.sum(), means, covariances / total.view(-1, 1, 1) + ridge * eye)


class MixtureModel(EnergyModel):
    """Energy: minus the log density of the features under the mixture kept with the weights."""

    log_heights: Tensor
    means: Tensor
    whiten: Tensor

    def __init__(self, autoencoder: Autoencoder, estimation: nn.Module, components: int) -> None:
        super().__init__(autoencoder.settings, autoencoder.n_inputs, score_named("energy"))
        self.autoencoder = autoencoder
        self.estimation = estimation
        size = autoencoder.settings.latent + EXTRA_FEATURES
        shares = torch.full((components,), 1 / components)
        unit = torch.eye(size).repeat(components, 1, 1)
        first = Mixture(shares, torch.zeros(components, size), unit).heights()
        for name, value in first._asdict().items():
            self.register_buffer(name, value)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """c(x), shape (B, latent + 2), and the mean squared reconstruction error, shape (B,)."""
        latent = self.autoencoder.encode(x)
        back = self.autoencoder.decode(latent)
        size, size_back = x.norm(dim=1) + _TINY, back.norm(dim=1) + _TINY
        distance = (x - back).norm(dim=1) / size
        cosine = (x * back).sum(dim=1) / (size * size_back)
        features = torch.cat([latent, distance.unsqueeze(1), cosine.unsqueeze(1)], dim=1)
        return features, (x - back).square().mean(dim=1)

    def mixture_from(
        self, features: Tensor, ridge: float, weights: Tensor | None = None
    ) -> Mixture:
        """The mixture of features (N, D) by the memberships that the estimation network gives.

        weights : (N,), of sum 1; none: all events count alike
        """
        membership = torch.softmax(self.estimation(features), dim=1)
        if weights is not None:
            membership = membership * (len(weights) * weights).to(membership).unsqueeze(1)
        return mixture_of(features, membership, ridge)

    def keep(self, mixture: Mixture) -> None:
        """Score by this mixture from now on."""
        for name, value in mixture.heights()._asdict().items():
            getattr(self, name).copy_(value)

    def energy(self, x: Tensor) -> Tensor:
        """Minus the log density of the features, shape (B,)."""
        return Heights(self.log_heights, self.means, self.whiten).energy(self.features(x)[0])
