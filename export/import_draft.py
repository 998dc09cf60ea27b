"""A foreign model on its way to a FixedPointNetwork: nodes as they are read, formats at the end.

A node added without a format is exact; it gets the narrowest format that holds every value it can
take, which interval arithmetic finds when the model is complete.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import (
    MAX_WIDTH,
    Fixed,
    Integers,
    Overflow,
    Rounding,
    fixed_for_range,
)
from naetrigger.contracts.layer_ops import MAX_TABLE_BITS
from naetrigger.contracts.network import FixedPointNetwork, Node
from naetrigger.contracts.well_formed import MAX_SIZE
from naetrigger.contracts.window import Shape, Window
from naetrigger.export.lower import narrowed

MAX_FRACTION = 40  # of a constant that is taken as it stands
MAX_BITS = 20  # of its mantissa: a float that was never quantized has 24


@dataclass(frozen=True)
class Constants:
    """Mantissas and their format."""

    mantissas: Integers
    type: Fixed


@dataclass(frozen=True)
class ImportedModel:
    """A foreign model as a network.

    outputs : name of the node that holds the model's own outputs; its edge is compared with what
        the model's tool gives
    """

    network: FixedPointNetwork
    outputs: str


class Draft:
    """Nodes as they come, by names of our own kind."""

    def __init__(self, where: str, wraps: bool = False) -> None:
        self.where = where
        self.wraps = wraps
        self.nodes: list[Node] = []
        self._exact: set[str] = set()

    def __getitem__(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def refuse(self, name: str, problem: str) -> InputError:
        """An error about one layer, to raise."""
        return InputError(f"{self.where}: {name}: {problem}")

    def input(self, shape: Shape, type: Fixed) -> str:
        """The first node; InputError for a shape that is none, or that no network has."""
        if min(shape) < 1 or math.prod(shape) > MAX_SIZE:
            raise InputError(
                f"{self.where}: its inputs have shape {shape}; sizes from 1, and at most "
                f"{MAX_SIZE} values, are supported"
            )
        self.nodes.append(Node("x", "input", (), math.prod(shape), type, shape=_images(shape)))
        return "x"

    def add(
        self,
        name: str,
        op: str,
        inputs: Sequence[str],
        shape: Shape | None = None,
        type: Fixed | None = None,
        weights: Constants | None = None,
        bias: Constants | None = None,
        **parts: Any,
    ) -> str:
        """A node; its name, which is `name` as far as it can be. No type: exact."""
        shape = self[inputs[0]].dims if shape is None else shape
        node = Node(
            name=self._free(name),
            op=op,
            inputs=tuple(inputs),
            size=math.prod(shape),
            type=type or Fixed(True, MAX_WIDTH, MAX_WIDTH),
            weights=None if weights is None else weights.mantissas,
            weight_type=None if weights is None else weights.type,
            bias=None if bias is None else bias.mantissas,
            bias_type=None if bias is None else bias.type,
            shape=_images(shape),
            **parts,
        )
        if type is None:
            fraction = self._fraction(node)
            node = replace(node, type=Fixed(True, MAX_WIDTH, MAX_WIDTH - fraction))
            self._exact.add(node.name)
        self.nodes.append(node)
        return node.name

    def dense(
        self, name: str, x: str, weights: Constants, bias: Constants | None, **of: Any
    ) -> str:
        """A dense layer over all values of x; x with an image's shape is flattened first."""
        return self.add(
            name, "dense", [self.flat(x)], (weights.mantissas.shape[1],), None, weights, bias, **of
        )

    def conv(
        self,
        name: str,
        x: str,
        window: Window,
        weights: Constants,
        bias: Constants | None,
        **of: Any,
    ) -> str:
        """A convolution; weights (kh, kw, channels, filters)."""
        height, width, _ = self[x].dims
        shape = (*window.output(height, width), weights.mantissas.shape[-1])
        return self.add(name, "conv", [x], shape, None, weights, bias, window=window, **of)

    def take_bias(self, name: str, bias: Constants) -> bool:
        """Put a bias into an exact product that has none; whether that was possible."""
        node = self[name]
        if node.op not in ("dense", "conv") or node.bias is not None or name not in self._exact:
            return False
        made = replace(node, bias=bias.mantissas, bias_type=bias.type)
        kind = Fixed(True, MAX_WIDTH, MAX_WIDTH - self._fraction(made))
        place = next(i for i, other in enumerate(self.nodes) if other is node)
        self.nodes[place] = replace(made, type=kind)
        return True

    def max_pool(self, name: str, x: str, window: Window) -> str:
        height, width, channels = self[x].dims
        shape = (*window.output(height, width), channels)
        return self.add(name, "max_pool", [x], shape, self._kept(x), window=window)

    def avg_pool(self, name: str, x: str, window: Window) -> str:
        """A mean over a power of two of pixels, exact; others are refused by name."""
        count = math.prod(window.size)
        if count & (count - 1):
            raise self.refuse(
                name,
                f"a mean over {count} pixels is not exact in fixed point; a window of 2, 4, 8 ... "
                "pixels is",
            )
        height, width, channels = self[x].dims
        shape = (*window.output(height, width), channels)
        one = Constants(np.ones(1, np.int64), Fixed(False, 1, 1 - (count.bit_length() - 1)))
        return self.add(name, "avg_pool", [x], shape, None, one, window=window)

    def reshape(self, name: str, x: str, shape: Shape) -> str:
        return self.add(name, "reshape", [x], shape, self._kept(x))

    def transpose(self, name: str, x: str, axes: tuple[int, ...]) -> str:
        dims = self[x].dims
        shape = tuple(dims[axis] for axis in axes)
        return self.add(name, "transpose", [x], shape, self._kept(x), axes=axes)

    def flat(self, x: str) -> str:
        return x if len(self[x].dims) == 1 else self.reshape(f"{x}_flat", x, (self[x].size,))

    def table(self, name: str, x: str, function: Any, type: Fixed) -> str:
        """The function of every mantissa of x, rounded into `type`."""
        kind = self[x].type
        if x in self._exact or kind.width > MAX_TABLE_BITS:
            raise self.refuse(
                name,
                f"a table needs an input of at most {MAX_TABLE_BITS} bits; quantize what comes "
                "before it",
            )
        words = kind.real(np.arange(kind.min_mantissa, kind.max_mantissa + 1))
        entries = Constants(type.mantissas(function(words)), replace(type, overflow=Overflow.WRAP))
        return self.add(name, "table", [x], None, type, entries)

    def network(self, output: str, about: dict[str, str]) -> FixedPointNetwork:
        """All nodes, exact ones in the narrowest formats; every width proved."""
        scale = self[output].type.lsb
        draft = FixedPointNetwork(tuple(self.nodes), output, scale, about, wraps=self.wraps)
        try:
            made = narrowed(draft, self._exact)
            made.bounds()
        except InputError as error:
            raise InputError(f"{self.where}: {error}") from error
        return replace(made, score_scale=made.score_type.lsb)

    def _kept(self, x: str) -> Fixed | None:
        """The format of x, for what only moves values; None: exact as x is."""
        return None if x in self._exact else self[x].type

    def _fraction(self, node: Node) -> int:
        """Fraction bits of a node's exact result."""
        if node.cut is not None:
            return node.cut
        fractions = [self[name].type.fraction for name in node.inputs]
        steps = node.weight_type.fraction if node.weight_type else 0
        match node.op:
            case "square":
                return 2 * fractions[0]
            case "table":
                return steps
            case "prelu":
                return fractions[0] + max(steps, 0)
            case "clip":
                return max(fractions[0], steps)
            case _:
                fraction = max(fractions) + steps
                return max(fraction, node.bias_type.fraction if node.bias_type else fraction)

    def _free(self, name: str) -> str:
        name = re.sub(r"\W", "_", name)
        name = name if re.match(r"[A-Za-z]", name) else f"n{name}"
        taken, number = {node.name for node in self.nodes}, 2
        free = name
        while free in taken:
            free, number = f"{name}_{number}", number + 1
        return free


