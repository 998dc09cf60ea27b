"""The functions of hls4ml's C++ as nodes of a draft; import_hls4ml.py reads the project."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from naetrigger.contracts.fixed_point import Fixed, Floats, Integers, Overflow, Rounding
from naetrigger.contracts.window import Window
from naetrigger.export.import_draft import Constants, fraction_used

if TYPE_CHECKING:
    from naetrigger.export.import_hls4ml import Call, ProjectReader

Made = tuple[str, str]  # (array, node)
PRODUCTS = ("product::mult", "product::weight_ternary")


def _result(reader: ProjectReader, call: Call, place: int) -> tuple[str, Fixed]:
    """The array that a call fills, its last argument that is no weight, and its format."""
    return call.arguments[place], reader.format(call.templates[place], call.name)


def _products(
    reader: ProjectReader, call: Call, x: str, shape: tuple[int, ...]
) -> tuple[Constants, Constants, int]:
    """Weights of a shape, biases, and the fraction bits of the finest product or bias."""
    product = reader.config(call).using.get("product", PRODUCTS[0])
    if product not in PRODUCTS:
        raise reader.draft.refuse(call.name, f"products by 'nnet::{product}' are not supported")
    weight_type, bias_type = (reader.own_format(call, f"{n}_t") for n in ("weight", "bias"))
    weights = reader.weights(call, call.arguments[2], weight_type)
    bias = reader.weights(call, call.arguments[3], bias_type)
    if weights.mantissas.size != np.prod(shape) or bias.mantissas.size != shape[-1]:
        raise reader.draft.refuse(
            call.name,
            f"has {weights.mantissas.size} weights and {bias.mantissas.size} biases; it needs "
            f"{np.prod(shape)} and {shape[-1]}",
        )
    finest = reader.draft[x].type.fraction + fraction_used(weights)
    finest = max(finest, fraction_used(bias) if bias.mantissas.any() else finest)
    return Constants(_ordered(reader, call, weights.mantissas, shape), weights.type), bias, finest


def _ordered(
    reader: ProjectReader, call: Call, weights: Integers, shape: tuple[int, ...]
) -> Integers:
    """Weights in their shape; the resource strategies store those of an output side by side."""
    strategy = reader.config(call).numbers.get("strategy", "nnet::latency")
    if "resource" in strategy:
        return np.moveaxis(weights.reshape(shape[-1], *shape[:-1]), 0, -1)
    return weights.reshape(shape)


def _dense(reader: ProjectReader, call: Call) -> Made:
    n_in, n_out = reader.number(call, "n_in"), reader.number(call, "n_out")
    x = reader.source_of(call, 0, (n_in,))
    weights, bias, finest = _products(reader, call, x, (n_in, n_out))
    output, kind = _result(reader, call, 1)
    total = reader.draft.dense(call.name, x, weights, bias, cut=reader.cut(call, finest))
    total = reader.accumulated(call, total)
    return output, reader.cast(f"{call.name}_result", total, kind)


def _conv(reader: ProjectReader, call: Call) -> Made:
    two = "2d" in call.function

    def number(name: str, of_one: int = 1) -> int:
        return reader.number(call, name, None if two else of_one)

    width = reader.number(call, "in_width")
    channels, filters = reader.number(call, "n_chan"), reader.number(call, "n_filt")
    size = (number("filt_height"), reader.number(call, "filt_width"))
    window = Window(
        size,
        (number("stride_height"), reader.number(call, "stride_width")),
        (
            number("pad_top", 0),
            reader.number(call, "pad_left"),
            number("pad_bottom", 0),
            reader.number(call, "pad_right"),
        ),
    )
    if any(reader.number(call, f"dilation_{axis}", 1) != 1 for axis in ("height", "width")):
        raise reader.draft.refuse(call.name, "dilation is not supported")
    x = reader.source_of(call, 0, (number("in_height"), width, channels))
    weights, bias, finest = _products(reader, call, x, (*size, channels, filters))
    output, kind = _result(reader, call, 1)
    cut = reader.cut(call, finest)
    total = reader.draft.conv(call.name, x, window, weights, bias, cut=cut)
    total = reader.accumulated(call, total)
    return output, reader.cast(f"{call.name}_result", total, kind)


def _pool(reader: ProjectReader, call: Call) -> Made:
    two, globally = "2d" in call.function, call.function.startswith("global")
    width = reader.number(call, "in_width" if two else "n_in")
    height = reader.number(call, "in_height") if two else 1
    size = (
        (height, width)
        if globally
        else (
            reader.number(call, "pool_height") if two else 1,
            reader.number(call, "pool_width"),
        )
    )
    pads = [reader.number(call, f"pad_{side}", 0) for side in ("top", "left", "bottom", "right")]
    stride = (
        size
        if globally
        else (
            reader.number(call, "stride_height") if two else 1,
            reader.number(call, "stride_width"),
        )
    )
    window = Window(size, stride, (pads[0], pads[1], pads[2], pads[3]))
    x = reader.source_of(call, 0, (height, width, reader.number(call, "n_filt")))
    output, kind = _result(reader, call, 1)
    if "Max" in reader.config(call).numbers.get("pool_op", ""):
        if any(pads) and not reader.draft[x].type.signed:
            raise reader.draft.refuse(call.name, "hls4ml pads unsigned maxima wrongly; no padding")
        made = reader.draft.max_pool(call.name, x, window)
    else:
        if any(pads):
            raise reader.draft.refuse(call.name, "a padded mean is not supported")
        made = reader.draft.avg_pool(call.name, x, window)
        accumulator = reader.own_format(call, "accum_t")
        if accumulator.fraction < reader.draft[made].type.fraction:
            raise reader.draft.refuse(call.name, f"accum_t {accumulator} cuts the mean")
    if "accum_t" in reader.config(call).types:
        made = reader.cast(f"{call.name}_accum", made, reader.own_format(call, "accum_t"))
    return output, reader.cast(f"{call.name}_result", made, kind)


def _simple(op: str) -> Callable[[ProjectReader, Call], Made]:
    """A function of one array: relu or linear."""

    def made(reader: ProjectReader, call: Call) -> Made:
        output, kind = _result(reader, call, 1)
        x = reader.source_of(call)
        if op == "cast":
            return output, reader.cast(call.name, x, kind)
        return output, reader.draft.add(call.name, op, [x], None, kind)

    return made


def _merge(op: str) -> Callable[[ProjectReader, Call], Made]:
    def made(reader: ProjectReader, call: Call) -> Made:
        output, kind = _result(reader, call, 2)
        first, second = reader.source_of(call, 0), reader.source_of(call, 1)
        if op == "square":
            if first != second:
                raise reader.draft.refuse(call.name, "a product of two different arrays")
            return output, reader.draft.add(call.name, op, [first], None, kind)
        return output, reader.draft.add(call.name, op, [first, second], None, kind)

    return made


def _leaky(reader: ProjectReader, call: Call) -> Made:
    """``leaky_relu<data_t, param_t, result_t, config>(data, alpha, result)``; prelu likewise."""
    x, kind = reader.source_of(call), reader.format(call.templates[1], call.name)
    if call.function == "prelu":
        slopes = reader.weights(call, call.arguments[1], kind)
        if len(reader.draft[x].dims) > 1:
            x = reader.draft.flat(x)
    else:
        try:
            value = float(call.arguments[1])
        except ValueError as error:
            raise reader.draft.refuse(call.name, f"slope '{call.arguments[1]}'") from error
        slopes = Constants(kind.mantissas([value]), kind)
    result = reader.format(call.templates[2], call.name)
    return call.arguments[2], reader.draft.add(call.name, "prelu", [x], None, result, slopes)


def _normalize(reader: ProjectReader, call: Call) -> Made:
    n_in, filters = reader.number(call, "n_in"), reader.number(call, "n_filt", -1)
    channels = n_in if filters == -1 else filters
    shape = (n_in,) if filters == -1 else (1, n_in // channels, channels)
    x = reader.source_of(call, 0, shape)
    scale, bias = (
        reader.weights(call, call.arguments[i], reader.own_format(call, f"{name}_t"))
        for i, name in ((2, "scale"), (3, "bias"))
    )
    output, kind = _result(reader, call, 1)
    return output, reader.draft.add(call.name, "scale", [x], None, kind, scale, bias)


def _transpose(reader: ProjectReader, call: Call) -> Made:
    name = call.templates[-1]
    shape, axes = (reader.arrays.get(f"{name}_{part}") for part in ("from_shape", "perm"))
    if shape is None or axes is None:
        raise reader.draft.refuse(call.name, f"'{name}_perm' is not in parameters.h")
    output, kind = _result(reader, call, 1)
    x = reader.draft.transpose(call.name, reader.source_of(call, 0, shape), axes)
    return output, reader.cast(f"{call.name}_result", x, kind)


def _table(reader: ProjectReader, call: Call) -> Made:
    """hls4ml's own index: the input times TABLE / range, cut towards 0, its ends kept."""
    size, reach = reader.number(call, "table_size"), 8 if call.function == "tanh" else 16
    if size & (size - 1) or size < 2 * reach:
        raise reader.draft.refuse(call.name, f"a table of {size} entries; a power of two is needed")
    bits = size.bit_length() - 1
    integer = reach.bit_length() - 1
    place = Fixed(True, bits, integer, Rounding.TRN_ZERO, Overflow.SAT)
    index = reader.draft.add(f"{call.name}_index", "cast", [reader.source_of(call)], None, place)
    entries = reader.own_format(call, "table_t")

    def function(x: Floats) -> Floats:
        return np.tanh(x) if reach == 8 else 1 / (1 + np.exp(-x))

    made = reader.draft.table(call.name, index, function, entries)
    output, kind = _result(reader, call, 1)
    return output, reader.cast(f"{call.name}_result", made, kind)


LAYERS: Mapping[str, Callable[[ProjectReader, Call], Made]] = {
    "add": _merge("add"),
    "conv_1d_cl": _conv,
    "conv_2d_cl": _conv,
    "dense": _dense,
    "global_pooling1d_cl": _pool,
    "global_pooling2d_cl": _pool,
    "leaky_relu": _leaky,
    "linear": _simple("cast"),
    "multiply": _merge("square"),
    "normalize": _normalize,
    "pointwise_conv_1d_cl": _conv,
    "pointwise_conv_2d_cl": _conv,
    "pooling1d_cl": _pool,
    "pooling2d_cl": _pool,
    "prelu": _leaky,
    "relu": _simple("relu"),
    "sigmoid": _table,
    "subtract": _merge("sub"),
    "tanh": _table,
    "transpose": _transpose,
}
