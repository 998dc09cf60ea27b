"""Running the ONNX files: onnxruntime for float and QCDQ, the qonnx package for QONNX.

    OnnxModel(path).scores(inputs)      float scores
    QcdqModel(path).scores(inputs)      score mantissas
    QonnxModel(path).scores(inputs)     score mantissas

`inputs` are the input spec's real numbers, (N, F), before or after rounding.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from naetrigger.contracts.errors import InputError, MissingExtra
from naetrigger.contracts.fixed_point import Fixed, Floats, Integers, parse_fixed
from naetrigger.export.onnx_graph import BATCH, DECISION, INPUTS, IR_VERSION, SCORE

CHUNK = 65536
THREADS = 1


class OnnxModel:
    """An ONNX file in onnxruntime, on one thread."""

    def __init__(self, path: Path) -> None:
        import onnx

        self.path = path
        model = _load(path)
        self.properties = {prop.key: prop.value for prop in model.metadata_props}
        self.dtype = onnx.helper.tensor_dtype_to_np_dtype(
            model.graph.input[0].type.tensor_type.elem_type
        )
        self.features = int(model.graph.input[0].type.tensor_type.shape.dim[1].dim_value)
        self.names = [output.name for output in model.graph.output]
        self._session = _session(model.SerializeToString(), path)

    def run(self, inputs: Floats) -> dict[str, Floats]:
        """All outputs by name, each (N, size)."""
        return _run(self._session, self.names, _checked(inputs, self.features), self.dtype)

    def scores(self, inputs: Floats) -> Floats:
        """Scores in units of the graph's output, shape (N,)."""
        inputs = _checked(inputs, self.features)
        return _run(self._session, [SCORE], inputs, self.dtype)[SCORE][:, 0]


class QcdqModel:
    """The QCDQ form of a student in onnxruntime; mantissas out, exact."""

    def __init__(self, path: Path) -> None:
        self._model = OnnxModel(path)
        self.score_type, self.edges = _formats(self._model.properties, path)

    def scores(self, inputs: Floats) -> Integers:
        """Score mantissas, shape (N,)."""
        return _mantissas(self._model.scores(inputs), self.score_type)

    def decisions(self, inputs: Floats) -> Integers:
        """Bits of the decision, shape (N, K); InputError for a file that decides nothing."""
        if DECISION not in self._model.names:
            raise InputError(f"{self._model.path}: has no output '{DECISION}'")
        return self._model.run(inputs)[DECISION].astype(np.int64)

    def trace(self, inputs: Floats) -> dict[str, Integers]:
        """Mantissas on every edge, by the network's node names."""
        import onnx

        model = _load(self._model.path)
        by_name = {info.name: info for info in model.graph.value_info}
        model.graph.output.extend(by_name[f"edge_{name}"] for name in self.edges)
        session = _session(onnx.ModelProto.SerializeToString(model), self._model.path)
        names = [f"edge_{name}" for name in self.edges]
        inputs = _checked(inputs, self._model.features)
        values = _run(session, names, inputs, self._model.dtype)
        return {n: _mantissas(values[f"edge_{n}"], fixed) for n, fixed in self.edges.items()}


