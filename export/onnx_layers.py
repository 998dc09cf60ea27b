"""The further layers as ONNX operators, between flat tensors (N, size) as everywhere here.

A convolution or a pooling brings its input into ONNX' order (channels first) and its output back.
An average is a convolution of each channel with one constant; a table is a Gather of its entries by
the input's mantissa. Weights stand as the values they are, without Quant nodes of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Floats
from naetrigger.contracts.network import Node
from naetrigger.contracts.spatial_ops import transpose_order
from naetrigger.contracts.window import Shape
from naetrigger.export.onnx_graph import BATCH, GraphBuilder


def layer_tensor(graph: GraphBuilder, node: Node, source: Node, values: list[str]) -> str:
    """The exact result of a node of layer_ops.py, as tensor NAME_exact; or the input's own."""
    if node.op not in _TENSORS:
        raise InputError(f"onnx: {node.name}: op '{node.op}' has no ONNX form")
    return _TENSORS[node.op](graph, node, source, values)


def _reals(node: Node) -> Floats:
    assert node.weights is not None
    assert node.weight_type is not None
    return node.weight_type.real(node.weights)


def _step(
    graph: GraphBuilder, op: str, inputs: list[str], name: str, shape: Shape, **attributes: Any
) -> str:
    """A node within a layer, with an output of shape (N, *shape)."""
    from onnx import helper

    graph.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
    kind = attributes.get("to", graph.kind)
    graph.shapes[name] = helper.make_tensor_value_info(name, kind, [BATCH, *shape])
    return name


def _sliding(
    graph: GraphBuilder, node: Node, source: Node, x: str, op: str, others: list[str], **given: Any
) -> str:
    """An operator with a window on the image that x holds."""
    assert node.window is not None
    name = node.name
    dims, out = source.dims, node.dims
    shape = graph.constant(f"{name}_shape", [0, *dims], np.int64)
    image = _step(graph, "Reshape", [x, shape], f"{name}_image", dims)
    first = (dims[2], *dims[:2])
    image = _step(graph, "Transpose", [image], f"{name}_first", first, perm=[0, 3, 1, 2])
    made = _step(
        graph,
        op,
        [image, *others],
        f"{name}_{op.lower()}",
        (out[2], *out[:2]),
        kernel_shape=list(node.window.size),
        strides=list(node.window.stride),
        pads=list(node.window.padding),
        **given,
    )
    made = _step(graph, "Transpose", [made], f"{name}_last", out, perm=[0, 2, 3, 1])
    flat = graph.constant(f"{name}_flat", [0, node.size], np.int64)
    return graph.add("Reshape", [made, flat], f"{name}_exact", node.size)


def _conv(graph: GraphBuilder, node: Node, source: Node, values: list[str]) -> str:
    others = [graph.constant(f"{node.name}_weights", _reals(node).transpose(3, 2, 0, 1))]
    if node.bias is not None and node.bias_type is not None:
        others.append(graph.constant(f"{node.name}_bias", node.bias_type.real(node.bias)))
    return _sliding(graph, node, source, values[0], "Conv", others)


def _max_pool(graph: GraphBuilder, node: Node, source: Node, values: list[str]) -> str:
    return _sliding(graph, node, source, values[0], "MaxPool", [])


def _avg_pool(graph: GraphBuilder, node: Node, source: Node, values: list[str]) -> str:
    assert node.window is not None
    channels = source.dims[-1]
    weights = np.full((channels, 1, *node.window.size), _reals(node)[0])
    others = [graph.constant(f"{node.name}_weights", weights)]
    return _sliding(graph, node, source, values[0], "Conv", others, group=channels)


def _scale(graph: GraphBuilder, node: Node, source: Node, values: list[str]) -> str:
    name, pixels = node.name, node.size // node.dims[-1]
    factor = graph.constant(f"{name}_factor", np.tile(_reals(node), pixels))
    if node.bias is None or node.bias_type is None:
        return graph.add("Mul", [values[0], factor], f"{name}_exact", node.size)
    product = graph.add("Mul", [values[0], factor], f"{name}_product", node.size)
    bias = np.tile(node.bias_type.real(node.bias), pixels)
    minus = graph.constant(f"{name}_minus_bias", -bias)
    return graph.add("Sub", [product, minus], f"{name}_exact", node.size)


def _prelu(graph: GraphBuilder, node: Node, source: Node, values: list[str]) -> str:
    slopes = graph.constant(f"{node.name}_slopes", np.resize(_reals(node), node.size))
    return graph.add("PRelu", [values[0], slopes], f"{node.name}_exact", node.size)


def _clip(graph: GraphBuilder, node: Node, source: Node, values: list[str]) -> str:
    ends = [
        graph.constant(f"{node.name}_end_{i}", np.asarray(end))
        for i, end in enumerate(_reals(node))
    ]
    return graph.add("Clip", [values[0], *ends], f"{node.name}_exact", node.size)


def _table(graph: GraphBuilder, node: Node, source: Node, values: list[str]) -> str:
    name, kind = node.name, source.type
    inverse = graph.constant(f"{name}_steps", 1 / kind.lsb)
    first = graph.constant(f"{name}_first", float(kind.min_mantissa))
    entries = graph.constant(f"{name}_entries", _reals(node))
    shape = (node.size,)
    mantissa = _step(graph, "Mul", [values[0], inverse], f"{name}_mantissa", shape)
    place = _step(graph, "Sub", [mantissa, first], f"{name}_place", shape)
    integers = graph.element_kind(np.int64)
    index = _step(graph, "Cast", [place], f"{name}_index", shape, to=integers)
    return graph.add("Gather", [entries, index], f"{name}_exact", node.size)


def _add(graph: GraphBuilder, node: Node, source: Node, values: list[str]) -> str:
    return graph.add("Add", values, f"{node.name}_exact", node.size)


def _moved(graph: GraphBuilder, node: Node, source: Node, values: list[str]) -> str:
    order = transpose_order(node, source)
    if order is None:
        return values[0]
    places = graph.constant(f"{node.name}_order", order, np.int64)
    return graph.add("Gather", [values[0], places], f"{node.name}_exact", node.size, axis=1)


_TENSORS: dict[str, Callable[[GraphBuilder, Node, Node, list[str]], str]] = {
    "add": _add,
    "avg_pool": _avg_pool,
    "clip": _clip,
    "conv": _conv,
    "max_pool": _max_pool,
    "prelu": _prelu,
    "reshape": _moved,
    "scale": _scale,
    "table": _table,
    "transpose": _moved,
}
