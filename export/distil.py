"""Training of the student: first without quantizers, then formats from data, then with them.

The loss at input x with teacher vector t (its reconstruction or latent) and score E_t, student
vector v and score E_s:

    vector * |v - t|^2 / V  +  score * (log(E_s + floor) - log(E_t + floor))^2

V is the mean of |x - t|^2 (of the latent's square) on background and floor a fraction of the
median score, so both terms are numbers of order one. `regress` learns log1p(E_t / median) alone.
The log makes an error of 10% count alike for small and large scores: what a threshold anywhere
in the spectrum needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from naetrigger.contracts.errors import InputError, TrainingDiverged, suggestion
from naetrigger.contracts.fixed_point import Fixed, Floats, Integers
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.contracts.progress import Progress, Silent
from naetrigger.contracts.score import score_named
from naetrigger.export.calibrate import edge_type, score_type, unknown_layers, weight_types
from naetrigger.export.lower import lower, lower_student
from naetrigger.export.qkeras_student import keras_graph, libraries
from naetrigger.export.student import (
    SCORE,
    Student,
    StudentLayer,
    Weights,
    float_edges,
    vector_of,
    write_student,
)
from naetrigger.export.student_settings import StudentSettings
from naetrigger.export.student_task import Dense, Sample, StudentTask

_UNSET = Fixed(True, 24, 8)  # stands until formats are chosen
Curve = list[tuple[str, int, float, float]]


@dataclass(frozen=True)
class StudentReport:
    """What training gave, on validation background.

    spearman : rank correlation of integer scores with the teacher's
    saturated : fraction of background whose score is at its format's end
    saturation : fraction of background with a saturated value, by edge
    """

    student: Student
    network: FixedPointNetwork
    spearman: float
    saturated: float
    saturation: dict[str, float]
    best_epoch: int
    validation_loss: float


def train_student(
    task: StudentTask,
    settings: StudentSettings,
    seed: int,
    folder: Path,
    progress: Progress | None = None,
) -> StudentReport:
    """Train, choose formats, lower; writes student.json, student.safetensors, curves.csv and
    network/ into `folder`.

    The same task, settings and seed give the same files on the same machine.
    Raises InputError for settings that do not fit the teacher, TrainingDiverged for a loss that
    is not finite.
    """
    libs = libraries()
    libs.keras.utils.set_random_seed(seed)
    libs.tf.config.experimental.enable_op_determinism()
    start = starting_student(task, settings, np.random.default_rng([seed, 1]))
    curve: Curve = []
    trainer = _Trainer(task, settings, seed, progress or Silent(), curve)
    if settings.mode != "quantize":
        start = trainer.fit(start, quantized=False).student
    fitted = trainer.fit(with_formats(start, task, settings), quantized=True)
    student = with_score_type(fitted.student, task, settings)
    report = _report(student, task, fitted)
    folder.mkdir(parents=True, exist_ok=True)
    write_student(report.student, folder)
    _write_curve(folder / "curves.csv", curve)
    return replace(report, network=lower_student(folder))


def starting_student(
    task: StudentTask, settings: StudentSettings, rng: np.random.Generator
) -> Student:
    """The student before training: the teacher's weights, or fresh ones; formats not chosen."""
    name = "regression" if settings.mode == "regress" else task.teacher_score
    score = score_named(name)
    layers = _layers(task, settings, vector_of(score), rng)
    names = [layer.name for layer in layers]
    unknown = unknown_layers(names, settings.layers)
    if unknown:
        hint = suggestion(unknown[0], names)
        raise InputError(
            f"student.layers: no layer '{unknown[0]}'{hint} (there are {', '.join(names)})"
        )
    return Student(settings.mode, task.input_type, task.columns, layers, score, task.teacher_score)


def with_formats(student: Student, task: StudentTask, settings: StudentSettings) -> Student:
    """The student with a format on every weight and edge, from its values on background."""
    x = np.concatenate([task.train.x, task.points.x])
    edges = float_edges(student.layers, x)
    layers = []
    for layer in student.layers:
        weight, bias = weight_types(layer.name, layer.weights, layer.bias, settings)
        edge = None
        if layer.edge != "output":
            values = edges[layer.edge]
            edge = edge_type(layer.name, layer.edge, layer.relu, values, task.input_type, settings)
        layers.append(replace(layer, weight_type=weight, bias_type=bias, type=edge))
    return replace(student, layers=tuple(layers))


