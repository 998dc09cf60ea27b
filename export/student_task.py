"""What a student learns from: background, points around it, and the teacher's answers there.

All of it is plain arrays, made where the teacher lives, so that the training itself can run in a
process of its own. No signal is among them. Every input lies on the grid of the input format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Floats
from naetrigger.contracts.score import ArrayAlgebra, evaluate, score_named
from naetrigger.export.student import vector_of
from naetrigger.export.student_settings import Points

LANGEVIN_FOR_VALIDATION = 5  # every fifth negative sample is kept from training


@dataclass(frozen=True)
class Dense:
    """One layer of a teacher: weights (n_in, n_out), bias (n_out,), ReLU or not."""

    weights: Floats
    bias: Floats
    relu: bool


@dataclass(frozen=True)
class Answers:
    """What a teacher says of inputs: scores (N,), and the vector (N, D) its score reads."""

    scores: Floats
    vector: Floats | None


@dataclass(frozen=True)
class Teacher:
    """A float model whose score a student shall give.

    score : its name in contracts/score.py
    answer : inputs (N, F) -> Answers; vector may be None if the student only regresses
    encoder, decoder : its layers, if it is a stack of dense ReLU layers
    """

    score: str
    answer: Callable[[Floats], Answers]
    encoder: tuple[Dense, ...] = ()
    decoder: tuple[Dense, ...] = ()


@dataclass(frozen=True)
class Sample:
    """Inputs (N, F) with weights (N,) and the teacher's answers."""

    x: Floats
    weights: Floats
    scores: Floats
    vector: Floats | None


@dataclass(frozen=True)
class StudentTask:
    """Everything that training a student needs, settings aside.

    points, validation_points : around training and validation background
    encoder, decoder : the teacher's layers; empty if it has none that a student can start from
    """

    input_type: Fixed
    columns: tuple[str, ...]
    teacher_score: str
    train: Sample
    validation: Sample
    points: Sample
    validation_points: Sample
    encoder: tuple[Dense, ...] = ()
    decoder: tuple[Dense, ...] = ()


def dense_teacher(
    encoder: tuple[Dense, ...], decoder: tuple[Dense, ...], score: str = "squared_error"
) -> Teacher:
    """A teacher from its layers alone, evaluated in numpy."""

    def answer(x: Floats) -> Answers:
        latent = _through(encoder, np.asarray(x, dtype=np.float64))
        values = {"x": x, "latent": latent, "reconstruction": _through(decoder, latent)}
        chosen = score_named(score)
        total = evaluate(chosen.expression, values, ArrayAlgebra())
        return Answers(total * chosen.factor(x.shape[1]), values[vector_of(chosen)])

    return Teacher(score, answer, encoder, decoder)


def float_teacher(model: Any) -> Teacher:
    """A teacher from a trained `naetrigger.training` network (torch)."""
    import torch

    like = next(model.parameters())

    @torch.no_grad()
    def answer(x: Floats) -> Answers:
        inputs = torch.as_tensor(x, dtype=like.dtype, device=like.device)
        scores = model.scores(inputs).cpu().numpy().astype(np.float64)
        if not hasattr(model, "encode"):
            return Answers(scores, None)
        latent = model.encode(inputs)
        values = {"latent": latent, "reconstruction": model.decode(latent)}
        vector = values[vector_of(model.score)].cpu().numpy().astype(np.float64)
        return Answers(scores, vector)

    if not hasattr(model, "encode"):
        return Teacher(model.score.name, answer)
    try:
        layers = [_dense(layer) for layer in model.layers]
    except (TypeError, ValueError):
        return Teacher(model.score.name, answer)
    split = sum(isinstance(part, torch.nn.Linear) for part in model.encoder.modules())
    return Teacher(model.score.name, answer, tuple(layers[:split]), tuple(layers[split:]))


def student_task(
    teacher: Teacher,
    input_type: Fixed,
    columns: tuple[str, ...],
    train: tuple[npt.ArrayLike, npt.ArrayLike],
    validation: tuple[npt.ArrayLike, npt.ArrayLike],
    points: Points,
    seed: int,
    negatives: npt.ArrayLike | None = None,
) -> StudentTask:
    """The task of a student of `teacher` on background (inputs (N, F), weights (N,)).

    negatives : samples (M, F) of the teacher's own density, of Langevin chains
    Raises InputError for NaN, infinity, wrong shapes, an empty sample or constant scores.
    """
    samples: list[Sample] = []
    held = np.asarray(negatives if negatives is not None else np.empty((0, len(columns))))
    kept = np.arange(len(held)) % LANGEVIN_FOR_VALIDATION == LANGEVIN_FOR_VALIDATION - 1
    for part, (x, weights), own in (
        ("training", train, held[~kept]),
        ("validation", validation, held[kept]),
    ):
        rng = np.random.default_rng([seed, len(samples)])
        background, w = checked(part, x, weights, input_type, len(columns))
        around, share = points_around(background, w, input_type, points, rng, own)
        samples += [answered(teacher, background, w), answered(teacher, around, share)]
    if not np.ptp(samples[0].scores) > 0:
        raise InputError("student: the teacher gives all training background the same score")
    return StudentTask(
        input_type=input_type,
        columns=columns,
        teacher_score=teacher.score,
        train=samples[0],
        points=samples[1],
        validation=samples[2],
        validation_points=samples[3],
        encoder=teacher.encoder,
        decoder=teacher.decoder,
    )


