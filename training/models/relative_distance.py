"""Distance from the nearest class mean, less the distance from the mean of all (Ren et al. 2021).

    E(z) = min_k |A (z - m_k)|^2 - |B (z - m_0)|^2,   A^T A = C^-1,   B^T B = C_0^-1

m_k is the mean of class k and C the covariance within classes, the same for all of them; m_0 and
C_0 are those of all events. Directions in which everything varies alike cancel. arXiv:2106.09022.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.score import score_named
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.models.whitening import alike, whitening
from naetrigger.training.settings import ModelSettings


class RelativeDistance(EnergyModel):
    """Energy: the difference of the two squared distances; it may be negative.

    body : gives the points z; none: the inputs themselves
    """

    def __init__(
        self, body: Autoencoder | None, settings: ModelSettings, n_inputs: int, classes: int
    ) -> None:
        super().__init__(settings, n_inputs, score_named("energy"))
        self.body = body
        size = n_inputs if body is None else settings.latent
        self.means = nn.Parameter(torch.zeros(classes, size))
        self.within = nn.Parameter(torch.eye(size))
        self.mean = nn.Parameter(torch.zeros(size))
        self.whole = nn.Parameter(torch.eye(size))

    def points(self, x: Tensor) -> Tensor:
        """z of inputs (B, F), shape (B, D)."""
        return x if self.body is None else self.body.encode(x)

    def from_classes(self, z: Tensor) -> Tensor:
        """Squared distances from each class's mean, shape (B, K)."""
        within = self.within.to(z)
        white = z @ within.T
        return (white.unsqueeze(1) - self.means.to(z) @ within.T).square().sum(dim=2)

    def from_all(self, z: Tensor) -> Tensor:
        """Squared distances from the mean of all, shape (B,)."""
        return ((z - self.mean.to(z)) @ self.whole.to(z).T).square().sum(dim=1)

    def energy(self, x: Tensor) -> Tensor:
        """The relative distance, shape (B,); in float64, as two large numbers nearly cancel."""
        z = self.points(x).double()
        return (self.from_classes(z).min(dim=1).values - self.from_all(z)).to(x.dtype)

    @torch.no_grad()
    def keep(self, z: Tensor, classes: Tensor, weights: Tensor | None = None) -> None:
        """Means and covariances of points (N, D) with classes (N,); InputError if one is empty.

        weights : (N,), of sum 1; none: all points count alike
        """
        count = len(self.means)
        shares = alike(z) if weights is None else weights.double()
        sizes = torch.bincount(classes, shares, minlength=count)
        if not sizes.all():
            raise InputError(
                f"relative distance: no event of class {sizes.tolist().index(0)} to take its mean "
                f"from (classes are numbered from 0 to {count - 1} by rising label)"
            )
        total = torch.zeros(count, z.shape[1], dtype=torch.float64, device=z.device)
        total.index_add_(0, classes, z.double() * shares.unsqueeze(1))
        means = total / sizes.unsqueeze(1)
        everything = whitening(z, shares)
        self.means.copy_(means)
        self.within.copy_(whitening(z, shares, means[classes]).matrix)
        self.mean.copy_(everything.mean)
        self.whole.copy_(everything.matrix)
