"""The training of a teacher, with the plain autoencoder beside it: one function, `train`, that
ends with the same bytes however often it was killed on the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.progress import Progress, Silent
from naetrigger.training.batches import batches
from naetrigger.training.checkpoint import remove_checkpoint
from naetrigger.training.curves import write_curves
from naetrigger.training.fit import Fitted, fit
from naetrigger.training.settings import AeObjective, ObjectiveSettings, TrainingSettings
from naetrigger.training.teacher import save_teacher

TEACHER = "teacher"
BASELINE = "baseline_ae"


@dataclass(frozen=True)
class TrainingResult:
    """The teacher, and the plain autoencoder of the same shape if one was asked for."""

    folder: Path
    teacher: Fitted
    baseline: Fitted | None


def train(
    settings: TrainingSettings,
    train_inputs: npt.NDArray[np.float32],
    validation_inputs: npt.NDArray[np.float32],
    folder: Path,
    *,
    columns: Sequence[str] | None = None,
    train_weights: npt.NDArray[np.float64] | None = None,
    validation_weights: npt.NDArray[np.float64] | None = None,
    train_labels: npt.NDArray[np.floating] | None = None,
    validation_labels: npt.NDArray[np.floating] | None = None,
    progress: Progress | None = None,
) -> TrainingResult:
    """Train on standardised inputs and write the teacher into `folder`.

    Parameters
    ----------
    train_inputs, validation_inputs : (N, F) and (V, F), finite, standardised; background alone
    folder : existing or not; a checkpoint found there is gone on from
    columns : the F input names, kept in teacher.json; none: x0, x1, ...
    train_weights, validation_weights : (N,) and (V,), needed if objective.use_weights is set
    train_labels, validation_labels : (N,) and (V,), each event's class as a number, needed where
        the objective has `labels`

    Writes teacher.safetensors, teacher.json, curves.csv, and with objective.baseline_steps > 0
    baseline_ae.safetensors, baseline_ae.json and curves_baseline_ae.csv.

    Raises InputError for data that cannot be trained on or a checkpoint of another training,
    TrainingDiverged where the objective's stop fires or the loss is no finite number.
    """
    names = _columns(columns, train_inputs)
    data = batches(
        settings,
        train_inputs,
        validation_inputs,
        train_weights,
        validation_weights,
        names,
        train_labels,
        validation_labels,
    )
    folder.mkdir(parents=True, exist_ok=True)
    progress = Silent() if progress is None else progress
    runs = {TEACHER: settings.objective}
    if settings.objective.baseline_steps:
        runs[BASELINE] = _baseline_objective(settings.objective)
    with _threads(settings.threads):
        fitted = {
            stem: fit(
                stem,
                settings,
                objective,
                data if stem == TEACHER else data.without_classes(),
                _checkpoint(folder, stem),
                _curves(folder, stem),
                progress,
            )
            for stem, objective in runs.items()
        }
    for stem, result in fitted.items():
        _write_outputs(stem, result, settings, runs[stem], folder, names)
    for stem in runs:
        remove_checkpoint(_checkpoint(folder, stem))
    return TrainingResult(folder, fitted[TEACHER], fitted.get(BASELINE))


def is_finished(folder: Path) -> bool:
    """Whether `train` came to its end in `folder`: all outputs there, no checkpoint left."""
    teacher = folder / f"{TEACHER}.json"
    return teacher.exists() and not any(folder.glob(f"{_checkpoint(folder, '*').name}*"))


def _write_outputs(
    stem: str,
    fitted: Fitted,
    settings: TrainingSettings,
    objective: ObjectiveSettings,
    folder: Path,
    columns: tuple[str, ...],
) -> None:
    facts = {
        "seed": settings.seed,
        "step": fitted.step,
        "steps_done": fitted.steps_done,
        "stopped_by": fitted.stopped_by,
        "criterion": fitted.criterion,
    }
    save_teacher(folder, stem, fitted.model, columns, objective, facts)
    write_curves(_curves(folder, stem), fitted.curves.tolist())


def _baseline_objective(objective: ObjectiveSettings) -> AeObjective:
    return AeObjective(
        steps=objective.baseline_steps,
        batch_size=objective.batch_size,
        use_weights=objective.use_weights,
        validate_every=objective.validate_every,
        validation_size=objective.validation_size,
        patience=objective.patience,
        checkpoint_every=objective.checkpoint_every,
        curve_every=objective.curve_every,
    )


def _columns(columns: Sequence[str] | None, inputs: npt.NDArray[np.float32]) -> tuple[str, ...]:
    if columns is None:
        return tuple(f"x{i}" for i in range(inputs.shape[-1]))
    if len(columns) != inputs.shape[-1]:
        raise InputError(
            f"training: {len(columns)} column names for {inputs.shape[-1]} input columns"
        )
    return tuple(columns)


def _checkpoint(folder: Path, stem: str) -> Path:
    return folder / f"checkpoint_{stem}.safetensors"


def _curves(folder: Path, stem: str) -> Path:
    return folder / ("curves.csv" if stem == TEACHER else f"curves_{stem}.csv")


@contextmanager
def _threads(n: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
