"""A QONNX file, as Brevitas and qonnx write it, as a FixedPointNetwork.

    read_qonnx(path, input_type, score)

Images come as (channels, height, width) and stand here as (height, width, channels): words of an
image's input are in that order. Scales must be powers of two, for activations one scale a tensor.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Floats, Overflow, Rounding
from naetrigger.export.import_draft import Draft, ImportedModel, exact_constants, power_of_two
from naetrigger.export.import_qonnx_layers import LAYERS
from naetrigger.export.import_score import finished

ROUNDINGS = {
    "ROUND": Rounding.RND_CONV,
    "HALF_EVEN": Rounding.RND_CONV,
    "FLOOR": Rounding.TRN,
    "DOWN": Rounding.TRN_ZERO,
    "ROUND_TO_ZERO": Rounding.TRN_ZERO,
    "HALF_UP": Rounding.RND_INF,
    "HALF_DOWN": Rounding.RND_ZERO,
}
QUANTIZERS = ("Quant", "IntQuant")
_UNREADABLE = (
    *(OSError, ValueError, TypeError, KeyError, IndexError),
    *(OverflowError, AttributeError, MemoryError),
)
CHANNELS_FIRST = (2, 0, 1)  # how ONNX counts what is (height, width, channels) here
PASSED = ("Identity", "Dropout", "DebugMarker")


def read_qonnx(
    path: Path, input_type: Fixed | None = None, score: str | None = None
) -> ImportedModel:
    """The model in `path`; arguments and errors as of import_qkeras.read_qkeras."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load(str(path), load_external_data=False)
        if not model.graph.node or not model.graph.input:
            raise InputError(f"{path}: is no ONNX model: it has no nodes or no inputs")
        return OnnxReader(path, model.graph, input_type).read(score)
    except (*_UNREADABLE, DecodeError) as error:
        raise InputError(f"{path}: is no readable ONNX model ({error!r})") from error