class QonnxModel:
    """The QONNX form of a student in the qonnx package; mantissas out, exact."""

    def __init__(self, path: Path) -> None:
        import onnx

        model = _load(path)
        properties = {prop.key: prop.value for prop in model.metadata_props}
        self.score_type, self.edges = _formats(properties, path)
        first = model.graph.input[0].type.tensor_type
        self.dtype = onnx.helper.tensor_dtype_to_np_dtype(first.elem_type)
        self.features = int(first.shape.dim[1].dim_value)
        self._model = model

    def scores(self, inputs: Floats) -> Integers:
        """Score mantissas, shape (N,)."""
        parts = [context[SCORE][:, 0] for context in self._contexts(inputs)]
        return _mantissas(np.concatenate(parts), self.score_type)

    def decisions(self, inputs: Floats) -> Integers:
        """Bits of the decision, shape (N, K); InputError for a file that decides nothing."""
        if DECISION not in [output.name for output in self._model.graph.output]:
            raise InputError(f"the QONNX file has no output '{DECISION}'")
        parts = [context[DECISION] for context in self._contexts(inputs)]
        return np.concatenate(parts).astype(np.int64)

    def trace(self, inputs: Floats) -> dict[str, Integers]:
        """Mantissas on every edge, by the network's node names."""
        contexts = list(self._contexts(inputs))
        return {
            name: _mantissas(np.concatenate([c[f"edge_{name}"] for c in contexts]), fixed)
            for name, fixed in self.edges.items()
        }

    def _contexts(self, inputs: Floats) -> Iterator[dict[str, Any]]:
        """Every tensor of the graph, for one chunk of inputs after the other."""
        try:
            from qonnx.core.modelwrapper import ModelWrapper
            from qonnx.core.onnx_exec import execute_onnx
        except ImportError as error:
            raise MissingExtra("qonnx", "export") from error
        inputs = _checked(inputs, self.features).astype(self.dtype)
        for start in range(0, max(len(inputs), 1), CHUNK):
            chunk = inputs[start : start + CHUNK]
            model = ModelWrapper(_with_batch(self._model, len(chunk)))
            with _readable_versions():
                context = execute_onnx(model, {INPUTS: chunk}, return_full_exec_context=True)
            yield context


@contextlib.contextmanager
def _readable_versions() -> Iterator[None]:
    """qonnx hands single nodes to onnxruntime in onnx' newest IR version, which it may not read."""
    from qonnx.core import onnx_exec

    make = onnx_exec.qonnx_make_model
    onnx_exec.qonnx_make_model = functools.partial(make, ir_version=IR_VERSION)
    try:
        yield
    finally:
        onnx_exec.qonnx_make_model = make


def _with_batch(model: Any, size: int) -> Any:
    """A copy of a model for exactly `size` events: qonnx runs fixed shapes alone."""
    fixed = type(model)()
    fixed.CopyFrom(model)
    for info in (*fixed.graph.input, *fixed.graph.output, *fixed.graph.value_info):
        for dimension in info.type.tensor_type.shape.dim:
            if dimension.dim_param == BATCH:
                dimension.dim_value = size
    return fixed


def _formats(properties: dict[str, str], path: Path) -> tuple[Fixed, dict[str, Fixed]]:
    try:
        edges = json.loads(properties["edges"])
        formats = {str(name): parse_fixed(text) for name, text in edges.items()}
        return parse_fixed(properties["score_type"]), formats
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{path}: not a fixed-point ONNX file of a student ({error!r})") from error


def _load(path: Path) -> Any:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except (OSError, DecodeError, onnx.checker.ValidationError) as error:
        raise InputError(f"{path}: not a readable ONNX file ({error})") from error
    return model


def _session(model: bytes, path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = THREADS
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises many types of its own
        raise InputError(f"{path}: onnxruntime does not take it ({error})") from error


def _run(session: Any, names: list[str], inputs: Floats, dtype: Any) -> dict[str, Floats]:
    n = len(inputs)
    inputs = inputs if n else np.zeros((1, inputs.shape[1]))  # no graph reshapes what is empty
    parts = [
        session.run(names, {INPUTS: inputs[start : start + CHUNK].astype(dtype)})
        for start in range(0, len(inputs), CHUNK)
    ]
    joined = (np.concatenate(arrays)[:n] for arrays in zip(*parts, strict=True))
    return {name: array.astype(np.float64) for name, array in zip(names, joined, strict=True)}


def _checked(inputs: Floats, features: int) -> Floats:
    inputs = np.asarray(inputs)
    if inputs.ndim != 2 or inputs.shape[1] != features:
        raise InputError(f"onnx: inputs must have shape (N, {features}): {inputs.shape}")
    return inputs


def _mantissas(values: Floats, fixed: Fixed) -> Integers:
    """Exact: what leaves an edge is a member of its format."""
    scaled = np.ldexp(values.astype(np.float64), fixed.fraction)
    return np.asarray(scaled, dtype=np.int64)
