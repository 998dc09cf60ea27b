"""Training of the student: first without quantizers, then formats from data, then with them.

In `quantize` the teacher stands for the first step. What is learned is in export/fit.py, where in
export/student_task.py, why in docs/student.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.contracts.progress import Progress, Silent
from naetrigger.export.calibrate import edge_type, score_type, weight_types
from naetrigger.export.fit import Curve, Fitted, Look, Trainer
from naetrigger.export.initial import starting_student
from naetrigger.export.lower import lower, lower_student
from naetrigger.export.qkeras_student import libraries
from naetrigger.export.score_scale import score_scale
from naetrigger.export.student import Student, float_edges, write_student
from naetrigger.export.student_settings import StudentSettings
from naetrigger.export.student_task import StudentTask

Unquantized = dict[str, tuple[Student, Any]]
"""Students before quantizers by shape, and the state of the generator behind them."""


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
    curve: Curve = []
    report = fit_student(task, settings, seed, progress or Silent(), curve)
    network = write_trained(report, folder)
    _write_curve(folder / "curves.csv", curve)
    return replace(report, network=network)


def write_trained(report: StudentReport, folder: Path) -> FixedPointNetwork:
    """Write student.json, student.safetensors and network/; the network as it is read back."""
    folder.mkdir(parents=True, exist_ok=True)
    write_student(report.student, folder)
    return lower_student(folder)


def fit_student(
    task: StudentTask,
    settings: StudentSettings,
    seed: int,
    progress: Progress,
    curve: Curve,
    unquantized: Unquantized | None = None,
    look: Look | None = None,
) -> StudentReport:
    """Train, choose formats, lower; nothing is written.

    unquantized : keeps students as they are before quantizers, by shape, for calls with the same
        task and seed; the numbers are those of training them again
    look : see export.fit; what it raises ends the training
    """
    libs = libraries()
    libs.keras.utils.set_random_seed(seed)
    libs.tf.config.experimental.enable_op_determinism()
    start = starting_student(task, settings, np.random.default_rng([seed, 1]))
    trainer = Trainer(task, settings, seed, progress, curve)
    if settings.mode != "quantize":
        start = _without_quantizers(trainer, start, settings, unquantized)
    fitted = trainer.fit(with_formats(start, task, settings), quantized=True, look=look)
    return _report(with_score_type(fitted.student, task, settings), task, fitted)


def reported(
    student: Student, task: StudentTask, settings: StudentSettings, epoch: int
) -> StudentReport:
    """A student on its way, as it would be if its training ended after `epoch`."""
    return _report(with_score_type(student, task, settings), task, Fitted(student, epoch, math.inf))


def _without_quantizers(
    trainer: Trainer,
    start: Student,
    settings: StudentSettings,
    kept: Unquantized | None,
) -> Student:
    said = {"mode", "hidden", "latent", "loss", "batch_size", "float_epochs", "float_learning_rate"}
    key = settings.model_dump_json(include=said)
    if kept is not None and key in kept:
        student, trainer.rng.bit_generator.state = kept[key]
        return student
    student = trainer.fit(start, quantized=False).student
    if kept is not None:
        kept[key] = student, trainer.rng.bit_generator.state
    return student


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


def _report(student: Student, task: StudentTask, fitted: Fitted) -> StudentReport:
    network = lower(student)
    background = task.validation
    mantissas = task.input_type.mantissas(background.x)
    scores = network.scores(mantissas)
    saturation = network.saturation(mantissas)
    spearman = float(spearmanr(scores, background.scores).statistic) if np.ptp(scores) else 0.0
    saturated = float(np.mean(scores == network.score_type.max_mantissa))
    record: dict[str, Any] = {
        "best_epoch": fitted.epoch,
        "validation_loss": fitted.loss if math.isfinite(fitted.loss) else None,
        "spearman": spearman,
        "saturated": saturated,
        "saturation": saturation,
        "multiplications": network.multiplications,
    }
    if student.mode == "regress":
        scale = score_scale(task.train.scores, task.teacher_score)
        record |= {"score_meaning": scale.meaning, "centre": scale.centre, "unit": scale.unit}
        record["lowest"] = scale.lowest
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
