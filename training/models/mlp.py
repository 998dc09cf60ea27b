"""Fully connected autoencoders: linear layers with activations between, linear at both ends."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import nn

from naetrigger.contracts.score import score_named
from naetrigger.training.models.autoencoder import ACTIVATIONS, Autoencoder
from naetrigger.training.models.batch_norm import normalising
from naetrigger.training.settings import ModelSettings


def mlp(settings: ModelSettings, n_inputs: int, generator: torch.Generator) -> Autoencoder:
    """An MLP autoencoder with fresh weights drawn from `generator`."""
    hidden = settings.hidden
    back = hidden[::-1] if settings.decoder_hidden is None else settings.decoder_hidden
    activation = ACTIVATIONS[settings.activation]
    norm = settings.batch_norm
    encoder = stack((n_inputs, *hidden, settings.latent), activation, generator, norm)
    decoder = stack((settings.latent, *back, n_inputs), activation, generator, norm)
    return Autoencoder(encoder, decoder, settings, n_inputs, score_named(settings.score))


def stack(
    widths: Sequence[int],
    activation: type[nn.Module],
    generator: torch.Generator,
    batch_norm: bool = False,
) -> nn.Sequential:
    """Linear layers of these widths with an activation between every two, normalised or not."""
    *inner, (last_in, last_out) = itertools.pairwise(widths)
    modules: list[nn.Module] = []
    for fan_in, fan_out in inner:
        layer = linear(fan_in, fan_out, generator)
        modules += [*normalising(layer, batch_norm), activation()]
    return nn.Sequential(*modules, linear(last_in, last_out, generator))


def linear(fan_in: int, fan_out: int, generator: torch.Generator) -> nn.Linear:
    """Uniform in +-1/sqrt(fan_in), torch's own start, but from our generator."""
    layer = nn.Linear(fan_in, fan_out, device="meta").to_empty(device="cpu")  # no global RNG
    bound = 1 / math.sqrt(fan_in)
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return layer
