"""The further layers as entries of hls4ml's layer list, with their formats.

Convolutions, maxima, reshapes, transposes, sums of two edges, slopes and scales are layers of
hls4ml's own; an average is a convolution with one constant. Tables and ends are functions of ours
(hls_headers/nnet_naetrigger.h), registered with hls4ml for the back ends with ``ap_fixed``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Floats
from naetrigger.contracts.network import Bounds, Node
from naetrigger.export.hls_backends import BackendKind

AP_FIXED = ("Vitis", "Vivado", "VivadoAccelerator")
OWN = ("table", "clip")
HEADER = Path(__file__).parent / "hls_headers" / "nnet_naetrigger.h"
BIT = "fixed<2,2>"
Entry = dict[str, Any]


def layer_entry(node: Node, source: Node, layer: Entry) -> Entry:
    """A node of layer_ops.py as an entry of the layer list; `layer` has its name and inputs."""
    if node.op not in _ENTRIES:
        raise InputError(f"hls: {node.name}: op '{node.op}' has no HLS layer")
    return layer | _ENTRIES[node.op](node, source)


def layer_precision(node: Node, source: Node, bounds: Bounds) -> dict[str, str]:
    """Formats of a node beside its result's."""
    constants = _format(node.weight_type)
    match node.op:
        case "conv" | "avg_pool":
            bias = _format(node.bias_type)
            return {"accum": str(bounds.accumulator), "weight": constants, "bias": bias}
        case "max_pool":
            return {"accum": str(source.type)}
        case "scale":
            return {"scale": constants, "bias": _format(node.bias_type)}
        case "prelu":
            return {"param": constants, "table": str(node.type)}
        case "table" | "clip":
            return {"entries": constants}
        case _:
            return {}


def layer_problems(node: Node, sources: list[Node], kind: BackendKind, io: str) -> list[str]:
    """What of a node of layer_ops.py a back end has not, a sentence each."""
    if node.op not in _ENTRIES:
        return []
    if io != "io_parallel":
        return [f"{node.name}: '{node.op}' is written for io_parallel alone, not for {io}"]
    if kind.name not in AP_FIXED:
        return [
            f"{node.name}: '{node.op}' is written for {', '.join(AP_FIXED)} alone, not for "
            f"{kind.name}"
        ]
    padded = node.op == "max_pool" and node.window is not None and any(node.window.padding)
    if padded and not sources[0].type.signed:
        return [
            f"{node.name}: hls4ml pads the maximum of unsigned values with half their range; "
            "give its input a signed format"
        ]
    return []


def register_layers() -> None:
    """Tell hls4ml of our own layers, once."""
    from naetrigger.export.hls_own_layers import register

    register(AP_FIXED, HEADER)


def _format(kind: Fixed | None) -> str:
    return (
        BIT if kind is None else f"{'' if kind.signed else 'u'}fixed<{kind.width},{kind.integer}>"
    )


def _reals(node: Node) -> Floats:
    assert node.weights is not None
    assert node.weight_type is not None
    return node.weight_type.real(node.weights)


def _bias(node: Node) -> Floats | None:
    return None if node.bias is None or node.bias_type is None else node.bias_type.real(node.bias)


def _window(node: Node, source: Node) -> Entry:
    assert node.window is not None
    top, left, bottom, right = node.window.padding
    return {
        "data_format": "channels_last",
        "in_height": source.dims[0],
        "in_width": source.dims[1],
        "out_height": node.dims[0],
        "out_width": node.dims[1],
        "n_filt": node.dims[2],
        "stride_height": node.window.stride[0],
        "stride_width": node.window.stride[1],
        "pad_top": top,
        "pad_left": left,
        "pad_bottom": bottom,
        "pad_right": right,
        "padding": "same" if any(node.window.padding) else "valid",
    }


def _conv(node: Node, source: Node) -> Entry:
    assert node.window is not None
    return _window(node, source) | {
        "class_name": "Conv2D",
        "n_chan": source.dims[2],
        "filt_height": node.window.size[0],
        "filt_width": node.window.size[1],
        "weight_data": _reals(node),
        "use_bias": node.bias is not None,
        "bias_data": _bias(node),
    }


def _avg_pool(node: Node, source: Node) -> Entry:
    """Each channel's constant on its own diagonal; nothing is made of the zeros beside it."""
    assert node.window is not None
    diagonal = np.eye(source.dims[2]) * _reals(node)[0]
    return _conv(node, source) | {
        "weight_data": np.broadcast_to(diagonal, (*node.window.size, *diagonal.shape)).copy()
    }


def _max_pool(node: Node, source: Node) -> Entry:
    assert node.window is not None
    return _window(node, source) | {
        "class_name": "MaxPooling2D",
        "pool_height": node.window.size[0],
        "pool_width": node.window.size[1],
        "count_pad": False,
    }


def _scale(node: Node, source: Node) -> Entry:
    bias = _bias(node)
    return {
        "class_name": "ApplyAlpha",
        "n_in": source.size,
        "n_filt": node.dims[-1] if len(node.dims) > 1 else -1,
        "scale_data": _reals(node),
        "bias_data": np.zeros(node.dims[-1]) if bias is None else bias,
    }


def _prelu(node: Node, source: Node) -> Entry:
    return {
        "class_name": "PReLU",
        "activation": "prelu",
        "n_in": source.size,
        "param_data": np.resize(_reals(node), source.size),
    }


def _table(node: Node, source: Node) -> Entry:
    return {
        "class_name": "NaetriggerTable",
        "n_in": source.size,
        "first": source.type.min_mantissa,
        "entries_data": _reals(node),
    }


def _clip(node: Node, source: Node) -> Entry:
    return {"class_name": "NaetriggerClip", "n_in": source.size, "entries_data": _reals(node)}


_ENTRIES: dict[str, Callable[[Node, Node], Entry]] = {
    "add": lambda node, source: {"class_name": "Merge", "op": "add"},
    "conv": _conv,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "scale": _scale,
    "prelu": _prelu,
    "table": _table,
    "clip": _clip,
    "reshape": lambda node, source: {"class_name": "Reshape", "target_shape": list(node.dims)},
    "transpose": lambda node, source: {"class_name": "Transpose", "perm": list(node.axes)},
}
