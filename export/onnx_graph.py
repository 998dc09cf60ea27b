"""Building ONNX files node by node, and the properties that travel in each of them.

Inputs of every graph are the real numbers of the input spec, ``inputs`` of shape (N, F): after
offline step, offset and shift, before or after rounding. Properties (``metadata_props``) say how
they are made, as JSON values: ``columns``, ``units``, ``offline``, ``offsets``, ``shifts``,
``input_type``, ``hardware`` (scales of integers), ``tables``, ``steps``, ``source_columns``,
``score``, ``float_per_score`` (float score = float_per_score * output ``score``), and
``threshold``, in units of the output, where one is chosen. The first output of every graph is
``score``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import MissingExtra
from naetrigger.contracts.version import __version__
from naetrigger.firmware_configs.input_spec import InputSpec

INPUTS, SCORE, DECISION = "inputs", "score", "decision"
IR_VERSION = 10  # the newest that onnxruntime 1.20 and hls4ml both read
BATCH = "N"


class GraphBuilder:
    """Collects nodes, constants and shapes of one ONNX graph in one float type."""

    def __init__(self, features: int, dtype: npt.DTypeLike = np.float32) -> None:
        try:
            import onnx
        except ImportError as error:  # pragma: no cover - onnx is a core dependency
            raise MissingExtra("onnx", "export") from error
        self._onnx = onnx
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.kind = onnx.helper.np_dtype_to_tensor_dtype(self.dtype)
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.shapes: dict[str, Any] = {}
        self.inputs = [self._info(INPUTS, features)]
        self.outputs: list[Any] = []

    def constant(self, name: str, values: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> str:
        """A constant tensor, written once under its name."""
        array = np.asarray(values, dtype=dtype or self.dtype)
        self.constants[name] = self._onnx.numpy_helper.from_array(array, name)
        return name

    def add(
        self,
        op: str,
        inputs: list[str],
        name: str,
        size: int,
        *,
        kind: int | None = None,
        rows: int | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """A node with one output `name` of shape (N, size), or (rows, size) for a constant."""
        node = self._onnx.helper.make_node(
            op, inputs, [name], name=name, domain=domain, **attributes
        )
        self.nodes.append(node)
        self.shapes[name] = self._info(name, size, kind, rows)
        return name

    @property
    def boolean(self) -> int:
        """Element type of truth values."""
        return int(self._onnx.TensorProto.BOOL)

    def element_kind(self, dtype: npt.DTypeLike) -> int:
        """ONNX' element type of a numpy dtype."""
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def output(self, name: str, source: str, size: int) -> None:
        """An output of the graph under a name of its own."""
        self.nodes.append(self._onnx.helper.make_node("Identity", [source], [name], name=name))
        self.outputs.append(self._info(name, size))

    def save(
        self,
        path: Path,
        properties: Mapping[str, Any],
        opset: int,
        domains: Mapping[str, int] | None = None,
    ) -> None:
        """Check the graph and write it."""
        helper = self._onnx.helper
        graph = helper.make_graph(
            self.nodes,
            "naetrigger",
            self.inputs,
            self.outputs,
            list(self.constants.values()),
            value_info=list(self.shapes.values()),
        )
        opsets = {"": opset, **(domains or {})}
        model = helper.make_model(
            graph,
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid(name, v) for name, v in opsets.items()],
        )
        save_model(model, path, properties)

    def _info(self, name: str, size: int, kind: int | None = None, rows: int | None = None) -> Any:
        shape = [rows or BATCH, size]
        return self._onnx.helper.make_tensor_value_info(name, kind or self.kind, shape)


def save_model(model: Any, path: Path, properties: Mapping[str, Any]) -> None:
    """Check an ONNX model and write it, with our name and `properties`."""
    import onnx

    model.ir_version = min(model.ir_version, IR_VERSION)
    model.producer_name, model.producer_version = "naetrigger", __version__
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in properties.items()}
    onnx.helper.set_model_props(model, texts)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def float_properties(
    spec: InputSpec, kind: str, score: str, threshold: float | None
) -> dict[str, Any]:
    """Properties of a float file of `kind` 'teacher' or 'student', whose score is in float units.

    threshold : in units of the score; none: the file states none
    """
    chosen = {} if threshold is None else {"threshold": threshold}
    return properties_of(spec) | {"kind": kind, "score": score, "float_per_score": 1.0} | chosen


def properties_of(spec: InputSpec) -> dict[str, Any]:
    """What a reader needs to make `inputs` from physical values."""
    return {
        "input_spec": spec.name,
        "input_type": spec.type,
        "columns": list(spec.columns),
        "units": [feature.unit for feature in spec.features],
        "offline": [feature.offline for feature in spec.features],
        "offsets": [feature.offset for feature in spec.features],
        "shifts": [feature.shift for feature in spec.features],
        "hardware": [
            feature.scale and feature.scale.model_dump(mode="json") for feature in spec.features
        ],
        "tables": [feature.table_type for feature in spec.features],
        "steps": [{"step": s.step, **s.model_dump(mode="json")} for s in spec.steps],
        "source_columns": list(spec.source_columns),
    }
