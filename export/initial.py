"""The student before training: the teacher's own weights, or fresh ones of a smaller shape."""

from __future__ import annotations

import itertools
import math

import numpy as np

from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.contracts.fixed_point import Fixed
from naetrigger.contracts.score import score_named
from naetrigger.export.student import Student, StudentLayer, vector_of
from naetrigger.export.student_settings import StudentSettings
from naetrigger.export.student_task import Dense, StudentTask

_UNSET = Fixed(True, 24, 8)  # stands until formats are chosen


def starting_student(
    task: StudentTask, settings: StudentSettings, rng: np.random.Generator
) -> Student:
    """The student before training: the teacher's weights, or fresh ones; formats not chosen."""
    name = "regression" if settings.mode == "regress" else task.teacher_score
    score = score_named(name)
    layers = _layers(task, settings, vector_of(score), rng)
    names = [layer.name for layer in layers]
    unknown = [name for name in settings.layers if name not in names]
    if unknown:
        hint = suggestion(unknown[0], names)
        raise InputError(
            f"student.layers: no layer '{unknown[0]}'{hint} (there are {', '.join(names)})"
        )
    return Student(settings.mode, task.input_type, task.columns, layers, score, task.teacher_score)


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
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
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
