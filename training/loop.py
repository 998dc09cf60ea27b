"""The training of a teacher, with the plain autoencoder beside it: one function, `train`, that
ends with the same bytes however often it was killed on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError, NaetriggerError
from naetrigger.contracts.progress import Progress, Silent
from naetrigger.training.batches import Batches, batches
from naetrigger.training.checkpoint import remove_checkpoint, tensor_bytes, tensors_from
from naetrigger.training.curves import write_curves
from naetrigger.training.fit import checkpoint_file, curves_file, fit
from naetrigger.training.processes import Processes, part, together
from naetrigger.training.run import Fitted
from naetrigger.training.settings import AeObjective, ObjectiveSettings, TrainingSettings
from naetrigger.training.teacher import save_teacher
from naetrigger.training.threads import torch_threads
from naetrigger.training.trajectories import TRAJECTORIES, write_trajectories

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
    train_inputs: npt.ArrayLike,
    validation_inputs: npt.ArrayLike,
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
    train_inputs, validation_inputs : (N, F) and (V, F), finite, standardised; background alone;
        arrays, or what NumPy makes arrays of (tensors on the CPU, say)
    folder : existing or not; a checkpoint found there is gone on from
    columns : the F input names, kept in teacher.json; none: x0, x1, ...
    train_weights, validation_weights : (N,) and (V,), needed if objective.use_weights is set
    train_labels, validation_labels : (N,) and (V,), each event's class as a number, needed where
        the objective has `labels`

    Writes teacher.safetensors, teacher.json, curves.csv, and with objective.baseline_steps > 0
    baseline_ae.safetensors, baseline_ae.json and curves_baseline_ae.csv; with settings.trajectories
    trajectories.h5. Where `torchrun` has started several processes, the others must `follow`.

    Raises InputError for data that cannot be trained on or a checkpoint of another training,
    TrainingDiverged where the objective's stop fires or the loss is no finite number.
    """
    _require_used(settings)
    train_array = _array("training", train_inputs)
    names = _columns(columns, train_array)
    data = batches(
        settings,
        train_array,
        _array("validation", validation_inputs),
        train_weights,
        validation_weights,
        names,
        train_labels,
        validation_labels,
    )
    _require_chains(settings)
    folder.mkdir(parents=True, exist_ok=True)
    processes = together()
    if processes.size > 1:
        processes.from_first(_task(settings, data))
    fitted = _fit_all(settings, data, folder, progress or Silent(), processes)
    for stem, result in fitted.items():
        _write_outputs(stem, result, settings, _objectives(settings)[stem], folder, names)
    for stem in fitted:
        remove_checkpoint(checkpoint_file(folder, stem))
    return TrainingResult(folder, fitted[TEACHER], fitted.get(BASELINE))


def follow() -> None:
    """What each process that `torchrun` started does, but for the first, which calls `train`:
    its share of all that the first one trains, until that one calls `dismiss`. It needs no file.
    """
    processes = together()
    while content := processes.from_first(b""):
        settings, data = _from_task(content)
        # what is wrong, the first process finds too: it says so, and its end ends the others
        with suppress(NaetriggerError):
            _fit_all(settings, data, None, Silent(), processes)
    part()


def dismiss() -> None:
    """Let the processes go that `follow` this one; nothing where there are none."""
    processes = together()
    if processes.size > 1:
        processes.from_first(b"")
        part()


def _fit_all(
    settings: TrainingSettings,
    data: Batches,
    folder: Path | None,
    progress: Progress,
    processes: Processes,
) -> dict[str, Fitted]:
    """The teacher, and the baseline if there is one."""
    with torch_threads(settings.threads):
        return {
            stem: fit(
                stem,
                settings,
                objective,
                data if stem == TEACHER else data.without_classes(),
                folder,
                progress,
                processes,
            )
            for stem, objective in _objectives(settings).items()
        }


def _objectives(settings: TrainingSettings) -> dict[str, ObjectiveSettings]:
    objectives: dict[str, ObjectiveSettings] = {TEACHER: settings.objective}
    if settings.objective.baseline_steps:
        objectives[BASELINE] = _baseline_objective(settings.objective)
    return objectives


def _task(settings: TrainingSettings, data: Batches) -> bytes:
    """All that another process needs, as a safetensors file."""
    tensors = {"train": data.train, "validation": data.validation}
    if data.cumulated is not None:
        tensors["cumulated"] = data.cumulated
    facts = {
        "settings": settings.model_dump(mode="json"),
        "n_inputs": data.n_inputs,
        "fingerprint": data.fingerprint,
    }
    return tensor_bytes(tensors, facts)


def _from_task(content: bytes) -> tuple[TrainingSettings, Batches]:
    tensors, facts = tensors_from(content, "task of the first process")
    data = Batches(
        train=tensors["train"],
        validation=tensors["validation"],
        n_inputs=facts["n_inputs"],
        cumulated=tensors.get("cumulated"),
        fingerprint=facts["fingerprint"],
    )
    return TrainingSettings.model_validate(facts["settings"]), data


def _require_used(settings: TrainingSettings) -> None:
    unused = settings.objective.unused(settings.model)
    if unused:
        raise InputError(unused)


def _require_chains(settings: TrainingSettings) -> None:
    if settings.trajectories and not hasattr(settings.objective, "chain"):
        raise InputError(
            f"training.trajectories: objective '{settings.objective.name}' has no chains; set it "
            "to 0, or choose an objective that draws samples"
        )


def is_finished(folder: Path) -> bool:
    """Whether `train` came to its end in `folder`: all outputs there, no checkpoint left."""
    teacher = folder / f"{TEACHER}.json"
    return teacher.exists() and not any(folder.glob(f"{checkpoint_file(folder, '*').name}*"))


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
    if fitted.temperature is not None:
        facts["temperature"] = fitted.temperature
    save_teacher(folder, stem, fitted.model, columns, objective, facts)
    write_curves(curves_file(folder, stem), fitted.curves.tolist())
    if fitted.chains:
        write_trajectories(folder / TRAJECTORIES, fitted.chains, columns, fitted.step)


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


def _array(sample: str, inputs: npt.ArrayLike) -> npt.NDArray[np.float32]:
    try:
        array = np.atleast_1d(np.asarray(inputs))
        return array if array.dtype.kind == "f" else array.astype(np.float32)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged, text, a tensor with a gradient
        raise InputError(f"{sample} inputs: are no array of numbers ({error})") from error


def _columns(columns: Sequence[str] | None, inputs: npt.NDArray[np.float32]) -> tuple[str, ...]:
    if columns is None:
        return tuple(f"x{i}" for i in range(inputs.shape[-1]))
    if len(columns) != inputs.shape[-1]:
        raise InputError(
            f"training: {len(columns)} column names for {inputs.shape[-1]} input columns"
        )
    return tuple(columns)