def points_around(
    x: Floats,
    weights: Floats,
    input_type: Fixed,
    points: Points,
    rng: np.random.Generator,
    negatives: Floats,
) -> tuple[Floats, Floats]:
    """Points (M, F) around background (N, F), on the input grid, and their weights (M,).

    Background weights have mean 1, so N is its total weight; each kind of points has its share.
    """
    kinds = [
        (_smeared(x, weights, points, rng), points.noise_share),
        (negatives, points.langevin_share),
        (_uniform(x, points.uniform_count, rng), points.uniform_share),
    ]
    kinds = [(kind, share) for kind, share in kinds if len(kind) and share > 0]
    around = np.concatenate([np.empty((0, x.shape[1])), *(kind for kind, _ in kinds)])
    shares = [np.full(len(kind), share * len(x) / len(kind)) for kind, share in kinds]
    return on_grid(around, input_type), np.concatenate([np.empty(0), *shares])


def on_grid(x: Floats, input_type: Fixed) -> Floats:
    """The nearest inputs that hardware can receive; beyond the range, its ends."""
    return input_type.quantize(np.clip(x, input_type.min, input_type.max))


def _smeared(x: Floats, weights: Floats, points: Points, rng: np.random.Generator) -> Floats:
    if not points.noise_widths:
        return x[:0]
    rows = rng.choice(len(x), points.noise_count, p=weights / weights.sum())
    widths = rng.choice(points.noise_widths, (points.noise_count, 1))
    noise: Floats = rng.standard_normal((points.noise_count, x.shape[1]))
    smeared: Floats = x[rows] + noise * widths * x.std(axis=0)
    return smeared


def _uniform(x: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Uniform over the box of the background, widened by a quarter of its size on each side."""
    low, high = x.min(axis=0), x.max(axis=0)
    margin = (high - low) / 4
    points: Floats = rng.uniform(low - margin, high + margin, (count, x.shape[1]))
    return points


def answered(teacher: Teacher, x: Floats, weights: Floats, seen: Floats | None = None) -> Sample:
    """Inputs with the teacher's answers; `seen` is what the teacher sees where it is not x."""
    if not len(x):
        return Sample(x, weights, np.empty(0), None)
    answers = teacher.answer(x if seen is None else seen)
    scores = np.asarray(answers.scores, dtype=np.float64)
    if scores.shape != (len(x),) or not np.all(np.isfinite(scores)):
        raise InputError(
            f"student: the teacher must give {len(x)} finite scores, got shape {scores.shape} "
            f"with {np.count_nonzero(~np.isfinite(scores))} not finite"
        )
    return Sample(x, weights, scores, answers.vector if seen is None else None)


def checked(
    part: str, x: npt.ArrayLike, weights: npt.ArrayLike, input_type: Fixed, n_inputs: int
) -> tuple[Floats, Floats]:
    """Background on the input grid and weights of mean 1."""
    values, w = np.asarray(x, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != n_inputs or w.shape != values.shape[:1]:
        raise InputError(
            f"student: {part} background must have shapes (N, {n_inputs}) and (N,), "
            f"got {values.shape} and {w.shape}"
        )
    if not len(values):
        raise InputError(f"student: there is no {part} background")
    if not (np.all(np.isfinite(values)) and np.all(np.isfinite(w))):
        raise InputError(f"student: {part} background holds NaN or infinity; remove those events")
    if w.min() < 0 or not w.sum() > 0:
        raise InputError(f"student: {part} weights must be >= 0 and not all 0")
    return on_grid(values, input_type), w / w.mean()


def _through(layers: tuple[Dense, ...], x: Floats) -> Floats:
    for layer in layers:
        x = x @ layer.weights + layer.bias
        x = np.maximum(x, 0) if layer.relu else x
    return x


def _dense(layer: Any) -> Dense:
    """A torch layer of a stack; ValueError if its activation is none that hardware has."""
    if layer.activation not in ("relu", "linear"):
        raise ValueError(f"activation '{layer.activation}' is no ReLU")
    weights, bias = layer.linear.weight, layer.linear.bias
    return Dense(
        weights.detach().cpu().numpy().T.astype(np.float64),
        bias.detach().cpu().numpy().astype(np.float64),
        layer.activation == "relu",
    )
