"""A normalizing flow for vectors: an invertible map to a standard normal, with its volume known.

    -log p(x) = |z|^2 / 2 + (D/2) log 2 pi - log |det dz/dx|,  z = f(x)

f is a row of steps, each a linear map W x + b with W = P L U (P a fixed permutation, L and U
triangular) and an affine coupling: half of the inputs scale and shift the other half. This is
Glow (Kingma and Dhariwal, arXiv:1807.03039) with dense maps in place of 1x1 convolutions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from naetrigger.contracts.score import score_named
from naetrigger.training.models.autoencoder import ACTIVATIONS
from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.models.mlp import stack
from naetrigger.training.settings import ModelSettings

LOG_SCALE = 2.0  # a coupling scales by exp(-2) to exp(2)


class Flow(EnergyModel):
    """Energy: minus the exact log density, in nats. It starts as a permutation of the inputs."""

    def __init__(
        self, settings: ModelSettings, n_inputs: int, steps: int, generator: torch.Generator
    ) -> None:
        super().__init__(settings, n_inputs, score_named("energy"))
        parts: list[nn.Module] = []
        for _ in range(steps):
            parts += [Linear(n_inputs, generator), Coupling(settings, n_inputs, generator)]
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z, shape (B, F), and log |det dz/dx|, shape (B,)."""
        log_det = x.new_zeros(len(x))
        for part in self.parts:
            x, added = part(x)
            log_det = log_det + added
        return x, log_det

    def energy(self, x: Tensor) -> Tensor:
        """-log p(x), shape (B,)."""
        z, log_det = self(x)
        normal = 0.5 * z.square().sum(dim=1) + 0.5 * self.n_inputs * math.log(2 * math.pi)
        energies: Tensor = normal - log_det
        return energies


class Linear(nn.Module):
    """x -> P L U x + b; U has the diagonal exp(log_diagonal)."""

    permutation: Tensor

    def __init__(self, n: int, generator: torch.Generator) -> None:
        super().__init__()
        self.register_buffer("permutation", torch.randperm(n, generator=generator))
        self.lower = nn.Parameter(torch.zeros(n, n))
        self.upper = nn.Parameter(torch.zeros(n, n))
        self.log_diagonal = nn.Parameter(torch.zeros(n))
        self.bias = nn.Parameter(torch.zeros(n))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        upper = self.upper.triu(1) + torch.diag(self.log_diagonal.exp())
        lower = self.lower.tril(-1) + torch.eye(len(upper), dtype=x.dtype, device=x.device)
        z = x @ (lower @ upper).T
        return z[:, self.permutation] + self.bias, self.log_diagonal.sum()


class Coupling(nn.Module):
    """The first half of the inputs stays, and scales and shifts the second."""

    def __init__(self, settings: ModelSettings, n: int, generator: torch.Generator) -> None:
        super().__init__()
        self.kept = n // 2
        widths = (self.kept, *settings.hidden, 2 * (n - self.kept))
        self.network = stack(widths, ACTIVATIONS[settings.activation], generator)
        for parameter in self.network[-1].parameters():
            nn.init.zeros_(parameter)  # starts as the identity

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept, moved = x[:, : self.kept], x[:, self.kept :]
        raw, shift = self.network(kept).chunk(2, dim=1)
        log_scale = LOG_SCALE * torch.tanh(raw / LOG_SCALE)
        return torch.cat([kept, moved * log_scale.exp() + shift], dim=1), log_scale.sum(dim=1)
