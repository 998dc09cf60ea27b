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


def whitening(z: Tensor, centres: Tensor | None = None) -> Whitening:
    """Of points (N, D), in float64; about `centres`, (N, D), where their own mean is not meant."""
    z = z.double()
    mean = z.mean(dim=0)
    away = z - (mean if centres is None else centres.double())
    covariance = away.T @ away / len(z)
    ridge = RIDGE * covariance.diagonal().mean().clamp_min(1e-30)
    root = torch.linalg.cholesky(covariance + ridge * torch.eye(len(mean)).to(covariance))
    return Whitening(mean, torch.linalg.inv(root), root)
