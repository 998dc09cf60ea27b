"""An autoencoder of images whose residual is smeared by a Gaussian before it is squared.

    E(x) = (1/D) sum_i ((K r)_i)^2,  r = x - f(x),  K_ij ~ exp(-|p_i - p_j|^2 / (2 width^2))

so that a pixel moved by less than the width costs little. Finke et al., arXiv:2104.09051.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from naetrigger.contracts.score import score_named
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.models.energy_model import EnergyModel


class Smear(nn.Module):
    """Images (B, rows * columns), smeared along rows and columns in turn; nothing is trained.

    Each smeared pixel is a mean over the image with Gaussian weights that sum to one.
    """

    along_rows: Tensor
    along_columns: Tensor

    def __init__(self, image: tuple[int, int], width: float) -> None:
        super().__init__()
        self.image = image
        self.register_buffer("along_rows", _gaussian(image[0], width), persistent=False)
        self.register_buffer("along_columns", _gaussian(image[1], width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        images = x.reshape(-1, *self.image)
        return (self.along_rows @ images @ self.along_columns.T).flatten(1)

    def energy(self, autoencoder: Autoencoder, x: Tensor) -> Tensor:
        """The mean squared smeared residual, shape (B,)."""
        smeared: Tensor = self(x - autoencoder(x))
        return smeared.square().mean(dim=1)


class Smeared(EnergyModel):
    """The autoencoder with the smeared error as its energy."""

    def __init__(self, autoencoder: Autoencoder, smear: Smear) -> None:
        super().__init__(autoencoder.settings, autoencoder.n_inputs, score_named("energy"))
        self.autoencoder = autoencoder
        self.smear = smear

    def energy(self, x: Tensor) -> Tensor:
        """The mean squared smeared residual, shape (B,)."""
        return self.smear.energy(self.autoencoder, x)


def _gaussian(n: int, width: float) -> Tensor:
    pixels = torch.arange(n, dtype=torch.float32)
    weights = torch.exp(-(pixels.unsqueeze(1) - pixels).square() / (2 * width**2))
    return weights / weights.sum(dim=1, keepdim=True)
