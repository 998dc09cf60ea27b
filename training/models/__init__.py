"""Networks that training can build: one entry a family."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils import parametrize

from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.models.batch_norm import fold_batch_norm
from naetrigger.training.models.conv import conv
from naetrigger.training.models.mlp import mlp
from naetrigger.training.models.spectral import normalised
from naetrigger.training.settings import ModelSettings

MODELS: dict[str, Callable[[ModelSettings, int, torch.Generator], Autoencoder]] = {
    "mlp": mlp,
    "conv": conv,
}


def build_model(settings: ModelSettings, n_inputs: int, generator: torch.Generator) -> Autoencoder:
    """A model with fresh weights: `n_inputs` features in, as many out."""
    model = MODELS[settings.kind](settings, n_inputs, generator)
    return normalised(model) if settings.spectral_norm else model


N = TypeVar("N", bound=nn.Module)


def folded(model: N) -> N:
    """The same function with plain weights: what only training needed is worked into them."""
    for module in model.modules():
        for name in list(getattr(module, "parametrizations", {})):
            parametrize.remove_parametrizations(module, name)
    model.eval()
    fold_batch_norm(model)
    return model
