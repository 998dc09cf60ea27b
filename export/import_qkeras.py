"""A QKeras model file (.h5) as a FixedPointNetwork, read without Keras: nothing in it is run.

    read_qkeras(path, input_type, score)

The configuration is JSON and the weights are arrays; Lambda layers and custom objects are refused
by name. QKeras computes in float32: where the network needs more than 24 bits, its own outputs
are rounded and ours are exact.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Floats, Overflow, Rounding
from naetrigger.contracts.hdf5 import require_contained
from naetrigger.contracts.window import Window, same_padding
from naetrigger.export.import_draft import Constants, Draft, ImportedModel, exact_constants, on_grid
from naetrigger.export.import_quantizers import Quantizer, format_of, read_quantizer
from naetrigger.export.import_score import finished

Config = dict[str, Any]
SKIPPED = ("Dropout", "ActivityRegularization", "GaussianNoise", "SpatialDropout1D")
_UNREADABLE = (
    *(OSError, KeyError, TypeError, ValueError, AttributeError, IndexError),
    *(RecursionError, OverflowError, StopIteration),
)


def read_qkeras(
    path: Path, input_type: Fixed | None = None, score: str | None = None
) -> ImportedModel:
    """The model in `path`.

    input_type : the format of its inputs; None: the quantizer that its first layer is
    score : see import_score.add_score

    Raises InputError for a file that is none, a layer that is not supported, a width that does not
    fit, or a scale that is no power of two; each by the layer's name.
    """
    try:
        with h5py.File(path, "r") as file:
            require_contained(file, path)
            text = file.attrs["model_config"]
            model = json.loads(text.decode() if isinstance(text, bytes) else text)
            layers = [_Layer(entry) for entry in model["config"]["layers"]]
            weights = {layer.name: _weights(file, layer.name) for layer in layers}
            ends = model["config"].get("output_layers")
    except _UNREADABLE as error:
        raise InputError(f"{path}: is no Keras model in HDF5 ({error})") from error
    try:
        return _Reader(path, layers, weights, input_type).read(ends, score)
    except _UNREADABLE as error:
        raise InputError(f"{path}: is damaged, or written by another Keras ({error!r})") from error


class _Layer:
    """One layer as the file describes it."""

    def __init__(self, entry: Config) -> None:
        self.kind = str(entry["class_name"])
        self.config: Config = dict(entry["config"])
        self.name = str(entry.get("name") or self.config["name"])
        nodes = entry.get("inbound_nodes")
        if nodes and len(nodes) > 1:
            raise InputError(f"layer {self.name}: is used {len(nodes)} times; once is supported")
        self.inputs = None if nodes is None else [str(i[0]) for i in (nodes[0] if nodes else [])]


def _weights(file: h5py.File, layer: str) -> dict[str, Floats]:
    """Arrays of a layer by the last part of their names: kernel, bias, gamma ..."""
    group = file["model_weights"].get(layer)
    found: dict[str, Floats] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name.rsplit("/", 1)[-1].split(":")[0]] = np.asarray(item[...], dtype=np.float64)

    if isinstance(group, h5py.Group):
        group.visititems(visit)
    return found


class _Reader:
    """Goes through the layers once; `edges` holds the node that each layer's output is."""

    def __init__(
        self,
        path: Path,
        layers: list[_Layer],
        weights: dict[str, dict[str, Floats]],
        input_type: Fixed | None,
    ) -> None:
        self.path, self.layers, self.weights = path, layers, weights
        self.input_type = input_type
        self.draft = Draft(str(path))
        self.edges: dict[str, str] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}  # of sequences, which are images here

    def read(self, ends: Any, score: str | None) -> ImportedModel:
        previous = None
        for layer in self.layers:
            sources = layer.inputs if layer.inputs is not None else [previous] if previous else []
            self._layer(layer, [str(source) for source in sources])
            previous = layer.name
        last = str(ends[0][0]) if ends else str(previous)
        if ends and len(ends) > 1:
            raise InputError(f"{self.path}: has {len(ends)} outputs; one is supported")
        return finished(self.draft, self.edges[last], score, {"source": "qkeras"})

    def _layer(self, layer: _Layer, sources: list[str]) -> None:
        if layer.kind == "InputLayer" or not self.draft.nodes:
            self._input(layer)
            if layer.kind == "InputLayer":
                return
        inputs = [self.edges[name] for name in sources] or ["x"]
        if layer.kind in SKIPPED:
            self.edges[layer.name] = inputs[0]
            return
        if layer.kind not in LAYERS:
            raise self.draft.refuse(
                layer.name,
                f"layer '{layer.kind}' is not supported; supported are {', '.join(sorted(LAYERS))}",
            )
        x = LAYERS[layer.kind](self, layer, inputs)
        self.edges[layer.name] = self._activated(layer, x)

    def _input(self, layer: _Layer) -> None:
        """The input's shape, and its format: the option's, or that of the first quantizer."""
        shape = layer.config.get("batch_input_shape") or layer.config.get("batch_shape")
        if shape is None or None in shape[1:]:
            raise self.draft.refuse(layer.name, f"the input's shape is not fixed: {shape}")
        dims = tuple(int(n) for n in shape[1:])
        kind = self.input_type
        if kind is None:
            first = next((other for other in self.layers if other.kind != "InputLayer"), layer)
            quantizer = first.config.get("activation") if first.kind == "QActivation" else None
            if quantizer is None:
                raise InputError(
                    f"{self.path}: its inputs have no format, for its first layer is no "
                    "QActivation; say --input-type 'fixed<W,I,RND_CONV,SAT>'"
                )
            kind = format_of(read_quantizer(quantizer, first.name), f"{self.path}: {first.name}")
        image = (1, *dims) if len(dims) == 2 else dims
        self.edges[layer.name] = self.draft.input(image, kind)

    def _quantizer(self, layer: _Layer, key: str) -> Quantizer | None:
        return read_quantizer(layer.config.get(key), f"{self.path}: {layer.name}: {key}")

    def constants(self, layer: _Layer, name: str, values: Floats | None = None) -> Constants | None:
        """Quantized kernel or bias, from the layer's own floats."""
        if name == "bias" and not layer.config.get("use_bias", True):
            return None
        values = self.weights[layer.name][name] if values is None else values
        where = f"{self.path}: {layer.name}: {name}"
        quantizer = self._quantizer(layer, f"{name}_quantizer")
        if quantizer is None:
            return exact_constants(values, where)
        kind = format_of(quantizer, where, constants=True)
        return on_grid(kind.quantize(values), kind, where)

    def folded(self, layer: _Layer) -> tuple[Constants | None, Constants | None]:
        """Kernel and bias of a layer with its batch norm in it, as QKeras folds them (float32)."""
        of = {k: v.astype(np.float32) for k, v in self.weights[layer.name].items()}
        epsilon = np.float32(layer.config.get("epsilon", 1e-3))
        factor = np.float32(1) / np.sqrt(of["moving_variance"] + epsilon)
        factor = factor * of["gamma"] if "gamma" in of else factor
        bias = factor * (of.get("bias", np.float32(0)) - of["moving_mean"])
        bias = bias + of["beta"] if "beta" in of else bias
        kernel = self.constants(layer, "kernel", (of["kernel"] * factor).astype(np.float64))
        quantizer = self._quantizer(layer, "bias_quantizer")
        where = f"{self.path}: {layer.name}: bias_quantizer"
        kind = format_of(quantizer, where, constants=True)
        values = kind.quantize(bias.astype(np.float64))
        return kernel, on_grid(values, kind, f"{self.path}: {layer.name}: bias")

    def _activated(self, layer: _Layer, x: str) -> str:
        """x behind the layer's `activation`."""
        quantizer = self._quantizer(layer, "activation")
        if quantizer is None or quantizer[0] == "linear":
            return x
        name, config = quantizer
        label = layer.name if "Activation" in layer.kind else f"{layer.name}_{name}"
        where = f"{self.path}: {layer.name}"
        if name in ("relu", "quantized_relu"):
            kind = format_of(quantizer, where) if name == "quantized_relu" else None
            return self.draft.add(label, "relu", [x], None, kind)
        if name == "quantized_bits":
            kind = format_of(quantizer, where)
            same = x == "x" and kind == self.draft["x"].type
            return x if same else self.draft.add(label, "cast", [x], None, kind)
        if name in ("quantized_tanh", "quantized_sigmoid"):
            return self._sigmoid(layer, label, name, config, x)
        raise self.draft.refuse(
            layer.name,
            f"activation '{name}' is not supported; supported are linear, relu, quantized_bits, "
            "quantized_relu, quantized_tanh, quantized_sigmoid",
        )

    def _sigmoid(self, layer: _Layer, label: str, name: str, config: Config, x: str) -> str:
        """QKeras' default is the hard form, a straight line between its ends; else a table."""
        if config.get("use_stochastic_rounding"):
            raise self.draft.refuse(layer.name, f"{name} rounds at random")
        bits, symmetric = int(config.get("bits", 8)), bool(config.get("symmetric"))
        tanh = name == "quantized_tanh"
        if symmetric and not tanh:
            raise self.draft.refuse(layer.name, "a symmetric quantized_sigmoid is not supported")
        overflow = Overflow.SAT_SYM if symmetric else Overflow.SAT
        kind = Fixed(tanh, bits, int(tanh), Rounding.RND_CONV, overflow)
        if config.get("use_real_tanh") or config.get("use_real_sigmoid"):
            function = _tanh if tanh else _sigmoid
            return self.draft.table(label, x, function, kind)
        if tanh:  # 2 clip(x / 2 + 1 / 2, 0, 1) - 1 = clip(x, -1, 1), which the format is
            return self.draft.add(label, "cast", [x], None, kind)
        half = exact_constants(np.full(self.draft[x].dims[-1], 0.5), layer.name)
        line = self.draft.add(f"{label}_line", "scale", [x], None, None, half, half)
        return self.draft.add(label, "cast", [line], None, kind)

    def window(self, layer: _Layer, x: str, size: Any, strides: Any) -> Window:
        """A window of Keras' settings; of sequences, one row."""
        config = layer.config
        dilation = config.get("dilation_rate", 1)
        if any(d != 1 for d in (dilation if isinstance(dilation, list | tuple) else [dilation])):
            raise self.draft.refuse(layer.name, f"dilation {dilation} is not supported")
        if config.get("groups", 1) != 1:
            raise self.draft.refuse(layer.name, "grouped convolutions are not supported")
        if config.get("data_format", "channels_last") != "channels_last":
            raise self.draft.refuse(layer.name, "data_format must be channels_last")
        (kh, kw), (sh, sw) = (_pair(value) for value in (size, strides or size))
        height, width, _ = self.draft[x].dims
        padding = (0, 0, 0, 0)
        if config.get("padding") == "same":
            padding = same_padding((kh, kw), (sh, sw), height, width)
        elif config.get("padding") not in ("valid", None):
            raise self.draft.refuse(layer.name, f"padding '{config['padding']}' is not supported")
        return Window((kh, kw), (sh, sw), padding)


