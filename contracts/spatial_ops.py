"""Convolutions, poolings and changes of shape: what layer_ops.py says of them, on flat edges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from naetrigger.contracts.fixed_point import Integers

if TYPE_CHECKING:
    from naetrigger.contracts.network import Node

Ends = tuple[list[int], list[int]]
FLOAT64_BITS = 53
LARGEST = 2**63 - 1
PATCHES = 2**22  # values of patches worked on at once


def conv_taps(node: Node, source: Node) -> Integers:
    """The inputs that each pixel of a convolution sees: (outputs, kh * kw * channels), -1: 0."""
    assert node.window is not None
    height, width, channels = source.dims
    pixels = node.window.pixels(height, width)
    taps = np.where(pixels[..., None] < 0, -1, pixels[..., None] * channels + np.arange(channels))
    return taps.reshape(len(pixels), -1)


def pool_taps(node: Node, source: Node) -> Integers:
    """The inputs that each output of a pooling sees: (outputs * channels, kh * kw), -1: padding."""
    assert node.window is not None
    height, width, channels = source.dims
    pixels = node.window.pixels(height, width)[:, None, :]
    taps = np.where(pixels < 0, -1, pixels * channels + np.arange(channels)[:, None])
    return taps.reshape(-1, taps.shape[-1])


def conv_exact(node: Node, sources: Sequence[Node], values: Sequence[Any]) -> tuple[Any, int]:
    assert node.weights is not None
    assert node.weight_type is not None
    x, taps = values[0], conv_taps(node, sources[0])
    weights = node.weights.reshape(taps.shape[1], -1)
    if node.cut is not None:
        return _cut_conv(node, x, taps, weights, sources[0].type.fraction), node.cut
    fraction = common = sources[0].type.fraction + node.weight_type.fraction
    bias = np.zeros(weights.shape[1], np.int64)
    if node.bias is not None and node.bias_type is not None:
        common = max(fraction, node.bias_type.fraction)
        bias = node.bias << (common - node.bias_type.fraction)
    result = np.empty((len(x), node.size), x.dtype)
    rows = max(PATCHES // taps.size, 1)
    for start in range(0, len(x), rows):
        block = _gathered(x[start : start + rows], taps)
        total = exact_product(block.reshape(-1, taps.shape[1]), weights)
        total = raised(total, common - fraction) + bias.astype(total.dtype)
        result[start : start + rows] = total.reshape(len(block), -1)
    return result, common


def _cut_conv(node: Node, x: Any, taps: Integers, weights: Integers, fraction: int) -> Any:
    assert node.weight_type is not None
    fraction += node.weight_type.fraction
    pixels = [cut_sum(_gathered(x, pixel[None])[:, 0], weights, node, fraction) for pixel in taps]
    return np.concatenate(pixels, axis=1)


def cut_sum(x: Any, weights: Integers, node: Node, fraction: int) -> Any:
    """The sum over x (N, K) times weights (K, M), each product and the bias cut to `node.cut`.

    fraction : of the products
    """
    assert node.cut is not None
    dtype = x.dtype
    largest = int(np.abs(x).max(initial=0)) * int(np.abs(weights).max(initial=0))
    if largest > LARGEST:  # before they are cut, products may be wider than any sum of them
        x = x.astype(object)
    total = np.zeros((len(x), weights.shape[1]), x.dtype)
    for column, row in zip(x.T, weights, strict=True):
        total += shifted(column[:, None] * row.astype(x.dtype), fraction - node.cut)
    if node.bias is not None and node.bias_type is not None:
        total += shifted(node.bias.astype(x.dtype), node.bias_type.fraction - node.cut)
    return total.astype(dtype)


def shifted(values: Any, drop: int) -> Any:
    """Integers without their last `drop` bits, or with so many more where that is negative."""
    return values >> drop if drop >= 0 else values << -drop


def raised(values: Any, bits: int) -> Any:
    """values * 2**bits, of what is proved to fit: zeros may be raised by any number of bits."""
    if bits == 0:
        return values
    if values.dtype == object:
        return values * 2**bits
    return np.ldexp(values, bits) if values.dtype.kind == "f" else values << bits


def exact_product(x: Any, weights: Integers) -> Any:
    """x @ weights in the dtype of x; integers by float BLAS where every partial sum is exact."""
    if x.dtype != np.int64:
        return x @ weights.astype(x.dtype)
    largest = int(np.abs(weights).sum(axis=0).max(initial=0)) * int(np.abs(x).max(initial=0))
    if largest < 2**FLOAT64_BITS:
        return (x.astype(np.float64) @ weights.astype(np.float64)).astype(np.int64)
    return x @ weights


def _gathered(x: Any, taps: Integers) -> Any:
    """x[:, taps], 0 where a tap is -1."""
    found = x[:, taps]
    if (taps < 0).any():
        found[:, taps < 0] = 0
    return found


def conv_bounds(
    node: Node, sources: Sequence[Node], ends: Sequence[Ends]
) -> tuple[Any, Any, int, Any]:
    """Each weight's sign picks an end of its input's range; partial sums may leave 0 either way."""
    assert node.weights is not None
    assert node.weight_type is not None
    taps = conv_taps(node, sources[0])
    weights = node.weights.reshape(taps.shape[1], -1).astype(object)
    up, down = np.maximum(weights, 0), np.minimum(weights, 0)
    low, high = (_gathered(np.array(end, dtype=object)[None], taps)[0] for end in ends[0])
    if node.cut is not None:
        return cut_bounds(node, low, high, weights, sources[0].type.fraction)
    fraction = common = sources[0].type.fraction + node.weight_type.fraction
    bias = np.zeros(weights.shape[1], dtype=object)
    if node.bias is not None and node.bias_type is not None:
        common = max(fraction, node.bias_type.fraction)
        bias = node.bias.astype(object) * 2 ** (common - node.bias_type.fraction)
    steps = 2 ** (common - fraction)
    below = (np.minimum(low, 0) @ up + np.maximum(high, 0) @ down) * steps + np.minimum(bias, 0)
    above = (np.maximum(high, 0) @ up + np.minimum(low, 0) @ down) * steps + np.maximum(bias, 0)
    return (
        (low @ up + high @ down) * steps + bias,
        (high @ up + low @ down) * steps + bias,
        common,
        (int(below.min()), int(above.max())),
    )


def cut_bounds(
    node: Node, low: Any, high: Any, weights: Any, fraction: int
) -> tuple[Any, Any, int, Any]:
    """Bounds of sums whose products are cut; low, high: (outputs, K), weights: (K, M), objects."""
    assert node.cut is not None
    assert node.weight_type is not None
    drop = fraction + node.weight_type.fraction - node.cut
    bias = np.zeros(weights.shape[1], dtype=object)
    if node.bias is not None and node.bias_type is not None:
        bias = shifted(node.bias.astype(object), node.bias_type.fraction - node.cut)
    lows, highs, least, most = [], [], 0, 0
    for a, b in zip(low, high, strict=True):
        ends = [shifted(end[:, None] * weights, drop) for end in (a, b)]
        bottom, top = np.minimum(*ends), np.maximum(*ends)
        lows.append(bottom.sum(axis=0) + bias)
        highs.append(top.sum(axis=0) + bias)
        least = min(least, *(np.minimum(bottom, 0).sum(axis=0) + np.minimum(bias, 0)))
        most = max(most, *(np.maximum(top, 0).sum(axis=0) + np.maximum(bias, 0)))
    return np.array(lows), np.array(highs), node.cut, (int(least), int(most))


def conv_problems(node: Node, sources: Sequence[Node]) -> list[str]:
    problems = _window_problems(node, sources[0])
    if problems or node.window is None or node.weights is None:
        return problems
    expected = (*node.window.size, sources[0].dims[-1], node.dims[-1])
    if node.weights.shape != expected:
        problems.append(f"weights must have shape {expected}, got {node.weights.shape}")
    if node.bias is not None and node.bias.shape != (node.dims[-1],):
        problems.append(f"bias must have shape ({node.dims[-1]},)")
    return problems


def pool_exact(node: Node, sources: Sequence[Node], values: Sequence[Any]) -> tuple[Any, int]:
    x, taps, fraction = values[0], pool_taps(node, sources[0]), sources[0].type.fraction
    if node.op == "max_pool":
        inside = np.take_along_axis(taps, (taps >= 0).argmax(axis=1)[:, None], axis=1)
        taps = np.where(taps < 0, inside, taps)  # the same value again changes no maximum
        result = x[:, taps[:, 0]]
        for place in taps.T[1:]:
            result = np.maximum(result, x[:, place])
        return result, fraction
    assert node.weights is not None
    assert node.weight_type is not None
    total = _gathered(x, taps[:, :1])[..., 0]
    for place in taps.T[1:]:
        total = total + _gathered(x, place[:, None])[..., 0]
    weight = node.weights.astype(total.dtype)[0]
    return total * weight, fraction + node.weight_type.fraction


def pool_bounds(
    node: Node, sources: Sequence[Node], ends: Sequence[Ends]
) -> tuple[Any, Any, int, Any]:
    low, high = (np.array(end, dtype=object)[None] for end in ends[0])
    (first, fraction), (second, _) = (pool_exact(node, sources, [end]) for end in (low, high))
    if node.op == "max_pool":
        return first, second, fraction, (0, 0)
    below, above = (
        pool_exact(node, sources, [end])[0] for end in (np.minimum(low, 0), np.maximum(high, 0))
    )
    partial = [int(end) for side in (below, above) for end in (side.min(), side.max())]
    lows, highs = np.minimum(first, second), np.maximum(first, second)
    return lows, highs, fraction, (min(partial), max(partial))


def pool_problems(node: Node, sources: Sequence[Node]) -> list[str]:
    problems = _window_problems(node, sources[0])
    if not problems and node.dims[-1] != sources[0].dims[-1]:
        problems.append(f"a pooling keeps the channels: {sources[0].dims[-1]}")
    if node.op == "avg_pool" and (node.weights is None or node.weights.shape != (1,)):
        problems.append("weights, the constant, must have shape (1,)")
    return problems


def _window_problems(node: Node, source: Node) -> list[str]:
    if len(source.dims) != 3 or len(node.dims) != 3:
        return [
            f"{node.op} goes from (height, width, channels) to such a shape, "
            f"not from {source.dims} to {node.dims}"
        ]
    if node.window is None:
        return [f"{node.op} needs a window"]
    problems = node.window.problems()
    if not problems and node.window.output(*source.dims[:2]) != node.dims[:2]:
        problems.append(
            f"its window makes {node.window.output(*source.dims[:2])} of {source.dims[:2]} "
            f"pixels, not {node.dims[:2]}"
        )
    return problems


def reshape_problems(node: Node, sources: Sequence[Node]) -> list[str]:
    if node.size != sources[0].size:
        return [f"size {node.size} does not fit its input's {sources[0].size}"]
    return _same_type(node, sources[0])


def transpose_problems(node: Node, sources: Sequence[Node]) -> list[str]:
    dims = sources[0].dims
    if sorted(node.axes) != list(range(len(dims))):
        return [f"axes must be an order of the {len(dims)} axes of its input: {node.axes}"]
    if node.dims != tuple(dims[axis] for axis in node.axes):
        return [f"its shape must be {tuple(dims[axis] for axis in node.axes)}, not {node.dims}"]
    return _same_type(node, sources[0])


def _same_type(node: Node, source: Node) -> list[str]:
    same = (node.type.signed, node.type.width, node.type.integer) == (
        source.type.signed,
        source.type.width,
        source.type.integer,
    )
    return [] if same else [f"{node.op} keeps the format {source.type}, not {node.type}"]


def transpose_order(node: Node, source: Node) -> Integers | None:
    """Which input stands at each place of a transpose's output; None for a reshape."""
    if not node.axes:
        return None
    places = np.arange(math.prod(source.dims)).reshape(source.dims)
    return places.transpose(node.axes).ravel()