def with_score_type(student: Student, task: StudentTask, settings: StudentSettings) -> Student:
    """The student with the format of its score, from exact scores on all background."""
    exact = lower(replace(student, score_type=None))
    bounds = exact.bounds()[exact.output]
    background = np.concatenate([task.train.x, task.validation.x])
    scores = exact.scores(task.input_type.mantissas(background))
    kind = score_type(scores, max(bounds.high), bounds.fraction, settings)
    return replace(student, score_type=kind)


def _layers(
    task: StudentTask, settings: StudentSettings, vector: str, rng: np.random.Generator
) -> tuple[StudentLayer, ...]:
    if settings.mode == "quantize":
        return _teachers_layers(task, vector)
    n_inputs = len(task.columns)
    if settings.mode == "regress":
        return _stack("dense", (n_inputs, *settings.hidden, 1), "output", rng)
    if task.train.vector is None:
        raise InputError("student.mode: distil needs the teacher's reconstruction; use 'regress'")
    latent = settings.latent or (task.encoder[-1].weights.shape[1] if task.encoder else None)
    if latent is None:
        raise InputError("student.latent: is missing, and the teacher does not say")
    encoder = _stack("encoder", (n_inputs, *settings.hidden, latent), "latent", rng)
    if vector == "latent":
        if latent != task.train.vector.shape[1]:
            raise InputError(
                f"student.latent: the score is a latent's, so it must have the teacher's size "
                f"{task.train.vector.shape[1]}, got {latent}"
            )
        return encoder
    widths = (latent, *settings.hidden[::-1], task.train.vector.shape[1])
    return encoder + _stack("decoder", widths, "reconstruction", rng)


def _teachers_layers(task: StudentTask, vector: str) -> tuple[StudentLayer, ...]:
    if not task.encoder:
        raise InputError(
            "student.mode: quantize needs a teacher of dense ReLU layers; use 'distil' or 'regress'"
        )
    stacks = [("encoder", "latent", task.encoder)]
    if vector == "reconstruction":
        stacks.append(("decoder", "reconstruction", task.decoder))
    return tuple(
        _layer(f"{name}_{i}", edge if i == len(stack) - 1 else f"{name}_{i}_relu", dense)
        for name, edge, stack in stacks
        for i, dense in enumerate(stack)
    )


def _stack(
    name: str, widths: tuple[int, ...], edge: str, rng: np.random.Generator
) -> tuple[StudentLayer, ...]:
    """Fresh layers, Gaussian of variance 2 / fan-in (He et al. 2015), biases 0."""
    layers = []
    last = len(widths) - 2
    for i, (fan_in, fan_out) in enumerate(zip(widths, widths[1:], strict=False)):
        weights = rng.standard_normal((fan_in, fan_out)) * math.sqrt(2 / fan_in)
        dense = Dense(weights, np.zeros(fan_out), relu=i < last)
        layers.append(_layer(f"{name}_{i}", edge if i == last else f"{name}_{i}_relu", dense))
    return tuple(layers)


def _layer(name: str, edge: str, dense: Dense) -> StudentLayer:
    return StudentLayer(
        name=name,
        edge=edge,
        relu=dense.relu,
        weights=dense.weights.astype(np.float32),
        bias=dense.bias.astype(np.float32),
        weight_type=_UNSET,
        bias_type=_UNSET,
        type=None if edge == "output" else _UNSET,
    )


@dataclass(frozen=True)
class _Fitted:
    student: Student
    epoch: int
    loss: float


