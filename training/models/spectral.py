"""Spectral normalisation: W / |W|_2, so that no linear layer stretches (Miyato et al. 2018).

The norm is exact, where the paper goes on with one power iteration a step: our matrices are
small, and so the weights alone decide the function.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

N = TypeVar("N", bound=nn.Module)


class Spectral(nn.Module):
    """A weight (out, in, ...) over its greatest singular value, as a matrix (out, rest)."""

    def forward(self, weight: Tensor) -> Tensor:
        norm: Tensor = torch.linalg.matrix_norm(weight.flatten(1), ord=2)
        return weight / norm


def normalised(model: N) -> N:
    """The model with every weight of more than one dimension normalised."""
    for module in list(model.modules()):
        weight = getattr(module, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.ndim > 1:
            parametrize.register_parametrization(module, "weight", Spectral())
    return model
