"""Interval arithmetic over a network: what every exact result and every partial sum can be.

Bounds are integers of any size, so nothing overflows while it is proved that nothing does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import MAX_WIDTH, Fixed, fixed_for_range
from naetrigger.contracts.layer_ops import LAYER_OPS
from naetrigger.contracts.spatial_ops import cut_bounds

if TYPE_CHECKING:
    from naetrigger.contracts.network import FixedPointNetwork, Node


@dataclass(frozen=True)
class Bounds:
    """What interval arithmetic proves of one node, in mantissas before the cast.

    low, high : per value, the ends of the exact result
    fraction : fraction bits of the exact result
    accumulator : holds every partial sum, in any order
    may_saturate : the cast can meet a value beyond the edge's range
    float_bits : bits of mantissa a float needs to hold every intermediate exactly
    """

    low: tuple[int, ...]
    high: tuple[int, ...]
    fraction: int
    accumulator: Fixed
    may_saturate: bool
    float_bits: int


def bounds_of(
    node: Node, network: FixedPointNetwork, ranges: Mapping[str, tuple[list[int], list[int]]]
) -> Bounds:
    """Bounds of a node for the ranges (low, high) of the edges before it, as mantissas.

    Raises InputError where a partial sum needs more than 63 bits.
    """
    if node.op == "input":
        low, high = [node.type.min_mantissa] * node.size, [node.type.max_mantissa] * node.size
        return _checked(node, low, high, node.type.fraction, min(low), max(high))
    if node.op in LAYER_OPS:
        sources, ends = [network[n] for n in node.inputs], [ranges[n] for n in node.inputs]
        low, high, fraction, partial = LAYER_OPS[node.op].interval(node, sources, ends)
        return _checked(node, low, high, fraction, *partial)
    fractions = [network[name].type.fraction for name in node.inputs]
    low, high = ranges[node.inputs[0]]
    fraction = fractions[0]
    match node.op:
        case "dense" if node.cut is not None:
            assert node.weights is not None
            weights = node.weights.astype(object)
            bottom, top = (np.array([end], dtype=object) for end in (low, high))
            lows, highs, cut, (least, most) = cut_bounds(node, bottom, top, weights, fraction)
            return _checked(node, lows[0].tolist(), highs[0].tolist(), cut, least, most)
        case "dense" | "sum":
            return _weighted_bounds(node, low, high, fraction)
        case "relu":
            low, high = [max(v, 0) for v in low], [max(v, 0) for v in high]
        case "sub":
            fraction = max(fractions)
            other_low, other_high = ranges[node.inputs[1]]
            left, right = (fraction - f for f in fractions)
            low, high = (
                [(a << left) - (b << right) for a, b in zip(low, other_high, strict=True)],
                [(a << left) - (b << right) for a, b in zip(high, other_low, strict=True)],
            )
        case "square" | "abs":
            if node.op == "square":
                fraction *= 2
            sides = [
                sorted((a * a, b * b) if node.op == "square" else (abs(a), abs(b)))
                for a, b in zip(low, high, strict=True)
            ]
            crosses = [a <= 0 <= b for a, b in zip(low, high, strict=True)]
            low = [0 if c else e[0] for c, e in zip(crosses, sides, strict=True)]
            high = [e[1] for e in sides]
        case "above":
            assert node.weights is not None
            levels = node.weights.tolist()
            low, high = [int(low[0] >= t) for t in levels], [int(high[0] >= t) for t in levels]
            fraction = 0
        case _:  # cast
            pass
    return _checked(node, low, high, fraction, min(*low, 0), max(*high, 0))


def _weighted_bounds(node: Node, low: list[int], high: list[int], fraction: int) -> Bounds:
    """Bounds of x @ w + b, and of every partial sum of it in any order."""
    weights = node.weights if node.weights is not None else np.ones(len(low), np.int64)
    columns = weights.reshape(len(low), -1).T.tolist()
    weight_fraction = node.weight_type.fraction if node.weight_type else 0
    biases, bias_fraction = [0] * len(columns), fraction + weight_fraction
    if node.bias is not None:
        assert node.bias_type is not None
        biases, bias_fraction = node.bias.tolist(), node.bias_type.fraction
    common = max(fraction + weight_fraction, bias_fraction)
    up, bias_up = common - fraction - weight_fraction, common - bias_fraction
    lows, highs, partial_low, partial_high = [], [], 0, 0
    for column, bias in zip(columns, biases, strict=True):
        terms = [
            tuple(sorted((w * a << up, w * b << up)))
            for w, a, b in zip(column, low, high, strict=True)
        ]
        terms.append((bias << bias_up, bias << bias_up))
        lows.append(sum(t[0] for t in terms))
        highs.append(sum(t[1] for t in terms))
        partial_low = min(partial_low, sum(min(t[0], 0) for t in terms))
        partial_high = max(partial_high, sum(max(t[1], 0) for t in terms))
    return _checked(node, lows, highs, common, partial_low, partial_high)


def _checked(
    node: Node, low: list[int], high: list[int], fraction: int, partial_low: int, partial_high: int
) -> Bounds:
    try:
        accumulator = fixed_for_range(partial_low, partial_high, fraction)
    except ValueError as error:
        raise InputError(
            f"network: {node.name}: partial sums reach {partial_low} to {partial_high} * "
            f"2^-{fraction}, which needs more than {MAX_WIDTH} bits; narrow its weights or inputs"
        ) from error
    try:
        low_cast, high_cast = (
            node.type.saturates(np.array([end], dtype=np.int64), fraction)[0]
            for end in (min(low), max(high))
        )
    except OverflowError as error:
        raise InputError(f"network: {node.name}: {node.type}: {error}") from error
    float_bits = max(-partial_low, partial_high).bit_length()
    return Bounds(
        tuple(low), tuple(high), fraction, accumulator, bool(low_cast or high_cast), float_bits
    )
