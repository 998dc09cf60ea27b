"""The discretized mixture of logistic distributions of PixelCNN++ (arXiv:1701.05517, eq. 2).

    P(v) = sum_k pi_k [S((v + h - mu_k) / s_k) - S((v - h - mu_k) / s_k)],   S the sigmoid

for levels v from -1 to 1 at distances 2 h; the tails belong to the first and the last level, so
that the sum over all levels is one, exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, softplus

LEAST_LOG_SCALE = -7.0


def log_probability(v: Tensor, parameters: Tensor, levels: int) -> Tensor:
    """Of levels v in [-1, 1], any shape (B, ...), under parameters (B, 3 K, ...): log P, (B, ...).

    Parameters are the logarithms of the shares, up to a constant, means and log scales.
    """
    shares, means, log_scales = parameters.chunk(3, dim=1)
    v, h = v.unsqueeze(1), 1 / (levels - 1)
    inverse = torch.exp(-log_scales.clamp_min(LEAST_LOG_SCALE))
    above, below = inverse * (v + h - means), inverse * (v - h - means)
    # S(a) - S(b) = S(a) S(-b) (1 - e^(b - a)), which never takes nearly equal numbers apart
    t = torch.tanh(h * inverse)
    width = torch.log(2 * t / (1 + t))  # 1 - e^(b - a), as exact for narrow levels as for wide ones
    inner = width - softplus(-above) - softplus(below)  # S(a) = e^-softplus(-a)
    first, last = v < -1 + h, v > 1 - h
    each = torch.where(first, -softplus(-above), torch.where(last, -softplus(below), inner))
    return torch.logsumexp(log_softmax(shares, dim=1) + each, dim=1)
