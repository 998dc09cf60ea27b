"""The training loop: Adam over background and points around it, with or without quantizers.

The loss at input x with teacher vector t (its reconstruction or latent) and score E_t, student
vector v and score E_s:

    vector * |v - t|^2 / V  +  score * (log(E_s + floor) - log(E_t + floor))^2

V is the mean of |x - t|^2 (of the latent's square) on background and floor a fraction of the
median score, so both terms are numbers of order one. The log makes an error of 10% count alike
for small and large scores: what a threshold anywhere in the spectrum needs. With quantizers t is
cut at the range of v's format. `regress` learns the score alone, on the scale of score_scale.py,
by squared error.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from naetrigger.contracts.errors import TrainingDiverged
from naetrigger.contracts.fixed_point import Floats, Integers
from naetrigger.contracts.progress import Progress
from naetrigger.export.qkeras_student import keras_graph, libraries
from naetrigger.export.score_scale import ScoreScale, score_scale
from naetrigger.export.student import SCORE, Student
from naetrigger.export.student_settings import Pruning, StudentSettings
from naetrigger.export.student_task import Sample, StudentTask

Curve = list[tuple[str, int, float, float]]
"""(phase, epoch, loss, validation loss)"""

Look = Callable[[int, Callable[[], Student]], None]
"""Told the epoch and how to get the student, after each epoch with quantizers."""


@dataclass(frozen=True)
class Fitted:
    student: Student
    epoch: int
    loss: float


class Trainer:
    """Adam over background and points, in one compiled graph a batch."""

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
        scale = score_scale(task.train.scores, task.teacher_score) if regress else None
        self.train = _arrays((task.train, task.points), scale)
        self.validation = _arrays((task.validation, task.validation_points), scale)

    def fit(self, student: Student, quantized: bool, look: Look | None = None) -> Fitted:
        """The student with the weights of the best validation loss."""
        settings = self.settings
        epochs = settings.epochs if quantized else settings.float_epochs
        rate = settings.learning_rate if quantized else settings.float_learning_rate
        phase = "quantized" if quantized else "float"
        if not epochs:
            return Fitted(student, 0, math.inf)
        run = _Run(student, self.task, settings, self.train, self.validation, quantized)
        sparsities = schedule(settings.pruning, epochs) if quantized else [0.0] * epochs
        best = Fitted(student, 0, run.validate())
        self._finite(best.loss, phase, 0)
        if sparsities[-1]:
            best = Fitted(student, 0, math.inf)  # whole, so it is no candidate
        self.progress.start(f"student, {phase}", epochs)
        for epoch in range(1, epochs + 1):
            order = self._order()
            run.prune(sparsities[epoch - 1])
            loss = run.epoch(order, rate * 0.5 * (1 + math.cos(math.pi * (epoch - 1) / epochs)))
            validation = run.validate()
            self._finite(loss + validation, phase, epoch)
            self.curve.append((phase, epoch, loss, validation))
            self.progress.update(epoch, loss=loss, validation=validation)
            if validation < best.loss and sparsities[epoch - 1] == sparsities[-1]:
                best = Fitted(run.student(), epoch, validation)
            if look is not None:
                look(epoch, run.student)
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
    """A Keras model, its optimiser and the compiled steps over the data."""

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
        self.masks = _masks(student, self.model, libs.tf) if settings.pruning.sparsity else []
        self.train = [libs.tf.constant(a, libs.tf.float32) for a in train]
        self.validation = [libs.tf.constant(a, libs.tf.float32) for a in validation]
        self._batch = libs.tf.function(self._gathered)
        self._validate = libs.tf.function(lambda: self._mean_loss(*self.validation))

    def epoch(self, order: Integers, rate: float) -> float:
        """A call for each batch: with all of them in one graph's loop, TensorFlow gave other losses
        for the same weights and inputs, now and then, on one thread as well."""
        self.optimizer.learning_rate.assign(rate)
        losses = [self._batch(rows) for rows in self.tf.constant(order)]
        return float(np.mean([loss.numpy() for loss in losses], dtype=np.float64))

    def prune(self, sparsity: float) -> None:
        """Zero that fraction of each layer's weights, the smallest; it never gives one back."""
        if sparsity <= 0:
            return
        for kernel, mask in self.masks:
            magnitudes = np.abs(kernel.numpy()) * mask.numpy()
            order = np.argsort(magnitudes, axis=None, kind="stable")
            kept = np.ones(magnitudes.size, np.float32)
            kept[order[: round(sparsity * magnitudes.size)]] = 0
            mask.assign(kept.reshape(magnitudes.shape))
            kernel.assign(kernel * mask)

    def validate(self) -> float:
        return float(self._validate())

    def student(self) -> Student:
        layers = []
        for layer in self.start.layers:
            dense = self.model.get_layer(layer.name)
            weights, bias = dense.kernel.numpy(), dense.bias.numpy()
            layers.append(replace(layer, weights=weights, bias=bias))
        return replace(self.start, layers=tuple(layers))

    def _gathered(self, rows: Any) -> Any:
        return self._step(*(self.tf.gather(a, rows) for a in self.train))

    def _step(self, *batch: Any) -> Any:
        with self.tf.GradientTape() as tape:
            loss = self._mean_loss(*batch)
        variables = self.model.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        for variable, low, high in self.limits:
            variable.assign(self.tf.clip_by_value(variable, low, high))
        for kernel, mask in self.masks:
            kernel.assign(kernel * mask)
        return loss

    def _mean_loss(self, x: Any, weights: Any, scores: Any, vector: Any) -> Any:
        outputs = self.model(x, training=True)
        score, *found = outputs if isinstance(outputs, list | tuple) else [outputs]
        loss = self.loss(score[:, 0], found, scores, vector)
        return self.tf.reduce_sum(weights * loss) / self.tf.reduce_sum(weights)


def schedule(pruning: Pruning, epochs: int) -> list[float]:
    """Sparsity in each epoch: 0 before `begin`, then s (1 - (1 - t)^3) until `end`."""
    span = max(pruning.end - pruning.begin, 1e-9)
    past = [min(max((epoch / epochs - pruning.begin) / span, 0.0), 1.0) for epoch in range(epochs)]
    return [pruning.sparsity * (1 - (1 - t) ** 3) for t in past]


def _masks(student: Student, model: Any, tf: Any) -> list[tuple[Any, Any]]:
    """Each layer's weights and what is kept of them, 1 or 0."""
    kernels = [model.get_layer(layer.name).kernel for layer in student.layers]
    return [(kernel, tf.Variable(tf.ones_like(kernel), trainable=False)) for kernel in kernels]


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
        highest = score_scale(background.scores, task.teacher_score).highest

        def regression(total: Any, _: Any, targets: Any, __: Any) -> Any:
            short = tf.minimum(total - highest, 0.0)
            return tf.square(tf.where(targets < highest, total - targets, short))

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


def _arrays(samples: tuple[Sample, ...], scale: ScoreScale | None) -> tuple[Floats, ...]:
    """x, weights, scores, vector of several samples as one.

    For regression the scores are those on `scale`, and vector is empty.
    """
    samples = tuple(sample for sample in samples if len(sample.x))

    def vector_in(sample: Sample) -> Floats:
        if scale or sample.vector is None:
            return np.zeros((len(sample.x), 0))
        return sample.vector

    return (
        np.concatenate([sample.x for sample in samples]),
        np.concatenate([sample.weights for sample in samples]),
        np.concatenate([scale.target(s.scores) if scale else s.scores for s in samples]),
        np.concatenate([vector_in(sample) for sample in samples]),
    )
