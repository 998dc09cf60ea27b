"""Maximum mean discrepancy with a Gaussian kernel: how far two samples' distributions are apart.

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y),  k(a, b) = exp(-|a - b|^2 / (2 h^2))

Gretton et al., JMLR 13 (2012) 723; the estimator is the unbiased one, which may be negative.
"""

from __future__ import annotations

import torch
from torch import Tensor


def mmd_squared(x: Tensor, y: Tensor, h2: Tensor | float) -> Tensor:
    """The unbiased MMD^2 of samples (N, D) and (M, D), N, M > 1; h2 is the squared bandwidth."""

    def k(a: Tensor, b: Tensor) -> Tensor:
        return torch.exp(-_squared_distances(a, b) / (2 * h2))

    n, m = len(x), len(y)
    within_x = (k(x, x).sum() - n) / (n * (n - 1))
    within_y = (k(y, y).sum() - m) / (m * (m - 1))
    return within_x + within_y - 2 * k(x, y).mean()


def median_bandwidth(y: Tensor) -> Tensor:
    """The median squared distance between two points of a sample (M, D), M > 1."""
    upper = torch.triu_indices(len(y), len(y), offset=1)
    return _squared_distances(y, y)[upper[0], upper[1]].median()


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Shape (N, M); by differences, as the expanded square loses digits and its gradient."""
    return (a.unsqueeze(1) - b.unsqueeze(0)).square().sum(dim=2)
