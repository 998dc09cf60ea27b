"""The ops of further layers, each defined once for all engines: exact results and their bounds.

=========  ==========================================================  ==========================
op         exact result                                                inputs, constants
=========  ==========================================================  ==========================
add        ``a + b``                                                   a, b of one size
scale      ``x * weights + bias``, channel by channel                  x; (channels,)
prelu      ``x`` where positive, else ``x * weights``                  x; (channels,) or (1,)
clip       ``min(max(x, weights[0]), weights[1])``                     x; (2,)
table      ``weights[x - lowest x]``, x as a mantissa                  x; one for every mantissa
conv       ``sum of x * weights`` under the window, ``+ bias``         x (h, w, c); (kh, kw, c, n)
max_pool   the largest x under the window, channel by channel          x (h, w, c)
avg_pool   ``weights[0] * sum of x`` under the window, likewise        x (h, w, c); (1,)
reshape    ``x`` under another shape                                   x
transpose  ``x`` with its axes in the order ``axes``                   x
=========  ==========================================================  ==========================

Channels are the last axis of the edge. Padding is 0; a max_pool leaves it out. An average over a
power of two is exact, over other numbers it is what its constant, rounded, makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from naetrigger.contracts.spatial_ops import (
    LARGEST,
    conv_bounds,
    conv_exact,
    conv_problems,
    pool_bounds,
    pool_exact,
    pool_problems,
    raised,
    reshape_problems,
    transpose_order,
    transpose_problems,
)

if TYPE_CHECKING:
    from naetrigger.contracts.network import Node

MAX_TABLE_BITS = 16
Ends = tuple[list[int], list[int]]
Numbers = Any  # arrays of integers, as int64 or in floats that hold them


class Interval(NamedTuple):
    """What a node's exact result can be, as lists of ints; every partial sum lies in `partial`."""

    low: list[int]
    high: list[int]
    fraction: int
    partial: tuple[int, int]


@dataclass(frozen=True)
class LayerOp:
    """One op.

    constants : which of 'weights', 'bias' it may have; those in `needed` it must have
    problems : sentences on what does not fit together
    exact : (result, fraction bits) of values (N, n), dtype kept: integers, or floats of them
    bounds : of the result for the ends of the inputs' ranges
    """

    operands: int
    exact: Callable[[Node, Sequence[Node], Sequence[Numbers]], tuple[Numbers, int]]
    bounds: Callable[[Node, Sequence[Node], Sequence[Ends]], tuple[Any, Any, int, Any]]
    problems: Callable[[Node, Sequence[Node]], list[str]]
    constants: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()

    def all_problems(self, node: Node, sources: Sequence[Node]) -> list[str]:
        """What is wrong with a node of this op."""
        problems = []
        for name in ("weights", "bias"):
            given = getattr(node, name) is not None
            if given and name not in self.constants:
                problems.append(f"{node.op} takes no {name}")
            if not given and name in self.needed:
                problems.append(f"{node.op} needs {name}")
        return problems or self.problems(node, sources)

    def interval(self, node: Node, sources: Sequence[Node], ends: Sequence[Ends]) -> Interval:
        """Bounds as lists of ints."""
        low, high, fraction, (least, most) = self.bounds(node, sources, ends)
        lows, highs = ([int(value) for value in np.ravel(end)] for end in (low, high))
        return Interval(lows, highs, fraction, (min(least, *lows, 0), max(most, *highs, 0)))


def constant(values: Any, like: Any) -> Any:
    """Constants in the dtype of what they meet: int64, object (unbounded) or a float."""
    return values.astype(np.asarray(like).dtype)


def unbounded(values: Sequence[int]) -> Any:
    """Integers as numpy objects, which never overflow."""
    return np.array([int(value) for value in values], dtype=object)


def _same_size(node: Node, sources: Sequence[Node]) -> list[str]:
    sizes = [source.size for source in sources]
    if any(size != node.size for size in sizes):
        return [f"size {node.size} does not fit its inputs' {sizes}"]
    return []


