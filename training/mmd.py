"""Maximum mean discrepancy with a Gaussian kernel: how far two samples' distributions are apart.

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y),  k(a, b) = exp(-|a - b|^2 / (2 h^2))

Gretton et al., JMLR 13 (2012) 723; the estimator is the unbiased one, which may be negative.
"""

from __future__ import annotations

import torch
from scipy.special import gammaincinv
from torch import Tensor


def mmd_squared(x: Tensor, y: Tensor, h2: Tensor | float) -> Tensor:
    """The unbiased MMD^2 of samples (N, D) and (M, D), N, M > 1; h2 is the squared bandwidth."""

    def k(a: Tensor, b: Tensor) -> Tensor:
        return torch.exp(-_squared_distances(a, b) / (2 * h2))

    def within(a: Tensor) -> Tensor:
        pairs = k(a, a)
        return (pairs.sum() - pairs.diagonal().sum()) / (len(a) * (len(a) - 1))

    return within(x) + within(y) - 2 * k(x, y).mean()


def prior_bandwidth(size: int, spherical: bool) -> float:
    """The median squared distance of two draws of a prior in `size` dimensions.

    Of standard normals half of it has a chi squared distribution; on the unit sphere it is 2 - 2
    cos, with a cosine as often above zero as below.
    """
    return 2.0 if spherical else 4 * float(gammaincinv(size / 2, 0.5))


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """|a|^2 + |b|^2 - 2 a.b, shape (N, M), about the mean of b, where the squares are small."""
    centre = b.detach().mean(dim=0)
    a, b = a - centre, b - centre
    squares = a.square().sum(dim=1, keepdim=True) + b.square().sum(dim=1)
    return torch.addmm(squares, a, b.T, alpha=-2)