def _images(shape: Shape) -> Shape:
    return shape if len(shape) > 1 else ()


def on_grid(values: npt.ArrayLike, type: Fixed, where: str) -> Constants:
    """Constants that are members of a format; InputError where one is not."""
    values = np.asarray(values, dtype=np.float64)
    mantissas = type.mantissas(values)
    if not np.array_equal(type.real(mantissas), values):
        worst = float(np.ravel(values)[np.argmax(np.ravel(type.real(mantissas) != values))])
        raise InputError(f"{where}: {worst!r} is no value of {type}")
    return Constants(mantissas, stored(type))


def exact_constants(values: npt.ArrayLike, where: str) -> Constants:
    """Constants in the narrowest format that holds them all; InputError if none of 20 bits does."""
    values = np.asarray(values, dtype=np.float64)
    if not np.all(np.isfinite(values)):
        raise InputError(f"{where}: a constant is NaN or infinite")
    lowest = -MAX_FRACTION if values.any() else 0
    for fraction in range(lowest, MAX_FRACTION + 1):
        scaled = np.ldexp(values, fraction)
        if np.abs(scaled).max(initial=0) >= 2.0**MAX_BITS:
            break
        if np.array_equal(scaled, np.rint(scaled)):
            mantissas = scaled.astype(np.int64)
            low, high = int(mantissas.min(initial=0)), int(mantissas.max(initial=0))
            return Constants(mantissas, fixed_for_range(low, high, fraction))
    raise InputError(
        f"{where}: constants such as {float(np.ravel(values)[0])!r} are on no grid of {MAX_BITS} "
        "bits; quantize them, by a power of two"
    )


def fraction_used(constants: Constants) -> int:
    """Fraction bits of the finest constant."""
    mantissas = constants.mantissas
    used = int(np.bitwise_or.reduce(mantissas.ravel()))
    unused = (used & -used).bit_length() - 1 if used else 0
    return constants.type.fraction - unused


def power_of_two(scale: float, where: str) -> int:
    """The exponent of a scale; InputError unless it is a power of two."""
    mantissa, exponent = math.frexp(scale)
    if mantissa != 0.5:
        raise InputError(
            f"{where}: scale {scale!r} is no power of two; fixed point has no other: train with "
            "power-of-two scales"
        )
    return exponent - 1


def stored(type: Fixed) -> Fixed:
    """The format of a constant: its modes no longer matter."""
    return Fixed(type.signed, type.width, type.integer, Rounding.TRN, Overflow.WRAP)