def _pair(value: Any) -> tuple[int, int]:
    values = [int(v) for v in (value if isinstance(value, list | tuple) else [value])]
    return (1, values[0]) if len(values) == 1 else (values[0], values[1])


def _tanh(x: Floats) -> Floats:
    return np.tanh(x.astype(np.float32)).astype(np.float64)


def _sigmoid(x: Floats) -> Floats:
    return (1 / (1 + np.exp(-x.astype(np.float32)))).astype(np.float64)


def _dense(reader: _Reader, layer: _Layer, inputs: list[str]) -> str:
    kernel, bias = reader.constants(layer, "kernel"), reader.constants(layer, "bias")
    assert kernel is not None
    if len(reader.draft[inputs[0]].dims) > 1:
        raise reader.draft.refuse(layer.name, "dense on an image works on channels; flatten first")
    return reader.draft.dense(layer.name, inputs[0], kernel, bias)


def _conv(reader: _Reader, layer: _Layer, inputs: list[str]) -> str:
    window = reader.window(layer, inputs[0], layer.config["kernel_size"], layer.config["strides"])
    kernel, bias = (
        reader.folded(layer)
        if "Batchnorm" in layer.kind
        else (reader.constants(layer, "kernel"), reader.constants(layer, "bias"))
    )
    assert kernel is not None
    shape = kernel.mantissas.shape
    if len(shape) == 3:
        kernel = Constants(kernel.mantissas.reshape(1, *shape), kernel.type)
    return reader.draft.conv(layer.name, inputs[0], window, kernel, bias)


