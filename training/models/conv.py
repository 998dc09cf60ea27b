"""Convolutional autoencoders of images: strided 3x3 convolutions down, their transposes up.

Inputs are the rows of one image in turn. Each layer halves rows and columns (rounded up) and has
as many channels as `hidden` says; a linear layer stands on each side of the latent.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import nn

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.score import score_named
from naetrigger.training.models.autoencoder import ACTIVATIONS, Autoencoder
from naetrigger.training.models.batch_norm import normalising
from naetrigger.training.models.convolution import fresh
from naetrigger.training.models.mlp import linear
from naetrigger.training.settings import ModelSettings

KERNEL, STRIDE, PADDING = 3, 2, 1


def conv(settings: ModelSettings, n_inputs: int, generator: torch.Generator) -> Autoencoder:
    """A convolutional autoencoder with fresh weights drawn from `generator`.

    Raises InputError if the inputs are no image of `settings.image`.
    """
    sizes = [_image(settings, n_inputs)]
    for _ in settings.hidden:
        sizes.append((_half(sizes[-1][0]), _half(sizes[-1][1])))
    encoder = _encoder(settings, sizes, generator)
    decoder = _decoder(settings, sizes[::-1], generator)
    return Autoencoder(encoder, decoder, settings, n_inputs, score_named(settings.score))


def _encoder(
    settings: ModelSettings, sizes: list[tuple[int, int]], generator: torch.Generator
) -> nn.Sequential:
    modules: list[nn.Module] = [nn.Unflatten(1, (1, *sizes[0]))]
    for fan_in, fan_out in itertools.pairwise((1, *settings.hidden)):
        layer = nn.Conv2d(fan_in, fan_out, KERNEL, STRIDE, PADDING, device="meta")
        normal = normalising(fresh(layer, generator), settings.batch_norm)
        modules += [*normal, ACTIVATIONS[settings.activation]()]
    flat = _last(settings) * math.prod(sizes[-1])
    return nn.Sequential(*modules, nn.Flatten(), linear(flat, settings.latent, generator))


def _decoder(
    settings: ModelSettings, sizes: list[tuple[int, int]], generator: torch.Generator
) -> nn.Sequential:
    back = settings.hidden[::-1] if settings.decoder_hidden is None else settings.decoder_hidden
    if len(back) != len(settings.hidden):
        raise InputError(
            f"model.decoder_hidden: a conv decoder has one layer for each of the encoder's "
            f"{len(settings.hidden)}, got {len(back)}"
        )
    channels = (*back, 1)
    first = linear(settings.latent, channels[0] * math.prod(sizes[0]), generator)
    modules: list[nn.Module] = [first, nn.Unflatten(1, (channels[0], *sizes[0]))]
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(channels)):
        grown = (sizes[i + 1][0] % 2, sizes[i + 1][1] % 2)
        padding = (1 - grown[0], 1 - grown[1])  # an even size needs one more than 2 n - 1
        layer = nn.ConvTranspose2d(
            fan_in, fan_out, KERNEL, STRIDE, PADDING, output_padding=padding, device="meta"
        )
        norm = settings.batch_norm and i < len(back) - 1
        modules += [ACTIVATIONS[settings.activation](), *normalising(fresh(layer, generator), norm)]
    return nn.Sequential(*modules, nn.Flatten())


def _image(settings: ModelSettings, n_inputs: int) -> tuple[int, int]:
    side = math.isqrt(n_inputs)
    rows, columns = settings.image or (side, side)
    if rows * columns != n_inputs:
        raise InputError(
            f"model.kind conv: {n_inputs} inputs are no image of {rows} x {columns}; set "
            "model.image to its rows and columns in pixels, or model.kind to mlp"
        )
    return rows, columns


def _last(settings: ModelSettings) -> int:
    return settings.hidden[-1] if settings.hidden else 1


def _half(n: int) -> int:
    return (n + 1) // 2
