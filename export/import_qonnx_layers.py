"""The operators of a QONNX graph as nodes of a draft; import_qonnx.py goes through the graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from naetrigger.contracts.fixed_point import Floats
from naetrigger.contracts.window import Window

if TYPE_CHECKING:
    from naetrigger.export.import_qonnx import OnnxReader


def _attributes(node: Any) -> dict[str, Any]:
    from onnx import helper

    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def _matmul(reader: OnnxReader, node: Any, name: str) -> str:
    given = _attributes(node)
    weights = reader.constant(node, 1)
    if node.op_type == "Gemm":
        if (given.get("alpha", 1.0), given.get("beta", 1.0)) != (1.0, 1.0) or given.get("transA"):
            raise reader.draft.refuse(name, "Gemm with alpha, beta or transA")
        weights = weights.T if given.get("transB") else weights
    if weights.ndim != 2:
        raise reader.draft.refuse(name, f"weights must have 2 dimensions, got {weights.shape}")
    bias = None
    if len(node.input) > 2:
        bias = reader.grid(reader.constant(node, 2).ravel(), node, "bias")
    x = _vector(reader, reader.edge(node, 0), name)
    return reader.draft.dense(name, x, reader.grid(weights, node, "weights"), bias)


def _vector(reader: OnnxReader, x: str, name: str) -> str:
    if len(reader.draft[x].dims) > 1:
        raise reader.draft.refuse(name, "a product with an image; flatten it first")
    return x


def _conv(reader: OnnxReader, node: Any, name: str) -> str:
    weights = reader.constant(node, 1)
    if _attributes(node).get("group", 1) != 1:
        raise reader.draft.refuse(name, "grouped convolutions are not supported")
    weights = weights[:, :, None] if weights.ndim == 3 else weights
    window = _window(reader, node, name, weights.shape[2:])
    bias = None
    if len(node.input) > 2 and node.input[2]:
        bias = reader.grid(reader.constant(node, 2), node, "bias")
    kernel = reader.grid(weights.transpose(2, 3, 1, 0), node, "weights")
    return reader.draft.conv(name, reader.edge(node, 0), window, kernel, bias)


def _window(reader: OnnxReader, node: Any, name: str, size: Any = None) -> Window:
    """The window of a convolution or a pooling; of sequences, one row."""
    given = _attributes(node)
    if any(d != 1 for d in given.get("dilations", [1])):
        raise reader.draft.refuse(name, f"dilations {given['dilations']} are not supported")
    if given.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise reader.draft.refuse(name, "auto_pad is not supported; give pads")
    if given.get("ceil_mode"):
        raise reader.draft.refuse(name, "ceil_mode is not supported")
    kernel = list(size if size is not None else given["kernel_shape"])
    strides = list(given.get("strides", [1] * len(kernel)))
    pads = list(given.get("pads", [0] * 2 * len(strides)))
    kernel, strides = ([1, *v] if len(v) == 1 else v for v in (kernel, strides))
    pads = [0, pads[0], 0, pads[1]] if len(pads) == 2 else pads
    top, left, bottom, right = (int(p) for p in pads)
    return Window((kernel[0], kernel[1]), (strides[0], strides[1]), (top, left, bottom, right))


def _pool(reader: OnnxReader, node: Any, name: str) -> str:
    x = reader.edge(node, 0)
    if node.op_type.startswith("Global"):
        height, width, _ = reader.draft[x].dims
        window = Window((height, width))
    else:
        window = _window(reader, node, name)
    if "Max" in node.op_type:
        return reader.draft.max_pool(name, x, window)
    if any(window.padding) and not _attributes(node).get("count_include_pad"):
        raise reader.draft.refuse(name, "a padded mean that does not count its padding")
    return reader.draft.avg_pool(name, x, window)


def _channels(reader: OnnxReader, values: Floats, x: str, name: str) -> Floats:
    """Constants that a tensor meets, one a channel."""
    dims = reader.draft[x].dims
    if values.size == 1:
        return np.full(dims[-1], float(values.ravel()[0]))
    # counted from the end: behind an image's channels stand two axes, behind a sequence's one
    axes = [axis - values.ndim for axis, n in enumerate(values.shape) if n != 1]
    behind = (-1,) if len(dims) == 1 else (-3, -2) if dims[0] == 1 else (-3,)
    if values.size != dims[-1] or len(axes) != 1 or axes[0] not in behind:
        raise reader.draft.refuse(name, f"constants of shape {values.shape} are not by channel")
    return values.ravel()


def _sum(reader: OnnxReader, node: Any, name: str) -> str:
    """Of two edges; or a bias, which goes into the product before it where that is possible."""
    draft, negative = reader.draft, node.op_type == "Sub"
    constant = [i for i in (0, 1) if node.input[i] in reader.constants]
    if not constant:
        return draft.add(name, "sub" if negative else "add", [reader.edge(node, i) for i in (0, 1)])
    if negative and constant == [0]:
        raise draft.refuse(name, "a constant minus an edge")
    x = reader.edge(node, 1 - constant[0])
    values = _channels(reader, reader.constant(node, constant[0]), x, name)
    bias = reader.grid(-values if negative else values, node, "bias")
    names = list(reader.edges.values()).count(x)  # an Identity gives an edge a second name
    alone = reader.uses[node.input[1 - constant[0]]] == names == 1
    if alone and draft.take_bias(x, bias):
        return x
    ones = reader.grid(np.ones(draft[x].dims[-1]), node, "ones")
    return draft.add(name, "scale", [x], None, None, ones, bias)


def _product(reader: OnnxReader, node: Any, name: str) -> str:
    draft, divided = reader.draft, node.op_type == "Div"
    constant = [i for i in (0, 1) if node.input[i] in reader.constants]
    if not constant:
        x, other = (reader.edge(node, i) for i in (0, 1))
        if x != other or divided:
            raise draft.refuse(name, f"a {node.op_type} of two edges; a square is supported")
        return draft.add(name, "square", [x])
    if divided and constant == [0]:
        raise draft.refuse(name, "a constant divided by an edge")
    x = reader.edge(node, 1 - constant[0])
    values = _channels(reader, reader.constant(node, constant[0]), x, name)
    factor = reader.grid(1 / values if divided else values, node, "factor")
    return draft.add(name, "scale", [x], None, None, factor)


def _batch_norm(reader: OnnxReader, node: Any, name: str) -> str:
    gamma, beta, mean, variance = (reader.constant(node, i) for i in range(1, 5))
    factor = gamma / np.sqrt(variance + _attributes(node).get("epsilon", 1e-5))
    scale = reader.grid(factor, node, "batch norm")
    offset = reader.grid(beta - mean * factor, node, "batch norm")
    return reader.draft.add(name, "scale", [reader.edge(node, 0)], None, None, scale, offset)


def _relu(reader: OnnxReader, node: Any, name: str) -> str:
    return reader.draft.add(name, "relu", [reader.edge(node, 0)])


def _slopes(reader: OnnxReader, node: Any, name: str) -> str:
    x = reader.edge(node, 0)
    if node.op_type == "LeakyRelu":
        slopes = np.array([_attributes(node).get("alpha", 0.01)])
    else:
        slopes = _channels(reader, reader.constant(node, 1), x, name)
    return reader.draft.add(name, "prelu", [x], None, None, reader.grid(slopes, node, "slope"))


def _ends(reader: OnnxReader, node: Any, name: str) -> str:
    ends = np.array([float(reader.constant(node, i).ravel()[0]) for i in (1, 2)])
    weights = reader.grid(ends, node, "ends")
    return reader.draft.add(name, "clip", [reader.edge(node, 0)], None, None, weights)


def _function(reader: OnnxReader, node: Any, name: str) -> None:
    """Waits for the Quant node behind it, with which it makes a table."""
    tanh = node.op_type == "Tanh"

    def in_float32(x: Floats) -> Floats:
        x = x.astype(np.float32)
        return np.asarray(np.tanh(x) if tanh else 1 / (1 + np.exp(-x)), dtype=np.float64)

    reader.pending[node.output[0]] = reader.edge(node, 0), in_float32


def _flatten(reader: OnnxReader, node: Any, name: str) -> str:
    """Channels come first in ONNX: they are moved to the front before an image is a vector."""
    draft, x = reader.draft, reader.edge(node, 0)
    dims = draft[x].dims
    if node.op_type == "Reshape":
        shape = [int(n) for n in reader.constant(node, 1).ravel()][1:]
        size = math.prod(dims)
        whole = [size] if len(shape) == 1 and shape[0] in (-1, size) else None
        if whole is None:
            raise draft.refuse(name, f"a reshape to {shape}; to a vector is supported")
    if len(dims) == 1:
        return x
    if dims[-1] > 1 and math.prod(dims[:-1]) > 1:
        x = draft.transpose(f"{name}_order", x, (2, 0, 1))
    return draft.flat(x)


LAYERS: Mapping[str, Callable[[OnnxReader, Any, str], str | None]] = {
    "Add": _sum,
    "AveragePool": _pool,
    "BatchNormalization": _batch_norm,
    "Clip": _ends,
    "Conv": _conv,
    "Div": _product,
    "Flatten": _flatten,
    "Gemm": _matmul,
    "GlobalAveragePool": _pool,
    "GlobalMaxPool": _pool,
    "LeakyRelu": _slopes,
    "MatMul": _matmul,
    "MaxPool": _pool,
    "Mul": _product,
    "PRelu": _slopes,
    "Relu": _relu,
    "Reshape": _flatten,
    "Sigmoid": _function,
    "Sub": _sum,
    "Tanh": _function,
}
