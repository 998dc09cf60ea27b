"""The student: a compact network with a number format on every weight and every edge.

``student.json`` (``format = "naetrigger-student"``, version 1) holds shape, formats, score and
how the training went; ``student.safetensors`` holds ``LAYER.weights`` (n_in, n_out) and
``LAYER.bias`` (n_out,) as the float32 numbers that training moved. Firmware holds those numbers
rounded into their formats.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Floats, Integers, parse_fixed
from naetrigger.contracts.score import (
    ArrayAlgebra,
    Expression,
    Score,
    Sub,
    Sum,
    Value,
    evaluate,
    score_named,
)

FORMAT = "naetrigger-student"
VERSION = 1
INPUT = "x"
SCORE = "score"

Weights = npt.NDArray[np.float32]


@dataclass(frozen=True)
class StudentLayer:
    """A dense layer, its ReLU if it has one, and the edge that leaves them.

    edge : name of what leaves the layer: 'latent', 'reconstruction', 'output', or NAME_relu
    weights, bias : float32, (n_in, n_out) and (n_out,), as trained
    weight_type, bias_type : their formats
    type : format of the edge; None: exact, the score rounds it (regression)
    """

    name: str
    edge: str
    relu: bool
    weights: Weights
    bias: Weights
    weight_type: Fixed
    bias_type: Fixed
    type: Fixed | None

    @property
    def weight_mantissas(self) -> Integers:
        return self.weight_type.mantissas(self.weights)

    @property
    def bias_mantissas(self) -> Integers:
        return self.bias_type.mantissas(self.bias)

    @property
    def on_grid(self) -> StudentLayer:
        """The same layer with weights and bias exactly on their formats' grids."""
        weights = self.weight_type.real(self.weight_mantissas).astype(np.float32)
        bias = self.bias_type.real(self.bias_mantissas).astype(np.float32)
        return replace(self, weights=weights, bias=bias)


@dataclass(frozen=True)
class Student:
    """Layers in order, the score they end in, and the formats at both ends.

    teacher_score : the score of the teacher that the student stands for
    score_type : format of the score; None while training has not chosen it
    record : how training went, numbers and strings only
    """

    mode: str
    input_type: Fixed
    columns: tuple[str, ...]
    layers: tuple[StudentLayer, ...]
    score: Score
    teacher_score: str
    score_type: Fixed | None = None
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_inputs(self) -> int:
        return len(self.columns)

    @property
    def on_grid(self) -> Student:
        """The student with its weights as firmware holds them."""
        return replace(self, layers=tuple(layer.on_grid for layer in self.layers))

    @property
    def score_scale(self) -> float:
        """Float score = score_scale * score mantissa."""
        if self.score_type is None:
            raise InputError("student: the score's format is not chosen yet")
        return self.score_type.lsb * self.score.factor(self.n_inputs)


def vector_of(score: Score) -> str:
    """The one vector, besides the inputs, that a score reads."""
    names = sorted(_names(score.expression) - {INPUT})
    if len(names) != 1:
        raise InputError(f"score '{score.name}' reads {', '.join(names)}; a student has one vector")
    return names[0]


def _names(expression: Expression) -> set[str]:
    match expression:
        case Value(name):
            return {name}
        case Sub(left, right):
            return _names(left) | _names(right)
        case Sum(of, _):
            return _names(of)
        case _:
            return _names(expression.of)


def float_edges(layers: tuple[StudentLayer, ...], x: Floats) -> dict[str, Floats]:
    """Values on every edge for inputs (N, F) when nothing but the weights given is rounded."""
    edges = {INPUT: x}
    for layer in layers:
        x = x @ layer.weights.astype(np.float64) + layer.bias
        x = np.maximum(x, 0) if layer.relu else x
        edges[layer.edge] = x
    return edges


def float_student(folder: Path) -> Student:
    """The float form of a trained student: the very weights that firmware holds, as floats.

    It differs from the firmware only by the rounding and saturation of activations and score.
    """
    return read_student(folder).on_grid


def float_scores(student: Student, x: Floats) -> Floats:
    """Scores (N,) in units of the float score, from weights as given and unrounded edges."""
    edges = float_edges(student.layers, x)
    total: Floats = evaluate(student.score.expression, edges, ArrayAlgebra())
    return total.reshape(len(x)) * student.score.factor(student.n_inputs)


def write_student(student: Student, folder: Path) -> None:
    """Write student.json and student.safetensors into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    layers = [
        {
            "name": layer.name,
            "edge": layer.edge,
            "relu": layer.relu,
            "shape": list(layer.weights.shape),
            "weight_type": str(layer.weight_type),
            "bias_type": str(layer.bias_type),
            "type": str(layer.type) if layer.type else None,
        }
        for layer in student.layers
    ]
    document = {
        "format": FORMAT,
        "version": VERSION,
        "mode": student.mode,
        "score": student.score.name,
        "teacher_score": student.teacher_score,
        "input_type": str(student.input_type),
        "score_type": str(student.score_type) if student.score_type else None,
        "columns": list(student.columns),
        "layers": layers,
        "record": dict(student.record),
    }
    arrays = {
        f"{layer.name}.{part}": np.ascontiguousarray(values, dtype=np.float32)
        for layer in student.layers
        for part, values in (("weights", layer.weights), ("bias", layer.bias))
    }
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    (folder / "student.json").write_text(text, encoding="utf-8")
    (folder / "student.safetensors").write_bytes(save(arrays))


def read_student(folder: Path) -> Student:
    """Read what write_student wrote; InputError for anything that is not such a student."""
    path = folder / "student.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT or document["version"] != VERSION:
            raise InputError(
                f"{path}: expected {FORMAT} version {VERSION}, got {document['format']} "
                f"version {document['version']}"
            )
        arrays = load_file(folder / "student.safetensors")
        return Student(
            mode=str(document["mode"]),
            input_type=parse_fixed(document["input_type"]),
            columns=tuple(str(c) for c in document["columns"]),
            layers=tuple(_read_layer(entry, arrays) for entry in document["layers"]),
            score=score_named(document["score"]),
            teacher_score=str(document["teacher_score"]),
            score_type=parse_fixed(document["score_type"]) if document["score_type"] else None,
            record=document["record"],
        )
    except InputError:
        raise
    except Exception as error:  # safetensors raises its own type for a damaged file
        raise InputError(f"{folder}: not a readable student ({error!r})") from error


def _read_layer(entry: Mapping[str, Any], arrays: Mapping[str, Weights]) -> StudentLayer:
    weights, bias = arrays[f"{entry['name']}.weights"], arrays[f"{entry['name']}.bias"]
    if list(weights.shape) != entry["shape"] or bias.shape != weights.shape[1:]:
        raise ValueError(
            f"{entry['name']}: weights {weights.shape} and bias {bias.shape} "
            f"do not fit the shape {entry['shape']}"
        )
    return StudentLayer(
        name=str(entry["name"]),
        edge=str(entry["edge"]),
        relu=bool(entry["relu"]),
        weights=weights,
        bias=bias,
        weight_type=parse_fixed(entry["weight_type"]),
        bias_type=parse_fixed(entry["bias_type"]),
        type=parse_fixed(entry["type"]) if entry["type"] else None,
    )
