"""Float ONNX of dense layers in a row, with the score in the graph: most teachers, all students.

Teachers of any other form are traced (onnx_teacher.py).

    write_float_onnx(path, teacher_network(autoencoder), spec)
    OnnxModel(path).run(inputs)["score"]                      (onnx_engines.py)

Outputs: ``score`` (N, 1), the float score with all its factors, then every vector the score could
read: ``latent`` and ``reconstruction``, or ``output``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.score import Score, evaluate
from naetrigger.export.onnx_graph import INPUTS, SCORE, GraphBuilder, float_properties
from naetrigger.firmware_configs.input_spec import InputSpec

if TYPE_CHECKING:
    from naetrigger.export.student import Student
    from naetrigger.training.models.energy_model import EnergyModel

OPSET = 17

ACTIVATIONS = {
    "relu": "Relu",
    "leaky_relu": "LeakyRelu",
    "prelu": "LeakyRelu",  # one slope a layer, which no longer learns
    "softplus": "Softplus",
    "tanh": "Tanh",
}


@dataclass(frozen=True)
class FloatLayer:
    """A dense layer and what follows it.

    weights, bias : (n_in, n_out) and (n_out,)
    activation : a key of ACTIVATIONS, or 'linear'
    edge : name of the vector that leaves it if a score may read it, else ''
    slope : of the activation's negative side, where it has one
    """

    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    activation: str
    edge: str = ""
    slope: float | None = None


@dataclass(frozen=True)
class FloatNetwork:
    """Dense layers in a row, and the score they end in. `kind`: 'teacher' or 'student'."""

    kind: str
    layers: tuple[FloatLayer, ...]
    score: Score


def teacher_network(teacher: EnergyModel) -> FloatNetwork:
    """The layers of a trained teacher; TypeError if it is no stack of dense layers."""
    stack = getattr(teacher, "layers", None)
    if stack is None:
        raise TypeError(f"{type(teacher).__name__} is no stack of dense layers")
    edges = {len(stack) - 1: "output"}
    encoder_stack: Any = getattr(teacher, "encoder", None)
    if encoder_stack is not None:
        encoder = sum(hasattr(module, "in_features") for module in encoder_stack.children())
        edges = {encoder - 1: "latent", len(stack) - 1: "reconstruction"}
    layers = []
    for index, layer in enumerate(stack):
        edge = edges.get(index, "")
        weights, bias = layer.linear.weight.detach(), layer.linear.bias.detach()
        arrays = (weights.T.cpu().numpy(), bias.cpu().numpy())
        layers.append(FloatLayer(*arrays, layer.activation, edge, layer.slope))
    return FloatNetwork("teacher", tuple(layers), teacher.score)


def student_network(student: Student) -> FloatNetwork:
    """The student with the weights it has now (on their grids or not) and unrounded edges."""
    layers = tuple(
        FloatLayer(
            layer.weights,
            layer.bias,
            "relu" if layer.relu else "linear",
            layer.edge if layer.edge in ("latent", "reconstruction", "output") else "",
        )
        for layer in student.layers
    )
    return FloatNetwork("student", layers, student.score)


def write_float_onnx(
    path: Path,
    network: FloatNetwork,
    spec: InputSpec,
    *,
    threshold: float | None = None,
) -> None:
    """Write a float32 ONNX file of `network`; `threshold` in units of its score."""
    width = len(spec.columns)
    if network.layers[0].weights.shape[0] != width:
        raise InputError(
            f"onnx: the network takes {network.layers[0].weights.shape[0]} inputs, "
            f"input spec {spec.name} has {width}"
        )
    graph = GraphBuilder(width)
    values = {"x": (INPUTS, width)}
    h = INPUTS
    for i, layer in enumerate(network.layers):
        h = _dense(graph, layer, h, f"layer{i}")
        size = layer.weights.shape[1]
        if layer.edge:
            values[layer.edge] = (h, size)
    algebra = _Algebra(graph)
    name, size = evaluate(network.score.expression, values, algebra)
    if size != 1:
        raise InputError(f"onnx: score '{network.score.name}' has {size} values instead of one")
    factor = graph.constant("score_factor", [network.score.factor(width)])
    graph.output(SCORE, graph.add("Mul", [name, factor], "score_scaled", 1), 1)
    for layer in network.layers:
        if layer.edge:
            graph.output(layer.edge, *values[layer.edge])
    properties = float_properties(spec, network.kind, network.score.name, threshold)
    graph.save(path, properties, OPSET)


def _dense(graph: GraphBuilder, layer: FloatLayer, x: str, name: str) -> str:
    size = layer.weights.shape[1]
    weights = graph.constant(f"{name}_weights", layer.weights)
    bias = graph.constant(f"{name}_bias", layer.bias)
    h = graph.add("MatMul", [x, weights], f"{name}_product", size)
    h = graph.add("Add", [h, bias], f"{name}_sum", size)
    if layer.activation == "linear":
        return h
    if layer.activation not in ACTIVATIONS:
        raise InputError(f"onnx: {name}: activation '{layer.activation}' is not known here")
    op = ACTIVATIONS[layer.activation]
    attributes: dict[str, Any] = {} if layer.slope is None else {"alpha": layer.slope}
    return graph.add(op, [h], f"{name}_{layer.activation}", size, **attributes)


class _Algebra:
    """Reads a score into graph nodes; a value is (tensor name, size)."""

    def __init__(self, graph: GraphBuilder) -> None:
        self.graph = graph

    def _add(self, op: str, inputs: list[str], size: int, **attributes: Any) -> tuple[str, int]:
        name = f"score_{op.lower()}{len(self.graph.nodes)}"
        return self.graph.add(op, inputs, name, size, **attributes), size

    def sub(self, left: tuple[str, int], right: tuple[str, int]) -> tuple[str, int]:
        return self._add("Sub", [left[0], right[0]], left[1])

    def square(self, of: tuple[str, int]) -> tuple[str, int]:
        return self._add("Mul", [of[0], of[0]], of[1])

    def abs(self, of: tuple[str, int]) -> tuple[str, int]:
        return self._add("Abs", [of[0]], of[1])

    def sum(self, of: tuple[str, int], weights: tuple[int, ...] | None) -> tuple[str, int]:
        column = np.ones((of[1], 1)) if weights is None else np.array(weights).reshape(-1, 1)
        return self._add("MatMul", [of[0], self.graph.constant("score_weights", column)], 1)