def _pool(reader: _Reader, layer: _Layer, inputs: list[str]) -> str:
    (x,) = inputs
    if layer.kind.startswith("Global"):
        height, width, _ = reader.draft[x].dims
        window = Window((height, width))
    else:
        window = reader.window(layer, x, layer.config["pool_size"], layer.config["strides"])
    if "Max" in layer.kind:
        x = reader.draft.max_pool(layer.name, x, window)
    else:
        if any(window.padding):
            raise reader.draft.refuse(layer.name, "a padded mean divides by what it sees; no pad")
        x = reader.draft.avg_pool(layer.name, x, window)
    if layer.kind.startswith("Global") and not layer.config.get("keepdims"):
        x = reader.draft.flat(x)
    return x


def _batch_norm(reader: _Reader, layer: _Layer, inputs: list[str]) -> str:
    """Scale and offset by channel, if they are on a grid; else only a folded layer is exact."""
    of = reader.weights[layer.name]
    factor = 1 / np.sqrt(of["moving_variance"] + layer.config.get("epsilon", 1e-3))
    factor = factor * of.get("gamma", 1.0)
    offset = of.get("beta", 0.0) - of["moving_mean"] * factor
    where = f"{reader.path}: {layer.name}: batch norm"
    scale, shift = exact_constants(factor, where), exact_constants(offset, where)
    return reader.draft.add(layer.name, "scale", inputs, None, None, scale, shift)


