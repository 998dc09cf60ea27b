"""Mean and covariance of points, as the map that takes both out of them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

RIDGE = 1e-6  # of the mean variance, added to each: a coordinate that never moves has none


class Whitening(NamedTuple):
    """z -> matrix (z - mean) has mean zero and unit covariance; `root` is the matrix's inverse."""

    mean: Tensor
    matrix: Tensor
    root: Tensor


def whitening(z: Tensor, weights: Tensor | None = None, centres: Tensor | None = None) -> Whitening:
    """Of points (N, D), in float64.

    weights : (N,), of sum 1; none: all points count alike
    centres : (N, D), where their own mean is not meant
    """
    z = z.double()
    shares = alike(z) if weights is None else weights.double()
    mean = shares @ z
    away = z - (mean if centres is None else centres.double())
    covariance = (away * shares.unsqueeze(1)).T @ away
    ridge = RIDGE * covariance.diagonal().mean().clamp_min(1e-30)
    root = torch.linalg.cholesky(covariance + ridge * torch.eye(len(mean)).to(covariance))
    return Whitening(mean, torch.linalg.inv(root), root)


def alike(z: Tensor) -> Tensor:
    """Weights, (N,), of points (N, D) that all count alike; of sum 1, in float64."""
    return torch.full((len(z),), 1 / len(z), dtype=torch.float64, device=z.device)
