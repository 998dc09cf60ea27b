"""Spectral normalisation: W / |W|_2, so that no linear layer stretches (Miyato et al. 2018).

The norm is exact, where the paper goes on with one power iteration a step: our matrices are
small, and so the weights alone decide the function.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from naetrigger.contracts.errors import TrainingDiverged

LEAST = 1e-12  # norm: a matrix of zeros stays one
N = TypeVar("N", bound=nn.Module)


class Spectral(nn.Module):
    """A weight (out, in, ...) over its greatest singular value, as a matrix (out, rest).

    Raises TrainingDiverged for a weight that is not finite.
    """

    def forward(self, weight: Tensor) -> Tensor:
        if not weight.isfinite().all():
            raise TrainingDiverged(
                "model.spectral_norm: a weight is NaN or infinite. Lower objective.learning_rate"
            )
        norm: Tensor = torch.linalg.matrix_norm(weight.flatten(1), ord=2)
        return weight / norm.clamp_min(LEAST)


def normalised(model: N) -> N:
    """The model with every weight of more than one dimension normalised."""
    for module in list(model.modules()):
        weight = getattr(module, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.ndim > 1:
            parametrize.register_parametrization(module, "weight", Spectral())
    return model


@contextmanager
def computed_once(model: nn.Module) -> Iterator[None]:
    """Within, where no weight may change, each normalised one is computed a single time."""
    with parametrize.cached():
        for module in model.modules():  # now, as the first use may be one without a graph
            for name in getattr(module, "parametrizations", {}):
                getattr(module, name)
        yield