def _reshape(reader: _Reader, layer: _Layer, inputs: list[str]) -> str:
    (x,) = inputs
    if layer.kind == "Flatten":
        return reader.draft.flat(x)
    size = reader.draft[x].size
    shape = [int(n) for n in layer.config["target_shape"]]
    known = int(np.prod([n for n in shape if n != -1]))
    dims = tuple(size // known if n == -1 else n for n in shape)
    return reader.draft.reshape(layer.name, x, (1, *dims) if len(dims) == 2 else dims)


def _leaky(reader: _Reader, layer: _Layer, inputs: list[str]) -> str:
    slope: Any = layer.config.get("alpha", layer.config.get("negative_slope", 0.3))
    if layer.kind == "PReLU":
        slopes = reader.weights[layer.name]["alpha"]
        channels = reader.draft[inputs[0]].dims[-1]
        if slopes.size != channels:
            raise reader.draft.refuse(layer.name, "slopes of a PReLU must be shared by pixels")
        slope = slopes.ravel()
    slope = np.atleast_1d(slope)
    constants = exact_constants(slope, f"{reader.path}: {layer.name}: slope")
    return reader.draft.add(layer.name, "prelu", inputs, None, None, constants)


def _merge(op: str) -> Callable[[_Reader, _Layer, list[str]], str]:
    def merged(reader: _Reader, layer: _Layer, inputs: list[str]) -> str:
        if len(inputs) != 2:
            raise reader.draft.refuse(layer.name, f"{layer.kind} of {len(inputs)}; 2 are supported")
        if op == "square":
            if inputs[0] != inputs[1]:
                raise reader.draft.refuse(layer.name, "a product of two different edges")
            return reader.draft.add(layer.name, "square", inputs[:1])
        return reader.draft.add(layer.name, op, inputs)

    return merged


def _through(reader: _Reader, layer: _Layer, inputs: list[str]) -> str:
    """Its activation is all it does."""
    return inputs[0]


def _relu(reader: _Reader, layer: _Layer, inputs: list[str]) -> str:
    config = layer.config
    if (
        config.get("max_value") is not None
        or config.get("threshold")
        or config.get("negative_slope")
    ):
        raise reader.draft.refuse(layer.name, "ReLU with max_value, threshold or negative_slope")
    return reader.draft.add(layer.name, "relu", inputs)


LAYERS: dict[str, Callable[[_Reader, _Layer, list[str]], str]] = {
    "Activation": _through,
    "Add": _merge("add"),
    "AveragePooling1D": _pool,
    "AveragePooling2D": _pool,
    "BatchNormalization": _batch_norm,
    "Conv1D": _conv,
    "Conv2D": _conv,
    "Dense": _dense,
    "Flatten": _reshape,
    "GlobalAveragePooling1D": _pool,
    "GlobalAveragePooling2D": _pool,
    "GlobalMaxPooling1D": _pool,
    "GlobalMaxPooling2D": _pool,
    "LeakyReLU": _leaky,
    "MaxPooling1D": _pool,
    "MaxPooling2D": _pool,
    "Multiply": _merge("square"),
    "PReLU": _leaky,
    "QActivation": _through,
    "QConv1D": _conv,
    "QConv2D": _conv,
    "QConv2DBatchnorm": _conv,
    "QDense": _dense,
    "ReLU": _relu,
    "Reshape": _reshape,
    "Subtract": _merge("sub"),
}
