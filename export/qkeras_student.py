"""The student in QKeras: what is trained, and the engine `qkeras` that must equal the network.

QKeras carries fixed-point numbers in floats. That is exact as long as every intermediate fits a
float's mantissa, which FixedPointNetwork.bounds() proves: 24 bits for float32, 53 for float64.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from naetrigger.contracts.errors import AgreementError, EnvironmentProblem, InputError, MissingExtra
from naetrigger.contracts.exact_floats import FLOAT32_BITS, FLOAT64_BITS
from naetrigger.contracts.fixed_point import Fixed, Integers, Rounding
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.contracts.score import evaluate
from naetrigger.export.half_up import half_up_quantizer
from naetrigger.export.lower import lower
from naetrigger.export.native_output import errors_in_log
from naetrigger.export.student import INPUT, SCORE, Student, StudentLayer, read_student

log = logging.getLogger(__name__)


class Libraries(NamedTuple):
    """tensorflow with its legacy Keras, and qkeras."""

    tf: Any
    keras: Any
    qkeras: Any


@functools.cache
def libraries() -> Libraries:
    """Import TensorFlow as QKeras needs it: legacy Keras, quiet, one thread, CPU."""
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    with _without_keras_3(), errors_in_log(log):
        try:
            import tensorflow as tf
            import tf_keras
        except ImportError as error:
            raise MissingExtra(error.name or "tensorflow", "export") from error
        if "tf_keras" not in tf.keras.Model.__module__:
            raise EnvironmentProblem(
                "tensorflow was imported with Keras 3, and QKeras needs legacy Keras: "
                "set TF_USE_LEGACY_KERAS=1 before the program starts"
            )
        try:
            import qkeras
        except ImportError as error:
            raise MissingExtra(error.name or "qkeras", "export") from error
    tf.get_logger().setLevel("ERROR")
    with contextlib.suppress(RuntimeError):  # too late if TensorFlow has run already
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.threading.set_intra_op_parallelism_threads(1)
    return Libraries(tf, tf_keras, qkeras)


@contextlib.contextmanager
def _without_keras_3() -> Iterator[None]:
    """What QKeras imports looks for Keras 3 as well, which takes as long as all the rest."""
    if "keras" in sys.modules:
        yield
        return
    sys.modules["keras"] = cast(Any, None)  # as if it were not installed
    try:
        yield
    finally:
        del sys.modules["keras"]


def quantizer(kind: Fixed) -> Any:
    """QKeras' quantizer of a format; keywords alone, as hls4ml reads them rightly."""
    if kind.rounding is Rounding.RND:
        return half_up_quantizer(kind, libraries())
    return libraries().qkeras.quantized_bits(
        bits=kind.width,
        integer=kind.integer - kind.signed,
        symmetric=0,
        keep_negative=kind.signed,
        alpha=1.0,
    )


def relu_quantizer(kind: Fixed) -> Any:
    """QKeras' ReLU into an unsigned format."""
    if kind.rounding is Rounding.RND:
        return half_up_quantizer(kind, libraries())
    return libraries().qkeras.quantized_relu(bits=kind.width, integer=kind.integer)


def keras_graph(
    student: Student, *, quantized: bool = True, clip: bool = False
) -> tuple[Any, dict[str, Any]]:
    """(input tensor, tensors by node name as in the network); layers hold the student's weights.

    quantized : without, plain Dense layers and ReLUs (the score has no format then)
    clip : stop the gradient of saturated values, for training; no value changes. QKeras'
        quantized_bits lets it through, so weights behind a saturated output drift without end.
    """
    keras = libraries().keras
    graph = _Graph(keras, clip)
    x = keras.layers.Input((student.n_inputs,), name=INPUT)
    edges = {INPUT: x}
    h = x
    for layer in student.layers:
        h = edges[layer.edge] = graph.layer(layer, h, quantized)
    total = evaluate(student.score.expression, edges, graph)
    if quantized and student.score_type is not None:
        total = graph.activation(SCORE, student.score_type, total)
    return x, {**edges, **graph.tensors, SCORE: total}


