"""A fixed-point network in floats that hold each of its integers: the same scores, faster.

The interval proof (``FixedPointNetwork.bounds``) says how many bits each exact result and every
partial sum of it can have. Up to 24 fit a float32, up to 53 a float64, in which sums and products
of integers are then exact in any order, so that BLAS may compute them. Rounding to the next edge is
a division by a power of two, exact as well, and a floor or rint. A network that needs more than 53
bits, that wraps, or whose rounding is none of TRN, RND and RND_CONV, has no such form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Integers, Overflow, Rounding
from naetrigger.contracts.layer_ops import LAYER_OPS

if TYPE_CHECKING:
    from naetrigger.contracts.network import Bounds, FixedPointNetwork, Node

Floats = npt.NDArray[Any]
Result = Callable[[list[Floats]], Floats]

ROWS = 2048  # worked on at once: what stays in the cache is several times faster
FLOAT32_BITS, FLOAT64_BITS = 24, 53
MAX_SHIFT = 60  # of a result to its edge; far from the ends of a float's exponent


@dataclass(frozen=True)
class _Step:
    """One node: its exact result in new memory, already divided by 2**drop, then its cast."""

    name: str
    inputs: tuple[str, ...]
    dtype: type[np.floating]
    result: Result
    cast: Callable[[Floats], Floats]


@dataclass(frozen=True)
class ExactFloats:
    """The plan of one network; made by :func:`exact_floats`."""

    input: str
    output: str
    first: type[np.floating]
    steps: tuple[_Step, ...]

    def scores(self, inputs: Integers) -> Integers:
        """Score mantissas (N,) for input mantissas (N, F) that lie within their format."""
        scores = np.empty(len(inputs), np.int64)
        for start in range(0, len(inputs), ROWS):
            block = slice(start, start + ROWS)
            scores[block] = self._edges(inputs[block])[self.output][:, 0]
        return scores

    def _edges(self, inputs: Integers) -> dict[str, Floats]:
        edges: dict[str, Floats] = {self.input: inputs.astype(self.first)}
        for step in self.steps:
            values = [edges[name].astype(step.dtype, copy=False) for name in step.inputs]
            edges[step.name] = step.cast(step.result(values))
        return edges


def exact_floats(
    network: FixedPointNetwork, proved: Mapping[str, Bounds], wrapping: bool
) -> ExactFloats | None:
    """The network's plan, or None where floats cannot be exact.

    proved : the bounds of every node; wrapping : whether some format can overflow and wrap
    """
    dtypes = {node.name: _dtype(node, network, proved[node.name]) for node in network.nodes}
    if wrapping or not all(dtypes.values()):
        return None
    steps = []
    for node in network.nodes[1:]:
        bounds, dtype = proved[node.name], dtypes[node.name]
        assert dtype is not None
        sources = [network[name] for name in node.inputs]
        drops = bounds.fraction > node.type.fraction
        cast = _cast(node.type, drops, bounds.may_saturate)
        steps.append(_Step(node.name, node.inputs, dtype, _result(node, sources, dtype), cast))
    first = dtypes[network.input.name]
    assert first is not None
    return ExactFloats(network.input.name, network.output, first, tuple(steps))


def _dtype(node: Node, network: FixedPointNetwork, bounds: Bounds) -> type[np.floating] | None:
    """The float that holds the node's result, its rounding, its inputs and its edge."""
    drop = bounds.fraction - node.type.fraction
    if node.cut is not None:
        return None
    if abs(drop) > MAX_SHIFT or (node.type.overflow is Overflow.SAT_ZERO and bounds.may_saturate):
        return None
    if drop > 0 and node.type.rounding not in (Rounding.TRN, Rounding.RND, Rounding.RND_CONV):
        return None
    carry = drop > 0 and node.type.rounding is Rounding.RND  # x + 1/2 may have a bit more
    formats = [node.type, *(network[name].type for name in node.inputs)]
    bits = max(bounds.float_bits + carry, *(t.width - t.signed for t in formats))
    if bits > FLOAT64_BITS:
        return None
    return np.float32 if bits <= FLOAT32_BITS else np.float64


def _result(node: Node, sources: list[Node], dtype: type[np.floating]) -> Result:
    """What gives a node's exact result in steps of its edge, in memory of its own."""
    if node.op in LAYER_OPS:
        return _layer(node, sources, dtype)
    shifts = [node.type.fraction - source.type.fraction for source in sources]
    factors = [dtype(np.ldexp(1.0, shift)) for shift in shifts]
    match node.op:
        case "dense":
            return _dense(node, shifts[0], dtype)
        case "sum":
            return _weighted_sum(node, sources[0].size, shifts[0], dtype)
        case "relu":
            return lambda x: _times(np.maximum(x[0], 0), factors[0])
        case "cast":
            return lambda x: x[0] * factors[0]
        case "sub":
            return lambda x: x[0] * factors[0] - x[1] * factors[1]
        case "square":
            square = dtype(np.ldexp(1.0, shifts[0] - sources[0].type.fraction))
            return lambda x: _times(x[0] * x[0], square)
        case "abs":
            return lambda x: _times(np.abs(x[0]), factors[0])
        case "above":
            return _above(node, dtype)
        case _:
            raise InputError(f"network: {node.name}: unknown op '{node.op}'")


def _dense(node: Node, shift: int, dtype: type[np.floating]) -> Result:
    assert node.weights is not None
    assert node.weight_type is not None
    weights = _scaled(node.weights, shift - node.weight_type.fraction, dtype)
    if node.bias is None:
        return lambda x: x[0] @ weights
    assert node.bias_type is not None
    bias = _scaled(node.bias, node.type.fraction - node.bias_type.fraction, dtype)

    def result(x: list[Floats]) -> Floats:
        total: Floats = x[0] @ weights
        total += bias
        return total

    return result


def _layer(node: Node, sources: list[Node], dtype: type[np.floating]) -> Result:
    """Integers in floats, by the op's one definition."""
    exact = LAYER_OPS[node.op].exact

    def result(x: list[Floats]) -> Floats:
        values, fraction = exact(node, sources, x)
        return _times(values, dtype(np.ldexp(1.0, node.type.fraction - fraction)))

    return result


def _above(node: Node, dtype: type[np.floating]) -> Result:
    assert node.weights is not None
    thresholds = node.weights.astype(np.float64)
    return lambda x: (x[0] >= thresholds).astype(dtype)


def _weighted_sum(node: Node, size: int, shift: int, dtype: type[np.floating]) -> Result:
    weights = np.ones(size, np.int64) if node.weights is None else node.weights
    shift -= node.weight_type.fraction if node.weight_type else 0
    column = _scaled(weights, shift, dtype)[:, None]
    return lambda x: x[0] @ column


def _scaled(mantissas: Integers, shift: int, dtype: type[np.floating]) -> Floats:
    return np.ldexp(mantissas.astype(np.float64), shift).astype(dtype)


def _times(x: Floats, factor: Any) -> Floats:
    """x times a power of two, in place."""
    if factor != 1:
        x *= factor
    return x


def _cast(fixed: Fixed, drops: bool, may_saturate: bool) -> Callable[[Floats], Floats]:
    """What rounds and fits a result in place."""
    low, high = fixed.min_mantissa, fixed.max_mantissa

    def cast(x: Floats) -> Floats:
        if drops and fixed.rounding is Rounding.RND_CONV:
            np.rint(x, out=x)
        elif drops:
            if fixed.rounding is Rounding.RND:
                x += 0.5
            np.floor(x, out=x)
        if may_saturate:
            np.clip(x, low, high, out=x)
        return x

    return cast