class _Trainer:
    """Adam over background and points, in one compiled graph a pass."""

    def __init__(
        self,
        task: StudentTask,
        settings: StudentSettings,
        seed: int,
        progress: Progress,
        curve: Curve,
    ) -> None:
        self.task, self.settings, self.progress, self.curve = task, settings, progress, curve
        self.rng = np.random.default_rng([seed, 2])
        regress = settings.mode == "regress"
        self.train = _arrays((task.train, task.points), regress)
        self.validation = _arrays((task.validation, task.validation_points), regress)

    def fit(self, student: Student, quantized: bool) -> _Fitted:
        """The student with the weights of the best validation loss."""
        settings = self.settings
        epochs = settings.epochs if quantized else settings.float_epochs
        rate = settings.learning_rate if quantized else settings.float_learning_rate
        phase = "quantized" if quantized else "float"
        if not epochs:
            return _Fitted(student, 0, math.inf)
        run = _Run(student, self.task, settings, self.train, self.validation, quantized)
        best = _Fitted(student, 0, run.validate())
        self._finite(best.loss, phase, 0)
        self.progress.start(f"student, {phase}", epochs)
        for epoch in range(1, epochs + 1):
            order = self._order()
            loss = run.epoch(order, rate * 0.5 * (1 + math.cos(math.pi * (epoch - 1) / epochs)))
            validation = run.validate()
            self._finite(loss + validation, phase, epoch)
            self.curve.append((phase, epoch, loss, validation))
            self.progress.update(epoch, loss=loss, validation=validation)
            if validation < best.loss:
                best = _Fitted(run.student(), epoch, validation)
        return best

    def _order(self) -> Integers:
        """Rows of each batch, shape (batches, B); a pass leaves out less than one batch."""
        n = len(self.train[0])
        size = min(self.settings.batch_size, n)
        rows = self.rng.permutation(n)[: n // size * size]
        return rows.reshape(-1, size).astype(np.int64)

    @staticmethod
    def _finite(loss: float, phase: str, epoch: int) -> None:
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"student: the {phase} loss is {loss} in epoch {epoch}; lower "
                "student.learning_rate (or student.float_learning_rate)"
            )


class _Run:
    """A Keras model, its optimiser and the compiled passes over the data."""

    def __init__(
        self,
        student: Student,
        task: StudentTask,
        settings: StudentSettings,
        train: tuple[Floats, ...],
        validation: tuple[Floats, ...],
        quantized: bool,
    ) -> None:
        libs = libraries()
        self.tf = libs.tf
        self.start = student
        x, tensors = keras_graph(student, quantized=quantized, clip=True)
        vector = next(la.edge for la in reversed(student.layers))
        outputs = [tensors[SCORE]] + ([tensors[vector]] if vector in tensors else [])
        self.model = libs.keras.Model(x, outputs)
        self.loss = _loss(student, task, settings, quantized, libs.tf)
        self.optimizer = libs.keras.optimizers.Adam(1e-3)
        self.optimizer.build(self.model.trainable_variables)
        self.limits = _limits(student, self.model) if quantized else []
        self.train = [libs.tf.constant(a, libs.tf.float32) for a in train]
        self.validation = [libs.tf.constant(a, libs.tf.float32) for a in validation]
        self._epoch = libs.tf.function(self._pass)
        self._validate = libs.tf.function(lambda: self._mean_loss(*self.validation))

    def epoch(self, order: Integers, rate: float) -> float:
        self.optimizer.learning_rate.assign(rate)
        return float(self._epoch(self.tf.constant(order)))

    def validate(self) -> float:
        return float(self._validate())

    def student(self) -> Student:
        layers = []
        for layer in self.start.layers:
            dense = self.model.get_layer(layer.name)
            weights, bias = dense.kernel.numpy(), dense.bias.numpy()
            layers.append(replace(layer, weights=weights, bias=bias))
        return replace(self.start, layers=tuple(layers))

    def _pass(self, order: Any) -> Any:
        tf = self.tf
        total = tf.constant(0.0)
        for i in tf.range(tf.shape(order)[0]):
            total += self._step(*(tf.gather(a, order[i]) for a in self.train))
        return total / tf.cast(tf.shape(order)[0], tf.float32)

    def _step(self, *batch: Any) -> Any:
        with self.tf.GradientTape() as tape:
            loss = self._mean_loss(*batch)
        variables = self.model.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        for variable, low, high in self.limits:
            variable.assign(self.tf.clip_by_value(variable, low, high))
        return loss

    def _mean_loss(self, x: Any, weights: Any, scores: Any, vector: Any) -> Any:
        outputs = self.model(x, training=True)
        score, *found = outputs if isinstance(outputs, list | tuple) else [outputs]
        loss = self.loss(score[:, 0], found, scores, vector)
        return self.tf.reduce_sum(weights * loss) / self.tf.reduce_sum(weights)