class _Graph:
    """Builds Keras layers under the network's names; also the algebra that reads a score."""

    def __init__(self, keras: Any, clip: bool) -> None:
        self.keras, self.clip = keras, clip
        self.tensors: dict[str, Any] = {}

    def layer(self, layer: StudentLayer, x: Any, quantized: bool) -> Any:
        h = self._dense(layer, x, quantized)
        if not quantized:
            return self.keras.layers.ReLU(name=layer.edge)(h) if layer.relu else h
        if layer.type is None:
            return h
        if self.clip and layer.type.signed:
            h = self._clipped(layer.type, h)
        return self.activation(layer.edge, layer.type, h)

    def _dense(self, layer: StudentLayer, x: Any, quantized: bool) -> Any:
        size = layer.weights.shape[1]
        if quantized:
            dense = libraries().qkeras.QDense(
                size,
                kernel_quantizer=quantizer(layer.weight_type),
                bias_quantizer=quantizer(layer.bias_type),
                name=layer.name,
            )
        else:
            dense = self.keras.layers.Dense(size, name=layer.name)
        self.tensors[layer.name] = dense(x)
        dense.kernel.assign(layer.weights)
        dense.bias.assign(layer.bias)
        return self.tensors[layer.name]

    def activation(self, name: str, kind: Fixed, x: Any) -> Any:
        """x in a format; an unsigned one takes negative numbers to 0, so it is a ReLU too."""
        # quantized_relu computes in float32 whatever floatx says; unsigned quantized_bits has
        # the same values, but not ReLU's gradient, and hls4ml's reader takes it for signed
        as_relu = not kind.signed and self.keras.backend.floatx() == "float32"
        of = relu_quantizer(kind) if as_relu else quantizer(kind)
        self.tensors[name] = libraries().qkeras.QActivation(of, name=name)(x)
        return self.tensors[name]

    def _clipped(self, kind: Fixed, x: Any) -> Any:
        def clip(values: Any) -> Any:
            return libraries().tf.clip_by_value(values, kind.min, kind.max)

        return self.keras.layers.Lambda(clip)(x)

    def _named(self, op: str, tensor: Any) -> Any:
        self.tensors[f"score_{op}"] = tensor
        return tensor

    def sub(self, left: Any, right: Any) -> Any:
        return self._named("sub", self.keras.layers.Subtract(name="score_sub")([left, right]))

    def square(self, of: Any) -> Any:
        return self._named("square", self.keras.layers.Multiply(name="score_square")([of, of]))

    def abs(self, of: Any) -> Any:
        absolute = self.keras.layers.Lambda(libraries().tf.abs, name="score_abs")
        return self._named("abs", absolute(of))

    def sum(self, of: Any, weights: tuple[int, ...] | None) -> Any:
        dense = self.keras.layers.Dense(1, use_bias=False, trainable=False, name="score_sum")
        total = dense(of)
        column = np.ones(of.shape[-1]) if weights is None else np.array(weights)
        dense.set_weights([column.reshape(-1, 1)])
        return self._named("sum", total)


def needed_floatx(network: FixedPointNetwork) -> str:
    """'float32' or 'float64', whichever holds every intermediate exactly; else InputError."""
    worst, bits = "", 0
    for name, proved in network.bounds().items():
        needed = max(proved.float_bits, network[name].type.width)
        if needed > bits:
            worst, bits = name, needed
    if bits <= FLOAT32_BITS:
        return "float32"
    if bits <= FLOAT64_BITS:
        return "float64"
    raise InputError(
        f"engine qkeras: edge '{worst}' needs {bits} bits, a float64 has {FLOAT64_BITS}; "
        "narrow its inputs or weights, or compare with the engine 'network' alone"
    )


class QkerasEngine:
    """Scores and traces of a trained student by QKeras itself, in integers in and out.

    floatx : the float type that proves exact for this student
    """

    def __init__(self, student: Student) -> None:
        self.network = lower(student)
        self.floatx = needed_floatx(self.network)
        libs = libraries()
        with _floatx(self.floatx):
            x, tensors = keras_graph(student.on_grid)
            names = [node.name for node in self.network.nodes if node.name in tensors]
            self.model = libs.keras.Model(x, {name: tensors[name] for name in names})
            signature = [libs.tf.TensorSpec((None, student.n_inputs), self.floatx)]
            self._run = libs.tf.function(self.model, input_signature=signature)
            self._run.get_concrete_function()  # traced while floatx is what it must be

    def trace(self, inputs: Integers) -> dict[str, Integers]:
        """Mantissas on every edge for input mantissas (N, F), as FixedPointNetwork.trace."""
        x = self.network.input.type.real(inputs).astype(self.floatx)
        values = self._run(libraries().tf.constant(x))
        return {name: self._mantissas(name, values[name].numpy()) for name in values}

    def scores(self, inputs: Integers, chunk: int = 65536) -> Integers:
        """Score mantissas (N,)."""
        parts = [
            self.trace(inputs[start : start + chunk])[self.network.output][:, 0]
            for start in range(0, max(len(inputs), 1), chunk)
        ]
        return np.concatenate(parts)

    def _mantissas(self, name: str, values: Any) -> Integers:
        scaled = np.ldexp(values.astype(np.float64), self.network[name].type.fraction)
        rounded = np.rint(scaled)
        if not np.array_equal(scaled, rounded):
            row = int(np.argwhere(scaled != rounded)[0][0])
            raise AgreementError(
                f"engine qkeras: edge '{name}', event {row}: a value is no multiple of the LSB of "
                f"{self.network[name].type}"
            )
        mantissas: Integers = rounded.astype(np.int64)
        return mantissas


def load_student(folder: Path) -> QkerasEngine:
    """The engine of the student in `folder`."""
    return QkerasEngine(read_student(folder))


@contextlib.contextmanager
def _floatx(kind: str) -> Iterator[None]:
    backend = libraries().keras.backend
    before = backend.floatx()
    backend.set_floatx(kind)
    try:
        yield
    finally:
        backend.set_floatx(before)