class OnnxReader:
    """Goes through the graph once: constants are computed, the rest become nodes of a draft.

    edges : the draft's node of each tensor; constants : values of each constant tensor
    pending : tensors that are a function of an edge, and become a table when they are quantized
    """

    def __init__(self, path: Path, graph: Any, input_type: Fixed | None) -> None:
        from onnx import numpy_helper

        self.path, self.graph, self.input_type = path, graph, input_type
        outside = [t.name for t in graph.initializer if t.data_location == t.EXTERNAL]
        if outside:
            raise InputError(
                f"{path}: weights '{outside[0]}' lie in another file; save the model as one file"
            )
        self.draft = Draft(str(path))
        self.edges: dict[str, str] = {}
        self.pending: dict[str, tuple[str, Any]] = {}
        self.constants: dict[str, Floats] = {
            tensor.name: numpy_helper.to_array(tensor).astype(np.float64)
            for tensor in graph.initializer
        }
        self.uses: dict[str, int] = {}
        for node in graph.node:
            for name in node.input:
                self.uses[name] = self.uses.get(name, 0) + 1

    def read(self, score: str | None) -> ImportedModel:
        inputs = [value for value in self.graph.input if value.name not in self.constants]
        if len(inputs) != 1 or len(self.graph.output) != 1:
            raise InputError(
                f"{self.path}: has {len(inputs)} inputs and {len(self.graph.output)} outputs; one "
                "of each is supported"
            )
        self._input(inputs[0])
        for node in self.graph.node:
            self._node(node)
        last = self.graph.output[0].name
        if last not in self.edges:
            raise InputError(f"{self.path}: its output is not quantized, or constant")
        return finished(self.draft, self.edges[last], score, {"source": "qonnx"}, CHANNELS_FIRST)

    def _input(self, value: Any) -> None:
        """The input's shape, without the batch, and its format: of the Quant that takes it."""
        dims = [d.dim_value for d in value.type.tensor_type.shape.dim][1:]
        if not dims or 0 in dims or len(dims) > 3:
            raise InputError(f"{self.path}: input '{value.name}': its shape {dims} is not fixed")
        shape = {1: (dims[0],), 2: (1, dims[-1], dims[0]), 3: (*dims[1:], dims[0])}[len(dims)]
        kind = self.input_type
        if kind is None:
            takers = [node for node in self.graph.node if value.name in node.input]
            if len(takers) != 1 or takers[0].op_type not in QUANTIZERS:
                raise InputError(
                    f"{self.path}: its input is not quantized by the first node; say --input-type "
                    "'fixed<W,I,RND_CONV,SAT>'"
                )
            for node in self.graph.node:  # its parameters may be constants made by nodes
                if node.op_type == "Constant":
                    self._constant(node)
            kind = self.quantizer(takers[0])
        self.edges[value.name] = self.draft.input(shape, kind)

    def _node(self, node: Any) -> None:
        name = label(node)
        if node.op_type == "Constant":
            self._constant(node)
        elif node.op_type in PASSED:
            self._pass(node)
        elif node.op_type in QUANTIZERS:
            self._quantize(node, name)
        elif node.op_type == "Transpose" and node.input[0] in self.constants:
            values = self.constants[node.input[0]]
            self.constants[node.output[0]] = values.transpose(attributes(node).get("perm"))
        elif node.op_type in LAYERS:
            made = LAYERS[node.op_type](self, node, name)
            if made is not None:
                self.edges[node.output[0]] = made
        else:
            known = ", ".join(sorted({*LAYERS, "Quant", "Constant", *PASSED}))
            raise self.draft.refuse(
                name, f"operator '{node.op_type}' is not supported; supported are {known}"
            )

    def _constant(self, node: Any) -> None:
        from onnx import numpy_helper

        value = attributes(node).get("value")
        if value is None:
            raise self.draft.refuse(label(node), "a Constant without a tensor")
        self.constants[node.output[0]] = numpy_helper.to_array(value).astype(np.float64)

    def _pass(self, node: Any) -> None:
        kinds: tuple[dict[str, Any], ...] = (self.edges, self.constants, self.pending)
        for known in kinds:
            if node.input[0] in known:
                known[node.output[0]] = known[node.input[0]]

    def _quantize(self, node: Any, name: str) -> None:
        source, result = node.input[0], node.output[0]
        if source in self.constants:
            self.constants[result] = self._quantized(node, self.constants[source])
            return
        kind = self.quantizer(node)
        if source in self.pending:
            x, function = self.pending[source]
            self.edges[result] = self.draft.table(name, x, function, kind)
            return
        x = self.edge(node, 0)
        same = x == "x" and kind == self.draft["x"].type
        self.edges[result] = x if same else self.draft.add(name, "cast", [x], None, kind)

    def quantizer(self, node: Any) -> Fixed:
        """The format that a Quant node of an activation rounds to."""
        where, scales = f"{self.path}: {label(node)}", self.constant(node, 1)
        if scales.size != 1:
            raise InputError(f"{where}: an activation with {scales.size} scales; one is supported")
        exponent = power_of_two(float(scales.ravel()[0]), where)
        signed, narrow, rounding, bits = self._settings(node)
        overflow = Overflow.SAT_SYM if narrow else Overflow.SAT
        try:
            return Fixed(signed, bits, bits + exponent, rounding, overflow)
        except ValueError as error:
            raise InputError(f"{where}: {error}") from error

    def _settings(self, node: Any) -> tuple[bool, bool, Rounding, int]:
        """(signed, narrow, rounding, bits) of a Quant node."""
        given, where = attributes(node), f"{self.path}: {label(node)}"
        if self.constant(node, 2).any():
            raise InputError(f"{where}: its zero point is not 0; fixed point has no other")
        widths = self.constant(node, 3)
        if widths.size != 1 or float(widths.ravel()[0]) != int(widths.ravel()[0]):
            raise InputError(f"{where}: its bit width must be one whole number, got {widths}")
        mode = given.get("rounding_mode", b"ROUND")
        mode = mode.decode() if isinstance(mode, bytes) else str(mode)
        if mode.upper() not in ROUNDINGS:
            raise InputError(
                f"{where}: rounding '{mode}' is not supported; {', '.join(ROUNDINGS)} are"
            )
        signed, narrow = bool(given.get("signed", 1)), bool(given.get("narrow", 0))
        bits = int(widths.ravel()[0])
        if narrow and not signed:
            raise InputError(f"{where}: narrow and unsigned is not supported; use all values")
        if signed and bits == 1:
            raise InputError(f"{where}: one signed bit means -1 and 1 to QONNX; use 2 bits")
        return signed, narrow, ROUNDINGS[mode.upper()], bits

    def _quantized(self, node: Any, values: Floats) -> Floats:
        """Weights on their grid, each with its own scale."""
        scales, where = self.constant(node, 1), f"{self.path}: {label(node)}"
        for scale in np.unique(scales):
            power_of_two(float(scale), where)
        signed, narrow, rounding, bits = self._settings(node)
        overflow = Overflow.SAT_SYM if narrow else Overflow.SAT
        try:
            whole = Fixed(signed, bits, bits, rounding, overflow)
        except ValueError as error:
            raise InputError(f"{where}: {error}") from error
        return np.asarray(whole.quantize(values / scales) * scales)

    def edge(self, node: Any, index: int) -> str:
        """The draft's node of an input of a node."""
        name = node.input[index]
        if name not in self.edges:
            state = "goes through a function and is not quantized behind it"
            state = state if name in self.pending else "is not made by what comes before it"
            raise self.draft.refuse(label(node), f"its input '{name}' {state}")
        return self.edges[name]

    def constant(self, node: Any, index: int) -> Floats:
        """The values of an input of a node that must be constant."""
        name = node.input[index] if len(node.input) > index else ""
        if name not in self.constants:
            raise self.draft.refuse(label(node), f"its input {index} ('{name}') must be a constant")
        return self.constants[name]

    def grid(self, values: Floats, node: Any, what: str) -> Any:
        """Constants in the narrowest format that holds them."""
        return exact_constants(values, f"{self.path}: {label(node)}: {what}")


def attributes(node: Any) -> dict[str, Any]:
    """Attributes of an ONNX node by name."""
    from onnx import helper

    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def label(node: Any) -> str:
    """What to call a node."""
    return str(node.name or f"{node.op_type}_{node.output[0]}")