def _monotone(
    exact: Callable[[Node, Sequence[Node], Sequence[Numbers]], tuple[Numbers, int]],
) -> Callable[[Node, Sequence[Node], Sequence[Ends]], tuple[Any, Any, int, Any]]:
    """Bounds of an op whose result lies between those at the ends of its input and at 0."""

    def bounds(
        node: Node, sources: Sequence[Node], ends: Sequence[Ends]
    ) -> tuple[Any, Any, int, Any]:
        low, high = (unbounded(end) for end in ends[0])
        middle = np.minimum(np.maximum(low, 0), high)
        at = [exact(node, sources, [end[None]])[0] for end in (low, high, middle)]
        fraction = exact(node, sources, [low[None]])[1]
        lows, highs = np.minimum.reduce(at), np.maximum.reduce(at)
        return lows, highs, fraction, (0, 0)

    return bounds


def _add_exact(
    node: Node, sources: Sequence[Node], values: Sequence[Numbers]
) -> tuple[Numbers, int]:
    del node
    fractions = [source.type.fraction for source in sources]
    common = max(fractions)
    left, right = (raised(v, common - f) for v, f in zip(values, fractions, strict=True))
    return left + right, common


def _add_bounds(
    node: Node, sources: Sequence[Node], ends: Sequence[Ends]
) -> tuple[Any, Any, int, Any]:
    low, high = ([unbounded(end[side]) for end in ends] for side in (0, 1))
    lows, common = _add_exact(node, sources, low)
    return lows, _add_exact(node, sources, high)[0], common, (0, 0)


def _by_channel(x: Numbers, constants: Any) -> tuple[Numbers, Any]:
    """x as (N, pixels, channels), and constants that fit its last axis."""
    channels = len(constants)
    return x.reshape(len(x), -1, channels), constant(constants, x)


def _scale_exact(
    node: Node, sources: Sequence[Node], values: Sequence[Numbers]
) -> tuple[Numbers, int]:
    assert node.weights is not None
    assert node.weight_type is not None
    x, weights = _by_channel(values[0], node.weights)
    fraction = sources[0].type.fraction + node.weight_type.fraction
    result = x * weights
    if node.bias is not None and node.bias_type is not None:
        common = max(fraction, node.bias_type.fraction)
        bias = raised(constant(node.bias, x), common - node.bias_type.fraction)
        result, fraction = raised(result, common - fraction) + bias, common
    return result.reshape(len(x), -1), fraction


def _scale_bounds(
    node: Node, sources: Sequence[Node], ends: Sequence[Ends]
) -> tuple[Any, Any, int, Any]:
    low, high, fraction, _ = _monotone(_scale_exact)(node, sources, ends)
    bias = 0
    if node.bias is not None and node.bias_type is not None:
        bias = int(np.abs(node.bias).max()) << (fraction - node.bias_type.fraction)
    partial = (int(low.min()) - bias, int(high.max()) + bias)  # holds the product alone, too
    return low, high, fraction, partial


def _channel_problems(node: Node, sources: Sequence[Node]) -> list[str]:
    problems, channels = _same_size(node, sources), node.dims[-1]
    for name, values in (("weights", node.weights), ("bias", node.bias)):
        allowed = [(channels,), (1,)] if node.op == "prelu" else [(channels,)]
        if values is not None and values.shape not in allowed:
            problems.append(f"{name} must have shape ({channels},)")
    return problems


def _prelu_exact(
    node: Node, sources: Sequence[Node], values: Sequence[Numbers]
) -> tuple[Numbers, int]:
    assert node.weights is not None
    assert node.weight_type is not None
    x, slopes = _by_channel(values[0], node.weights)
    fraction, steps = sources[0].type.fraction, node.weight_type.fraction
    negative = raised(x * slopes, max(-steps, 0))
    result = np.where(x > 0, raised(x, max(steps, 0)), negative)
    return result.reshape(len(x), -1), fraction + max(steps, 0)


