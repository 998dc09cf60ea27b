"""Networks of images and of further layers, for the tests of the engine and of the targets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from naetrigger.contracts.fixed_point import Fixed, Integers, Overflow, Rounding
from naetrigger.contracts.network import FixedPointNetwork, Node
from naetrigger.contracts.window import Shape, Window, same_padding

NARROW = Fixed(True, 6, 3, Rounding.RND_CONV, Overflow.SAT)
POSITIVE = Fixed(False, 5, 2, Rounding.RND, Overflow.SAT)
KERNEL = Fixed(True, 4, 1)


class Layers:
    """A chain of layers that grows; constants are drawn from a generator."""

    def __init__(self, seed: int, shape: Shape, type: Fixed = NARROW) -> None:
        self.rng = np.random.default_rng(seed)
        size = math.prod(shape)
        self.nodes = [Node("x", "input", (), size, type, shape=shape if len(shape) > 1 else ())]

    def add(self, op: str, shape: Shape | None = None, type: Fixed = NARROW, **parts: Any) -> None:
        last = self.nodes[-1]
        shape = shape or last.dims
        self.nodes.append(
            Node(
                f"{op}_{len(self.nodes)}",
                op,
                (last.name,),
                math.prod(shape),
                type,
                shape=shape if len(shape) > 1 else (),
                **parts,
            )
        )

    def mantissas(self, shape: Shape, kind: Fixed = KERNEL) -> Integers:
        low, high = kind.min_mantissa, kind.max_mantissa
        return self.rng.integers(low, high, shape, np.int64, endpoint=True)

    def conv(self, channels: int, window: Window, cut: int | None = None) -> None:
        height, width, n_in = self.nodes[-1].dims
        self.add(
            "conv",
            (*window.output(height, width), channels),
            window=window,
            cut=cut,
            weights=self.mantissas((*window.size, n_in, channels)),
            weight_type=KERNEL,
            bias=self.mantissas((channels,)),
            bias_type=Fixed(True, 4, 2),
        )

    def pool(self, op: str, window: Window, **parts: Any) -> None:
        height, width, channels = self.nodes[-1].dims
        shape = (*window.output(height, width), channels)
        self.add(op, shape, self.nodes[-1].type, window=window, **parts)

    def average(self, window: Window, constant: int, kind: Fixed) -> None:
        self.pool("avg_pool", window, weights=np.array([constant]), weight_type=kind)

    def scale(self) -> None:
        channels = self.nodes[-1].dims[-1]
        self.add(
            "scale",
            weights=self.mantissas((channels,)),
            weight_type=KERNEL,
            bias=self.mantissas((channels,)),
            bias_type=Fixed(True, 4, 0),
        )

    def prelu(self, one: bool = False) -> None:
        channels = 1 if one else self.nodes[-1].dims[-1]
        self.add("prelu", weights=self.mantissas((channels,)), weight_type=KERNEL)

    def clip(self, low: int, high: int) -> None:
        self.add("clip", weights=np.array([low, high]), weight_type=Fixed(True, 5, 3))

    def table(self) -> None:
        """tanh of every mantissa of the last edge."""
        kind = self.nodes[-1].type
        words = np.arange(kind.min_mantissa, kind.max_mantissa + 1)
        entries = Fixed(True, 7, 1, Rounding.RND_CONV, Overflow.SAT)
        values = entries.mantissas(np.tanh(kind.real(words)))
        self.add("table", type=entries, weights=values, weight_type=Fixed(True, 7, 1))

    def dense(self, n_out: int, cut: int | None = None) -> None:
        n_in = self.nodes[-1].size
        kind = Fixed(True, 8, 5, Rounding.RND_CONV, Overflow.SAT)
        weights = self.mantissas((n_in, n_out))
        self.add("dense", (n_out,), kind, weights=weights, weight_type=KERNEL, cut=cut)

    def network(self) -> FixedPointNetwork:
        """With the sum of the last edge for a score."""
        self.add("sum", (1,), Fixed(True, 9, 5, Rounding.RND_CONV, Overflow.SAT))
        return FixedPointNetwork(tuple(self.nodes), self.nodes[-1].name, 1.0)


def image_network(seed: int = 0) -> FixedPointNetwork:
    """6 x 5 pixels of 2 channels through convolutions, poolings and shapes."""
    layers = Layers(seed, (6, 5, 2))
    layers.conv(3, Window((3, 2), padding=same_padding((3, 2), (1, 1), 6, 5)))
    layers.add("relu", type=POSITIVE)
    layers.pool("max_pool", Window((2, 2), (2, 2)))
    layers.conv(2, Window((2, 1), (1, 1), (1, 0, 0, 0)))
    layers.prelu()
    layers.average(Window((3, 1), (1, 1)), 11, Fixed(False, 4, -1))  # 11/32 for a third
    layers.add("transpose", (2, 1, 2), axes=(2, 0, 1))
    layers.add("reshape", (4,))
    layers.dense(3)
    return layers.network()


def sequence_network(seed: int = 0) -> FixedPointNetwork:
    """A sequence of 9 with 2 channels: strides, uneven padding, a padded maximum, a mean of 4."""
    layers = Layers(seed, (1, 9, 2))
    layers.conv(4, Window((1, 3), (1, 2), (0, 1, 0, 0)))
    layers.pool("max_pool", Window((1, 3), (1, 2), (0, 1, 0, 1)))
    layers.scale()
    layers.clip(-5, 6)
    layers.average(Window((1, 2)), 1, Fixed(False, 1, 0))
    layers.add("reshape", (4,))
    layers.dense(2)
    return layers.network()


def activation_network(seed: int = 0) -> FixedPointNetwork:
    """Activations of a vector: one slope for all, ends, a table, a sum of two edges."""
    layers = Layers(seed, (4,))
    layers.dense(5)
    layers.prelu(one=True)
    layers.clip(-9, 11)
    layers.table()
    first, last = layers.nodes[1], layers.nodes[-1]
    kind = Fixed(True, 7, 4, Rounding.RND, Overflow.SAT)
    layers.nodes.append(Node("both", "add", (first.name, last.name), 5, kind))
    return layers.network()


def cut_network(seed: int = 0) -> FixedPointNetwork:
    """A convolution and a dense layer whose products, and biases, lose bits before the sum."""
    layers = Layers(seed, (1, 5, 2))
    layers.conv(2, Window((1, 2), (1, 2)), cut=2)
    layers.add("reshape", (4,))
    layers.dense(3, cut=1)
    return layers.network()


LAYER_NETWORKS = {
    "image": image_network,
    "series": sequence_network,
    "activations": activation_network,
}
