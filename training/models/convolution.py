"""Convolutions with fresh weights from our own generator."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import nn

C = TypeVar("C", nn.Conv2d, nn.ConvTranspose2d)


def fresh(layer: C, generator: torch.Generator) -> C:
    """A layer made on device 'meta', uniform in +-1/sqrt(channels in * kernel)."""
    layer = layer.to_empty(device="cpu")
    bound = 1 / math.sqrt(layer.in_channels * math.prod(layer.kernel_size))
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer
