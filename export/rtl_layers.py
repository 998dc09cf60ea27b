"""The further layers in alkaid's algebra: convolutions, poolings, tables, piecewise activations.

Edges are flat arrays, as in contracts/window.py. Each pixel of a convolution is a product with the
same constant matrix, so alkaid finds its adders once; a table is a lookup of the input word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.network import Node
from naetrigger.contracts.spatial_ops import conv_taps, pool_taps, transpose_order

TABLE_BITS = 12  # of a table's input, as of a square's


def layer_logic(node: Node, sources: list[Node], values: list[Any]) -> Any:
    """The exact result of a node of layer_ops.py; InputError for an op without RTL."""
    if node.op not in _LOGIC:
        raise InputError(f"rtl: {node.name}: op '{node.op}' has no RTL")
    return _LOGIC[node.op](node, sources[0], values)


def layer_problems(node: Node, sources: list[Node]) -> list[str]:
    """What of a node has no RTL, a sentence each."""
    if node.op == "table" and sources[0].type.width > TABLE_BITS:
        return [
            f"{node.name}: a table of 2^{sources[0].type.width} entries has no RTL here (at most "
            f"2^{TABLE_BITS}); narrow {sources[0].name}"
        ]
    return []


def _reals(node: Node) -> Any:
    assert node.weights is not None
    assert node.weight_type is not None
    return node.weight_type.real(node.weights)


def _bias(node: Node) -> Any:
    if node.bias is None or node.bias_type is None:
        return 0.0
    return node.bias_type.real(node.bias)


def _array(values: list[Any], like: Any) -> Any:
    """Single values, or constants, side by side."""
    from alkaid.trace import FVArray
    from alkaid.trace.fixed_variable import FVariable

    variables = [
        value
        if isinstance(value, FVariable)
        else FVariable.from_const(float(value), hwconf=like.hwconf)
        for value in values
    ]
    return FVArray(np.array(variables, dtype=object), hwconf=like.hwconf)


def _conv(node: Node, source: Node, values: list[Any]) -> Any:
    x, taps, bias = values[0], conv_taps(node, source), _bias(node)
    weights = _reals(node).reshape(taps.shape[1], -1)
    outputs: list[Any] = []
    for pixel in taps:
        inside = pixel >= 0
        if node.cut is not None:
            assert node.weights is not None
            mantissas = node.weights.reshape(weights.shape)
            outputs.extend(cut_products(node, x[pixel[inside]], mantissas[inside]))
        elif inside.any():
            outputs.extend(matrix_product(x[pixel[inside]], weights[inside]) + bias)
        else:
            outputs.extend(np.broadcast_to(bias, weights.shape[1:]))
    return _array(outputs, x)


def matrix_product(x: Any, weights: Any) -> Any:
    """x @ weights, exact; x of shape (K,), weights (K, M).

    alkaid 0.8.2 takes every one-bit value for 0 or 1 in its tables of such, and asserts at 0 or -1;
    and it cannot multiply constants alone.
    """
    from alkaid.trace import FVArray

    varies = [value.low != value.high for value in x]
    if not np.any(weights[varies]):
        return _array(list(np.array([float(value.low) for value in x]) @ weights), x)
    options = dict(x.solver_options)
    if any(value.low < 0 and sum(value.kif) == 1 for value in x):
        options["binary_lut"] = False
    return FVArray(x, options, hwconf=x.hwconf) @ weights


def cut_products(node: Node, x: Any, mantissas: Any) -> Any:
    """Sums of products that are each cut to `node.cut` fraction bits, bias included."""
    assert node.weight_type is not None
    assert node.cut is not None
    weights, step = node.weight_type.real(mantissas), np.ldexp(1.0, -node.cut)
    bias = np.zeros(weights.shape[1])
    if node.bias is not None and node.bias_type is not None:
        bias = np.floor(node.bias_type.real(node.bias) / step) * step
    outputs = []
    for column, offset in zip(weights.T, bias, strict=True):
        total: Any = float(offset)
        for value, weight in zip(x, column, strict=True):
            product = value * float(weight)
            total = total + (_cut(product, node.cut) if weight else 0.0)
        outputs.append(total)
    return _array(outputs, x)


def _cut(value: Any, fraction: int) -> Any:
    """A value without what lies below `fraction` bits."""
    if value.low == value.high:
        return float(np.ldexp(np.floor(np.ldexp(float(value.low), fraction)), -fraction))
    keep, integer, bits = (int(part) for part in value.kif)
    integer = max(integer, -fraction)  # the sign remains of what lies below the last bit
    return value.quantize(keep, integer, min(bits, fraction), "WRAP", "TRN")


def _max_pool(node: Node, source: Node, values: list[Any]) -> Any:
    x = values[0]
    return _array([np.max(x[place[place >= 0]]) for place in pool_taps(node, source)], x)


def _avg_pool(node: Node, source: Node, values: list[Any]) -> Any:
    x, (constant,) = values[0], _reals(node)
    taps = pool_taps(node, source)
    return _array([np.sum(x[place[place >= 0]]) for place in taps], x) * constant


def _scale(node: Node, source: Node, values: list[Any]) -> Any:
    pixels = node.size // node.dims[-1]
    bias = np.broadcast_to(_bias(node), node.dims[-1:])
    return values[0] * np.tile(_reals(node), pixels) + np.tile(bias, pixels)


def _prelu(node: Node, source: Node, values: list[Any]) -> Any:
    x, slopes = values[0], np.resize(_reals(node), node.size)  # repeats channels, or the one
    return _array([a.relu() - (-a).relu() * float(w) for a, w in zip(x, slopes, strict=True)], x)


def _clip(node: Node, source: Node, values: list[Any]) -> Any:
    low, high = _reals(node)
    return np.clip(values[0], low, high)


def _table(node: Node, source: Node, values: list[Any]) -> Any:
    entries, kind = _reals(node), source.type

    def looked_up(x: Any) -> Any:
        return entries[np.rint(np.ldexp(x, kind.fraction)).astype(np.int64) - kind.min_mantissa]

    x = values[0]
    made = []
    for value in x:
        if value.low == value.high:
            made.append(float(looked_up(np.float64(value.low))))
        else:
            made.append(_array([value], x).apply(looked_up).quantize()[0])
    return _array(made, x)


def _moved(node: Node, source: Node, values: list[Any]) -> Any:
    order = transpose_order(node, source)
    return values[0] if order is None else values[0][order]


_LOGIC: dict[str, Callable[[Node, Node, list[Any]], Any]] = {
    "add": lambda node, source, values: values[0] + values[1],
    "conv": _conv,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "scale": _scale,
    "prelu": _prelu,
    "clip": _clip,
    "table": _table,
    "reshape": _moved,
    "transpose": _moved,
}