def _clip_exact(
    node: Node, sources: Sequence[Node], values: Sequence[Numbers]
) -> tuple[Numbers, int]:
    assert node.weights is not None
    assert node.weight_type is not None
    x, fraction = values[0], sources[0].type.fraction
    finer = node.weight_type.fraction - fraction
    low, high = (int(end) << max(-finer, 0) for end in node.weights)
    if finer <= 0:
        if np.asarray(x).dtype != object:  # proved: an end beyond an int64 is never reached
            low, high = (max(-LARGEST, min(end, LARGEST)) for end in (low, high))
        return np.minimum(np.maximum(x, low), high), fraction
    # what is clipped need not have room for the ends' further bits
    least, most = -(-low >> finer), high >> finer
    inside = raised(np.minimum(np.maximum(x, least), most), finer)
    ends = constant(node.weights, x)
    return np.where(x > most, ends[1], np.where(x < least, ends[0], inside)), fraction + finer


def _clip_problems(node: Node, sources: Sequence[Node]) -> list[str]:
    problems = _same_size(node, sources)
    if node.weights is None or node.weights.shape != (2,):
        problems.append("weights, the ends, must have shape (2,)")
    elif node.weights[0] > node.weights[1]:
        problems.append("the low end lies above the high one")
    return problems


def table_size(source: Node) -> int:
    """Mantissas that an edge can have."""
    return source.type.max_mantissa - source.type.min_mantissa + 1


def _table_exact(
    node: Node, sources: Sequence[Node], values: Sequence[Numbers]
) -> tuple[Numbers, int]:
    assert node.weights is not None
    assert node.weight_type is not None
    index = np.asarray(values[0]).astype(np.int64) - sources[0].type.min_mantissa
    return constant(node.weights[index], values[0]), node.weight_type.fraction


def _table_bounds(
    node: Node, sources: Sequence[Node], ends: Sequence[Ends]
) -> tuple[Any, Any, int, Any]:
    assert node.weights is not None
    assert node.weight_type is not None
    first = sources[0].type.min_mantissa
    reached = [
        node.weights[low - first : high - first + 1] for low, high in zip(*ends[0], strict=True)
    ]
    lows, highs = [r.min() for r in reached], [r.max() for r in reached]
    return lows, highs, node.weight_type.fraction, (0, 0)


def _table_problems(node: Node, sources: Sequence[Node]) -> list[str]:
    problems = _same_size(node, sources)
    if sources[0].type.width > MAX_TABLE_BITS:
        problems.append(
            f"a table has at most 2^{MAX_TABLE_BITS} entries, its input is {sources[0].type}"
        )
    elif node.weights is None or node.weights.shape != (table_size(sources[0]),):
        problems.append(f"weights must have shape ({table_size(sources[0])},)")
    return problems


def _same_exact(
    node: Node, sources: Sequence[Node], values: Sequence[Numbers]
) -> tuple[Numbers, int]:
    order = transpose_order(node, sources[0])
    return values[0] * 1 if order is None else values[0][:, order], sources[0].type.fraction


def _same_bounds(
    node: Node, sources: Sequence[Node], ends: Sequence[Ends]
) -> tuple[Any, Any, int, Any]:
    low, high = (_same_exact(node, sources, [unbounded(end)[None]])[0] for end in ends[0])
    return low, high, sources[0].type.fraction, (0, 0)


LAYER_OPS: Mapping[str, LayerOp] = {
    "add": LayerOp(2, _add_exact, _add_bounds, _same_size),
    "scale": LayerOp(
        1, _scale_exact, _scale_bounds, _channel_problems, ("weights", "bias"), ("weights",)
    ),
    "prelu": LayerOp(
        1, _prelu_exact, _monotone(_prelu_exact), _channel_problems, ("weights",), ("weights",)
    ),
    "clip": LayerOp(
        1, _clip_exact, _monotone(_clip_exact), _clip_problems, ("weights",), ("weights",)
    ),
    "table": LayerOp(1, _table_exact, _table_bounds, _table_problems, ("weights",), ("weights",)),
    "conv": LayerOp(1, conv_exact, conv_bounds, conv_problems, ("weights", "bias"), ("weights",)),
    "max_pool": LayerOp(1, pool_exact, pool_bounds, pool_problems),
    "avg_pool": LayerOp(1, pool_exact, pool_bounds, pool_problems, ("weights",), ("weights",)),
    "reshape": LayerOp(1, _same_exact, _same_bounds, reshape_problems),
    "transpose": LayerOp(1, _same_exact, _same_bounds, transpose_problems),
}
