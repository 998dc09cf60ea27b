"""Glow: a normalizing flow of images.

    -log p(x) = |z|^2 / 2 + (D/2) log 2 pi - log |det dz/dx|,  z = f(x)

On each scale 2 x 2 pixels become four channels, then steps of a 1x1 convolution with an invertible
matrix and an affine coupling follow: a convolutional network of the first half of the channels
scales and shifts the second half, which then leaves for z, on all scales but the last. Kingma and
Dhariwal, arXiv:1807.03039; scales and shifts of single channels, theirs by a layer of its own, are
those of the 1x1 convolution. Written here, as no kept library has flows of images: normflows and
nflows have had no release since 2023 and 2020, zuko has flows of vectors alone.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pixel_shuffle, pixel_unshuffle

from naetrigger.contracts.score import score_named
from naetrigger.training.models.autoencoder import ACTIVATIONS
from naetrigger.training.models.convolution import fresh
from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.settings import GlowObjective, ModelSettings

LOG_SCALE = 2.0  # a coupling scales by exp(-2) to exp(2)


class Glow(EnergyModel):
    """Energy: minus the exact log density of the inputs, in nats."""

    def __init__(
        self,
        settings: ModelSettings,
        objective: GlowObjective,
        image: tuple[int, int],
        halvings: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__(settings, math.prod(image), score_named("energy"))
        self.image = image
        activation = ACTIVATIONS[settings.activation]
        self.scales = nn.ModuleList()
        for scale in range(halvings):
            channels = 4 * 2**scale
            steps = nn.ModuleList()
            for _ in range(objective.couplings):
                steps.append(Mixing(channels, generator))
                steps.append(Coupling(channels, objective.filters, activation, generator))
            self.scales.append(steps)

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """z, one part a scale, and log |det dz/dx|, shape (B,)."""
        h = x.reshape(-1, 1, *self.image)
        log_det, parts = x.new_zeros(x.shape[0]), []
        for scale, steps in enumerate(self.scales):
            h = pixel_unshuffle(h, 2)
            for step in steps.children():
                h, added = step(h)
                log_det = log_det + added
            if scale < len(self.scales) - 1:
                h, leaving = h.chunk(2, dim=1)
                parts.append(leaving)
        return [*parts, h], log_det

    @torch.no_grad()
    def inverse(self, parts: list[Tensor]) -> Tensor:
        """The inputs (B, F) that `forward` takes to z; of standard normal z, samples of p."""
        *leaving, h = parts
        for scale, steps in reversed(list(enumerate(self.scales))):
            if scale < len(self.scales) - 1:
                h = torch.cat([h, leaving[scale]], dim=1)
            for step in list(steps.children())[::-1]:
                assert isinstance(step, Mixing | Coupling)
                h = step.inverse(h)
            h = pixel_shuffle(h, 2)
        return h.flatten(1)

    def energy(self, x: Tensor) -> Tensor:
        """-log p(x), shape (B,)."""
        parts, log_det = self(x)
        squares = torch.cat([part.flatten(1) for part in parts], dim=1).square().sum(dim=1)
        energies: Tensor = 0.5 * squares + 0.5 * self.n_inputs * math.log(2 * math.pi) - log_det
        return energies


class Mixing(nn.Module):
    """A 1x1 convolution with the matrix P L U and a bias; U has the diagonal exp(log_diagonal)."""

    permutation: Tensor

    def __init__(self, channels: int, generator: torch.Generator) -> None:
        super().__init__()
        self.register_buffer("permutation", torch.randperm(channels, generator=generator))
        self.lower = nn.Parameter(torch.zeros(channels, channels))
        self.upper = nn.Parameter(torch.zeros(channels, channels))
        self.log_diagonal = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def matrix(self) -> Tensor:
        upper = self.upper.triu(1) + torch.diag(self.log_diagonal.exp())
        lower = self.lower.tril(-1) + torch.eye(len(upper)).to(upper)
        return (lower @ upper)[self.permutation]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mixed = conv2d(x, self.matrix()[:, :, None, None], self.bias)
        return mixed, self.log_diagonal.sum() * x.shape[2] * x.shape[3]

    def inverse(self, z: Tensor) -> Tensor:
        back = torch.linalg.inv(self.matrix())
        return conv2d(z - self.bias.view(1, -1, 1, 1), back[:, :, None, None])


class Coupling(nn.Module):
    """The first half of the channels stays, and scales and shifts the second."""

    def __init__(
        self,
        channels: int,
        filters: int,
        activation: type[nn.Module],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        half = channels // 2
        layers = [
            nn.Conv2d(half, filters, 3, padding=1, device="meta"),
            nn.Conv2d(filters, filters, 1, device="meta"),
            nn.Conv2d(filters, 2 * half, 3, padding=1, device="meta"),
        ]
        first, second, last = (fresh(layer, generator) for layer in layers)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)  # starts as the identity
        self.network = nn.Sequential(first, activation(), second, activation(), last)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept, moved = x.chunk(2, dim=1)
        log_scale, shift = self._scale_and_shift(kept)
        z = torch.cat([kept, moved * log_scale.exp() + shift], dim=1)
        return z, log_scale.flatten(1).sum(dim=1)

    def inverse(self, z: Tensor) -> Tensor:
        kept, moved = z.chunk(2, dim=1)
        log_scale, shift = self._scale_and_shift(kept)
        return torch.cat([kept, (moved - shift) * (-log_scale).exp()], dim=1)

    def _scale_and_shift(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        raw, shift = self.network(kept).chunk(2, dim=1)
        return LOG_SCALE * torch.tanh(raw / LOG_SCALE), shift
