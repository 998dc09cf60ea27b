"""The training loop: one function, `train`, that ends with the same bytes however often it was
killed on the way.

Everything random comes from one generator whose state is in every checkpoint; validations use a
generator of their own, seeded alike each time, so that their noise is the same noise. Weights
are kept at the smallest smoothed criterion (see docs/training.md), and no signal is looked at.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from naetrigger.contracts.errors import InputError, TrainingDiverged
from naetrigger.contracts.progress import Progress, Silent
from naetrigger.training.checkpoint import read_checkpoint, write_atomic, write_checkpoint
from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.objectives import build_objective
from naetrigger.training.settings import (
    AeObjective,
    ObjectiveSettings,
    TrainingSettings,
)
from naetrigger.training.teacher import save_autoencoder

TEACHER = "teacher"
BASELINE = "baseline_ae"
CURVES = (
    "step",
    "loss",
    "positive_energy",
    "negative_energy",
    "distance",
    "validation",
    "validation_smoothed",
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """One trained model and where its training ended."""

    model: Autoencoder
    step: int
    """The step whose weights were kept."""
    steps_done: int
    criterion: float | None
    """The smallest smoothed validation criterion; none: never judged."""
    stopped_by: str
    """'steps' (all done) or 'patience' (no better for too long)."""
    curves: npt.NDArray[np.float64]
    """(rows, len(CURVES)); NaN where there is no value."""


@dataclass(frozen=True)
class TrainingResult:
    """The teacher, and the plain autoencoder of the same shape if one was asked for."""

    folder: Path
    teacher: Fitted
    baseline: Fitted | None


@dataclass(frozen=True)
class _Data:
    """Training and validation events, and the cumulated weights to draw the former by."""

    train: Tensor  # (N, F)
    validation: Tensor  # (V, F)
    cumulated: Tensor | None  # (N,) float64, last entry 1
    fingerprint: str

    def batch(self, size: int, generator: torch.Generator) -> Tensor:
        n = len(self.train)
        if self.cumulated is None:
            return self.train[torch.randint(n, (size,), generator=generator)]
        u = torch.rand(size, generator=generator, dtype=torch.float64)
        return self.train[torch.searchsorted(self.cumulated, u, right=True).clamp_max(n - 1)]


def train(
    settings: TrainingSettings,
    train_inputs: npt.NDArray[np.float32],
    validation_inputs: npt.NDArray[np.float32],
    folder: Path,
    *,
    columns: Sequence[str] | None = None,
    train_weights: npt.NDArray[np.float64] | None = None,
    validation_weights: npt.NDArray[np.float64] | None = None,
    progress: Progress | None = None,
) -> TrainingResult:
    """Train on standardised inputs and write the teacher into `folder`.

    Parameters
    ----------
    train_inputs, validation_inputs : (N, F) and (V, F), finite, standardised; background alone
    folder : existing or not; a checkpoint found there is gone on from
    columns : the F input names, kept in teacher.json; none: x0, x1, ...
    train_weights, validation_weights : (N,) and (V,), needed if objective.use_weights is set

    Writes teacher.safetensors, teacher.json, curves.csv, and with objective.baseline_steps > 0
    baseline_ae.safetensors, baseline_ae.json and curves_baseline_ae.csv.

    Raises InputError for data that cannot be trained on or a checkpoint of another training,
    TrainingDiverged where the objective's stop fires or the loss is no finite number.
    """
    names = _columns(columns, train_inputs)
    data = _data(
        settings, train_inputs, validation_inputs, train_weights, validation_weights, names
    )
    folder.mkdir(parents=True, exist_ok=True)
    progress = Silent() if progress is None else progress
    runs = {TEACHER: settings.objective}
    if settings.objective.baseline_steps:
        runs[BASELINE] = _baseline_objective(settings.objective)
    with _threads(settings.threads):
        fitted = {
            stem: _fit(stem, settings, objective, data, folder, progress)
            for stem, objective in runs.items()
        }
    for stem, result in fitted.items():
        _write_outputs(stem, result, settings, runs[stem], folder, names)
    for stem in runs:
        _checkpoint(folder, stem).unlink(missing_ok=True)
    return TrainingResult(folder, fitted[TEACHER], fitted.get(BASELINE))


class _Run:
    """A training in progress: all that changes from step to step, to and from a checkpoint."""

    def __init__(
        self, stem: str, settings: TrainingSettings, objective: ObjectiveSettings, data: _Data
    ) -> None:
        self.stem = stem
        self.settings = objective
        self.seed = settings.seed
        self.data = data
        self.objective = build_objective(objective)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.model = build_model(settings.model, data.train.shape[1], self.generator)
        self.best = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(),
            lr=objective.learning_rate,
            weight_decay=objective.weight_decay,
            fused=True,
        )
        self.state = self.objective.start(self.model)
        self.criteria: list[float] = []
        self.best_step = 0
        self.best_value: float | None = None
        self.best_index = -1
        self.rows: list[list[float]] = []

    @property
    def out_of_patience(self) -> bool:
        return len(self.criteria) - 1 - self.best_index >= self.settings.patience

    @property
    def finished(self) -> bool:
        return self.state.step >= self.settings.steps or self.out_of_patience

    def advance(self) -> dict[str, float]:
        """One optimiser step, and the validation if it is due; what to show of it."""
        s = self.settings
        batch = self.data.batch(s.batch_size, self.generator)
        result = self.objective.loss(self.model, batch, self.state, self.generator)
        shown = {"loss": result.loss.item(), **result.metrics}
        self._require_finite(shown)
        for group in self.optimiser.param_groups:
            group["lr"] = self.objective.learning_rate(self.state.step)
        self.optimiser.zero_grad()
        result.loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.state.step += 1
        step = self.state.step
        validated = step % s.validate_every == 0 or step == s.steps
        if validated:
            shown |= self._validate()
        if validated or step % s.curve_every == 0:
            values = {"step": float(step), **shown}
            self.rows.append([values.get(name, math.nan) for name in CURVES])
        return shown

    def _validate(self) -> dict[str, float]:
        generator = torch.Generator().manual_seed(self.seed)
        result = self.objective.validate(self.model, self.data.validation, self.state, generator)
        if result.criterion is None:
            self._keep(None)
            return result.metrics
        self._require_finite({"validation": result.criterion})
        self.criteria.append(result.criterion)
        recent = self.criteria[-self.settings.smoothing :]
        smoothed = sum(recent) / len(recent)
        if self.best_value is None or smoothed < self.best_value:
            self._keep(smoothed)
        return {
            **result.metrics,
            "validation": result.criterion,
            "validation_smoothed": smoothed,
        }

    def _keep(self, value: float | None) -> None:
        self.best = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.best_step, self.best_value = self.state.step, value
        self.best_index = len(self.criteria) - 1

    def _require_finite(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                raise TrainingDiverged(
                    f"{self.stem}: step {self.state.step}: {name} is {value}. Lower "
                    "objective.learning_rate, and look for values far out in the inputs"
                )

    def tensors(self) -> dict[str, Tensor]:
        flat = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        flat |= {f"best.{k}": v for k, v in self.best.items()}
        for i, moments in self.optimiser.state_dict()["state"].items():
            flat |= {f"optimiser.{i}.{k}": v for k, v in moments.items()}
        flat |= {f"state.{k}": v for k, v in self.state.tensors().items()}
        flat["generator"] = self.generator.get_state()
        flat["criteria"] = torch.tensor(self.criteria, dtype=torch.float64)
        flat["rows"] = torch.tensor(self.rows, dtype=torch.float64).reshape(-1, len(CURVES))
        return flat

    def facts(self) -> dict[str, Any]:
        return {
            "fingerprint": self.data.fingerprint,
            "step": self.state.step,
            "best_step": self.best_step,
            "best_value": self.best_value,
            "best_index": self.best_index,
        }

    def load(self, flat: dict[str, Tensor], facts: dict[str, Any]) -> None:
        self.model.load_state_dict(_under("model.", flat))
        self.best = _under("best.", flat)
        optimiser = self.optimiser.state_dict()
        for name, tensor in _under("optimiser.", flat).items():
            i, key = name.split(".")
            optimiser["state"].setdefault(int(i), {})[key] = tensor
        self.optimiser.load_state_dict(optimiser)
        self.state.load(facts["step"], _under("state.", flat))
        self.generator.set_state(flat["generator"])
        self.criteria = flat["criteria"].tolist()
        self.rows = flat["rows"].tolist()
        self.best_step, self.best_value = facts["best_step"], facts["best_value"]
        self.best_index = facts["best_index"]

    def result(self) -> Fitted:
        self.model.load_state_dict(self.best)
        return Fitted(
            model=self.model.eval(),
            step=self.best_step,
            steps_done=self.state.step,
            criterion=self.best_value,
            stopped_by="steps" if self.state.step >= self.settings.steps else "patience",
            curves=np.array(self.rows, dtype=np.float64).reshape(-1, len(CURVES)),
        )


def _fit(
    stem: str,
    settings: TrainingSettings,
    objective: ObjectiveSettings,
    data: _Data,
    folder: Path,
    progress: Progress,
) -> Fitted:
    run = _Run(stem, settings, objective, data)
    path = _checkpoint(folder, stem)
    if path.exists():
        _resume(run, path)
    progress.start(f"training {stem} ({objective.name})", objective.steps)
    progress.update(run.state.step)
    try:
        while not run.finished:
            shown = run.advance()
            if run.finished or run.state.step % objective.checkpoint_every == 0:
                write_checkpoint(path, run.tensors(), run.facts())
            progress.update(run.state.step, **shown)
    except TrainingDiverged:
        _write_curves(folder, stem, run.result().curves)
        path.unlink(missing_ok=True)  # going on from it would end the same way
        raise
    return run.result()


def _resume(run: _Run, path: Path) -> None:
    flat, facts = read_checkpoint(path)
    if facts.get("fingerprint") != run.data.fingerprint:
        raise InputError(
            f"{path}: comes from a training with other settings or data; delete it to train from "
            "the start, or choose another folder"
        )
    run.load(flat, facts)
    log.info("%s: going on from step %d", path, run.state.step)


def _write_outputs(
    stem: str,
    fitted: Fitted,
    settings: TrainingSettings,
    objective: ObjectiveSettings,
    folder: Path,
    columns: tuple[str, ...],
) -> None:
    facts = {
        "objective": objective.model_dump(mode="json"),
        "seed": settings.seed,
        "step": fitted.step,
        "steps_done": fitted.steps_done,
        "stopped_by": fitted.stopped_by,
        "criterion": fitted.criterion,
    }
    save_autoencoder(folder, stem, fitted.model, columns, facts)
    _write_curves(folder, stem, fitted.curves)


def _write_curves(folder: Path, stem: str, curves: npt.NDArray[np.float64]) -> None:
    lines = [",".join(CURVES)]
    for step, *values in curves.tolist():
        lines.append(",".join([str(int(step)), *("" if v != v else repr(v) for v in values)]))
    name = "curves.csv" if stem == TEACHER else f"curves_{stem}.csv"
    write_atomic(folder / name, ("\n".join(lines) + "\n").encode())


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


def _data(
    settings: TrainingSettings,
    train_inputs: npt.NDArray[np.float32],
    validation_inputs: npt.NDArray[np.float32],
    train_weights: npt.NDArray[np.float64] | None,
    validation_weights: npt.NDArray[np.float64] | None,
    columns: tuple[str, ...],
) -> _Data:
    objective = settings.objective
    n_inputs = len(columns)
    for name, inputs in (("training", train_inputs), ("validation", validation_inputs)):
        _require_inputs(name, inputs, columns)
    _warn_beyond_bounds(objective, train_inputs)
    cumulated = None
    probabilities = None
    if objective.use_weights:
        weights = _weights("training", train_weights, len(train_inputs))
        cumulated = torch.from_numpy(np.cumsum(weights))
        probabilities = _weights("validation", validation_weights, len(validation_inputs))
    size = min(objective.validation_size, len(validation_inputs))
    rows = np.random.default_rng(settings.seed).choice(
        len(validation_inputs), size, replace=probabilities is not None, p=probabilities
    )
    validation = validation_inputs[rows].reshape(-1, n_inputs)
    digest = hashlib.sha256(settings.model_dump_json().encode())
    digest.update(json.dumps(columns).encode())
    for array in (train_inputs, validation):
        digest.update(array.tobytes())
    if cumulated is not None:
        digest.update(cumulated.numpy().tobytes())
    return _Data(
        train=torch.from_numpy(np.array(train_inputs, dtype=np.float32)),
        validation=torch.from_numpy(np.array(validation, dtype=np.float32)),
        cumulated=cumulated,
        fingerprint=digest.hexdigest(),
    )


def _require_inputs(name: str, inputs: npt.NDArray[np.float32], columns: tuple[str, ...]) -> None:
    if inputs.ndim != 2 or len(inputs) == 0 or inputs.shape[1] != len(columns):
        raise InputError(
            f"{name} inputs must have shape (N, {len(columns)}) with N > 0, got {inputs.shape}"
        )
    bad = np.argwhere(~np.isfinite(inputs))
    if len(bad):
        row, column = bad[0]
        raise InputError(
            f"{name} inputs: {len(bad)} values are NaN or infinite, the first in row {row}, "
            f"column '{columns[column]}'"
        )


def _weights(name: str, weights: npt.NDArray[np.float64] | None, n: int) -> npt.NDArray[np.float64]:
    if weights is None:
        raise InputError(f"objective.use_weights is set, and the {name} events have no weights")
    w = np.asarray(weights, dtype=np.float64)
    if w.shape != (n,) or not np.isfinite(w).all() or (w < 0).any() or w.sum() <= 0:
        raise InputError(f"{name} weights must be {n} finite numbers >= 0, not all zero")
    return np.asarray(w / w.sum())


def _warn_beyond_bounds(objective: ObjectiveSettings, inputs: npt.NDArray[np.float32]) -> None:
    if isinstance(objective, AeObjective) or objective.chain.boundary == "none":
        return
    low, high = objective.chain.bounds
    share = float(((inputs < low) | (inputs > high)).any(axis=1).mean())
    if share > 0.05:
        log.warning(
            "%.1f%% of training events lie beyond objective.chain.bounds (%g, %g), where no "
            "chain can go: standardise the inputs or widen the bounds",
            100 * share,
            low,
            high,
        )


def _checkpoint(folder: Path, stem: str) -> Path:
    return folder / f"checkpoint_{stem}.safetensors"


def _under(prefix: str, flat: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v.clone() for k, v in flat.items() if k.startswith(prefix)}


@contextmanager
def _threads(n: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