def _limits(student: Student, model: Any) -> list[tuple[Any, float, float]]:
    """Ends of each variable's format: beyond them a weight would move without effect."""
    return [
        (variable, kind.min, kind.max)
        for layer in student.layers
        for variable, kind in zip(
            model.get_layer(layer.name).trainable_variables,
            (layer.weight_type, layer.bias_type),
            strict=True,
        )
    ]


def _loss(
    student: Student, task: StudentTask, settings: StudentSettings, quantized: bool, tf: Any
) -> Callable[..., Any]:
    """(score sums, [vector], targets, teacher's vectors) -> loss of each event, shape (B,)."""
    background = task.train
    median = float(np.median(background.scores))
    if settings.mode == "regress":
        unit = _unit(background.scores)

        def regression(total: Any, _: Any, scores: Any, __: Any) -> Any:
            return tf.square(total - tf.math.log1p(scores / unit))

        return regression
    assert background.vector is not None
    factor = student.score.factor(student.n_inputs)
    floor = settings.loss.score_floor * max(median, 1e-6 * float(background.scores.max()))
    origin = background.x if background.vector.shape == background.x.shape else 0.0
    spread = float(np.mean((background.vector - origin) ** 2)) or 1.0
    kind = student.layers[-1].type
    low, high = (kind.min, kind.max) if quantized and kind else (-math.inf, math.inf)

    def distillation(total: Any, found: Any, scores: Any, vector: Any) -> Any:
        target = tf.clip_by_value(vector, low, high)
        of_vector = tf.reduce_mean(tf.square(found[0] - target), axis=1) / spread
        of_score = tf.square(tf.math.log(factor * total + floor) - tf.math.log(scores + floor))
        return settings.loss.vector * of_vector + settings.loss.score * of_score

    return distillation


def _unit(scores: Floats) -> float:
    """The median score: what regress measures scores in."""
    return max(float(np.median(scores)), 1e-6 * float(np.abs(scores).max()))


def _arrays(samples: tuple[Sample, ...], regress: bool) -> tuple[Floats, ...]:
    """x, weights, scores, vector of several samples as one; vector is empty for regression."""
    samples = tuple(sample for sample in samples if len(sample.x))

    def vector_in(sample: Sample) -> Floats:
        if regress or sample.vector is None:
            return np.zeros((len(sample.x), 0))
        return sample.vector

    return (
        np.concatenate([sample.x for sample in samples]),
        np.concatenate([sample.weights for sample in samples]),
        np.concatenate([sample.scores for sample in samples]),
        np.concatenate([vector_in(sample) for sample in samples]),
    )


def _report(student: Student, task: StudentTask, fitted: _Fitted) -> StudentReport:
    network = lower(student)
    background = task.validation
    mantissas = task.input_type.mantissas(background.x)
    scores = network.scores(mantissas)
    saturation = network.saturation(mantissas)
    spearman = float(spearmanr(scores, background.scores).statistic) if np.ptp(scores) else 0.0
    saturated = float(np.mean(scores == network.score_type.max_mantissa))
    record = {
        "best_epoch": fitted.epoch,
        "validation_loss": fitted.loss if math.isfinite(fitted.loss) else None,
        "spearman": spearman,
        "saturated": saturated,
        "saturation": saturation,
        "multiplications": network.multiplications,
    }
    if student.mode == "regress":
        record["score_meaning"] = "log1p(teacher score / unit)"
        record["unit"] = _unit(task.train.scores)
    return StudentReport(
        student=replace(student, record=record),
        network=network,
        spearman=spearman,
        saturated=saturated,
        saturation=saturation,
        best_epoch=fitted.epoch,
        validation_loss=fitted.loss,
    )


def _write_curve(path: Path, curve: Curve) -> None:
    lines = ["phase,epoch,loss,validation"]
    lines += [f"{phase},{epoch},{loss:.9g},{val:.9g}" for phase, epoch, loss, val in curve]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
