"""PixelCNN++: the probability of a gray image, pixel by pixel in the order of reading.

    P(image) = prod_i P(pixel i | pixels before i)

Two streams of causal convolutions: `down` sees all rows above a pixel, `right` those and the pixels
to the left; the latter is told what the former knows. Gated residual blocks lead down over halved
images and up again, each block on the way up taking over the result of its partner on the way down.
Each pixel's level is a mixture of logistic distributions (logistic_mixture.py). Salimans et al.,
arXiv:1701.05517, without weight normalisation, dropout and averaged weights. There is no kept
library of it for torch: TensorFlow Probability's is the only one, and TensorFlow belongs to export.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, pad

from naetrigger.contracts.score import score_named
from naetrigger.training.models.convolution import fresh
from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.models.logistic_mixture import log_probability
from naetrigger.training.settings import ModelSettings, PixelCnnObjective

DOWN, RIGHT = (2, 3), (2, 2)  # kernels: rows up to this one, columns around or up to this one
QUIET = 0.1  # of fresh gates: blocks start near the identity


class Levels(NamedTuple):
    """Gray levels 0 to number - 1 at equal distances from low to high."""

    number: int
    low: float
    high: float

    def position(self, x: Tensor) -> Tensor:
        """Where inputs lie among the levels; a whole number on the grid."""
        return (x - self.low) * ((self.number - 1) / (self.high - self.low))

    def nearest(self, x: Tensor) -> Tensor:
        """The nearest level as a number from -1 to 1; its slope is that of x (straight-through)."""
        position = self.position(x)
        level = position.round().clamp(0, self.number - 1)
        return 2 * (position + (level - position).detach()) / (self.number - 1) - 1


class PixelCnn(EnergyModel):
    """Energy: minus the log probability of the image's levels, in nats per pixel."""

    def __init__(
        self,
        settings: ModelSettings,
        objective: PixelCnnObjective,
        image: tuple[int, int],
        halvings: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__(settings, math.prod(image), score_named("energy"))
        self.image = image
        self.levels = Levels(objective.levels, *objective.range)
        f = objective.filters
        self.first = First(f, generator)
        scales = range(halvings + 1)
        self.falls = nn.ModuleList(
            nn.ModuleList(Block(f, 0, generator) for _ in range(objective.blocks)) for _ in scales
        )
        self.halves = nn.ModuleList(Halved(f, generator) for _ in range(halvings))
        self.rises = nn.ModuleList(
            nn.ModuleList(Block(f, f, generator) for _ in range(objective.blocks + 1))
            for _ in scales
        )
        self.doubles = nn.ModuleList(Doubled(f, generator) for _ in range(halvings))
        self.last = fresh(nn.Conv2d(f, 3 * objective.mixtures, 1, device="meta"), generator)

    def forward(self, v: Tensor) -> Tensor:
        """Parameters (B, 3 K, rows, columns) of the mixtures from levels (B, rows, columns)."""
        streams = self.first(v.unsqueeze(1))
        behind = [streams]
        for scale, blocks in enumerate(self.falls):
            if scale:
                streams = self.halves[scale - 1](*streams)
                behind.append(streams)
            for block in _each(blocks):
                streams = block(*streams)
                behind.append(streams)
        for scale, blocks in reversed(list(enumerate(self.rises))):
            for block in _each(blocks):
                streams = block(*streams, behind.pop())
            if scale:
                streams = self.doubles[scale - 1](*streams)
        parameters: Tensor = self.last(elu(streams.right))
        return parameters

    def energy(self, x: Tensor) -> Tensor:
        """-log P / D, shape (B,); inputs between two levels count as the nearest one."""
        v = self.levels.nearest(x).reshape(-1, *self.image)
        log_p = log_probability(v, self(v), self.levels.number)
        energies: Tensor = -log_p.flatten(1).mean(dim=1)
        return energies


class Streams(NamedTuple):
    """What is known of each pixel from before it: of shape (B, filters, rows, columns) both."""

    down: Tensor
    right: Tensor


class First(nn.Module):
    """The image, moved so that no pixel sees itself."""

    def __init__(self, filters: int, generator: torch.Generator) -> None:
        super().__init__()
        self.rows = Causal(2, filters, DOWN, generator)
        self.above = Causal(2, filters, (1, 3), generator)
        self.left = Causal(2, filters, (2, 1), generator)

    def forward(self, v: Tensor) -> Streams:
        v = torch.cat([v, torch.ones_like(v)], dim=1)  # ones: where the image ends
        right = _from_above(self.above(v)) + _from_left(self.left(v))
        return Streams(_from_above(self.rows(v)), right)


class Block(nn.Module):
    """A gated residual block of each stream; `taken` channels come over a shortcut, if any."""

    def __init__(self, filters: int, taken: int, generator: torch.Generator) -> None:
        super().__init__()
        self.down = Gated(filters, DOWN, taken, generator)
        self.right = Gated(filters, RIGHT, filters + taken, generator)

    def forward(self, down: Tensor, right: Tensor, taken: Streams | None = None) -> Streams:
        if taken is None:
            down = self.down(down)
            return Streams(down, self.right(right, down))
        down = self.down(down, taken.down)
        return Streams(down, self.right(right, torch.cat([down, taken.right], dim=1)))


class Gated(nn.Module):
    """x + a * sigmoid(b), (a, b) = conv(conv(x) + of what else is known)."""

    def __init__(
        self, filters: int, kernel: tuple[int, int], others: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.first = Causal(2 * filters, filters, kernel, generator)
        self.others = (
            fresh(nn.Conv2d(2 * others, filters, 1, device="meta"), generator) if others else None
        )
        self.second = Causal(2 * filters, 2 * filters, kernel, generator)
        with torch.no_grad():
            for parameter in self.second.parameters():
                parameter.mul_(QUIET)

    def forward(self, x: Tensor, others: Tensor | None = None) -> Tensor:
        h = self.first(_concat_elu(x))
        if self.others is not None and others is not None:
            h = h + self.others(_concat_elu(others))
        a, b = self.second(_concat_elu(h)).chunk(2, dim=1)
        gated: Tensor = x + torch.sigmoid(b) * a
        return gated


class Halved(nn.Module):
    """Both streams on half as many rows and columns."""

    def __init__(self, filters: int, generator: torch.Generator) -> None:
        super().__init__()
        self.down = Causal(filters, filters, DOWN, generator, stride=2)
        self.right = Causal(filters, filters, RIGHT, generator, stride=2)

    def forward(self, down: Tensor, right: Tensor) -> Streams:
        return Streams(self.down(down), self.right(right))


class Doubled(nn.Module):
    """Both streams back on twice as many: a pixel learns from the one at half its place or before.

    That one sees nothing at or behind its first pixel, hence nothing that this one may not see.
    """

    def __init__(self, filters: int, generator: torch.Generator) -> None:
        super().__init__()
        self.down, self.right = (
            fresh(nn.ConvTranspose2d(filters, filters, k, 2, device="meta"), generator)
            for k in (DOWN, RIGHT)
        )

    def forward(self, down: Tensor, right: Tensor) -> Streams:
        return Streams(self.down(down)[..., 1:], self.right(right))


class Causal(nn.Module):
    """A convolution that sees no row below; with an even width, no column to the right either."""

    def __init__(
        self,
        fan_in: int,
        fan_out: int,
        kernel: tuple[int, int],
        generator: torch.Generator,
        stride: int = 1,
    ) -> None:
        super().__init__()
        rows, columns = kernel
        right = columns // 2 if columns % 2 else 0
        self.padding = (columns - 1 - right, right, rows - 1, 0)
        layer = nn.Conv2d(fan_in, fan_out, kernel, stride, device="meta")
        self.convolution = fresh(layer, generator)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.convolution(pad(x, self.padding))
        return result


def _each(blocks: nn.Module) -> Iterator[nn.Module]:
    return blocks.children()


def _concat_elu(x: Tensor) -> Tensor:
    return elu(torch.cat([x, -x], dim=1))


def _from_above(x: Tensor) -> Tensor:
    """Each pixel gets what the one above it had."""
    return pad(x, (0, 0, 1, 0))[:, :, :-1]


def _from_left(x: Tensor) -> Tensor:
    """Each pixel gets what the one to the left of it had."""
    return pad(x, (1, 0))[..., :-1]
