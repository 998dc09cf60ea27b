"""The events of a training: checked, validation chosen, batches drawn, and their fingerprint.

An objective with `labels` gets each event's class, 0, 1, ..., as one more column behind the inputs.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from naetrigger.contracts.errors import InputError
from naetrigger.training.labels import with_classes
from naetrigger.training.settings import (
    ObjectiveSettings,
    RelativeMahalanobisObjective,
    TrainingSettings,
)

log = logging.getLogger(__name__)

MOSTLY_ALIKE = 0.5  # effective events over events, below which weights not used are worth a word


@dataclass(frozen=True)
class Batches:
    """Training and validation events, and the cumulated weights to draw the former by."""

    train: Tensor  # (N, F), or (N, F + 1) with the classes
    validation: Tensor  # (V, F), or (V, F + 1)
    n_inputs: int  # F
    cumulated: Tensor | None  # (N,) float64, last entry 1
    fingerprint: str

    def without_classes(self) -> Batches:
        """The same events for an objective that knows no classes."""
        f = self.n_inputs
        return replace(self, train=self.train[:, :f], validation=self.validation[:, :f])

    def to(self, device: torch.device) -> Batches:
        """The same events on a device."""
        cumulated = None if self.cumulated is None else self.cumulated.to(device)
        train, validation = self.train.to(device), self.validation.to(device)
        return replace(self, train=train, validation=validation, cumulated=cumulated)

    def draw(self, size: int, generator: torch.Generator) -> Tensor:
        """Training events with replacement, by weight if there are weights; shape (size, F)."""
        n = len(self.train)
        if self.cumulated is None:
            rows = torch.randint(n, (size,), generator=generator, device=self.train.device)
            return self.train[rows]
        u = torch.rand(size, generator=generator, dtype=torch.float64, device=self.train.device)
        return self.train[torch.searchsorted(self.cumulated, u, right=True).clamp_max(n - 1)]

    @property
    def weights(self) -> Tensor | None:
        """What each training event counts for, (N,) float64 of sum 1; none: all alike."""
        if self.cumulated is None:
            return None
        return torch.diff(self.cumulated, prepend=torch.zeros_like(self.cumulated[:1]))


def batches(
    settings: TrainingSettings,
    train_inputs: npt.NDArray[np.float32],
    validation_inputs: npt.NDArray[np.float32],
    train_weights: npt.NDArray[np.float64] | None,
    validation_weights: npt.NDArray[np.float64] | None,
    columns: tuple[str, ...],
    train_labels: npt.NDArray[np.floating] | None = None,
    validation_labels: npt.NDArray[np.floating] | None = None,
) -> Batches:
    """Check inputs (N, F) and (V, F), their weights and labels; InputError names what is wrong."""
    objective = settings.objective
    n_inputs = len(columns)
    for name, inputs in (("training", train_inputs), ("validation", validation_inputs)):
        _require_inputs(name, inputs, columns)
    _warn_beyond_bounds(objective, train_inputs)
    weights, cumulated, probabilities = None, None, None
    if objective.use_weights:
        weights = _weights("training", train_weights, len(train_inputs))
        cumulated = torch.from_numpy(np.cumsum(weights))
        probabilities = _weights("validation", validation_weights, len(validation_inputs))
    elif train_weights is not None:
        _warn_unused(np.asarray(train_weights, np.float64))
    if isinstance(objective, RelativeMahalanobisObjective):
        train_inputs, validation_inputs = with_classes(
            objective, (train_inputs, train_labels), (validation_inputs, validation_labels), weights
        )
    size = min(objective.validation_size, len(validation_inputs))
    rows = np.random.default_rng(settings.seed).choice(
        len(validation_inputs), size, replace=probabilities is not None, p=probabilities
    )
    validation = validation_inputs[rows]
    digest = hashlib.sha256(settings.model_dump_json().encode())
    digest.update(json.dumps(columns).encode())
    for array in (train_inputs, validation):
        digest.update(array.tobytes())
    if cumulated is not None:
        digest.update(cumulated.numpy().tobytes())
    return Batches(
        train=torch.from_numpy(np.array(train_inputs, dtype=np.float32)),
        validation=torch.from_numpy(np.array(validation, dtype=np.float32)),
        n_inputs=n_inputs,
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


def _warn_unused(weights: npt.NDArray[np.float64]) -> None:
    """Weights that vary so much that the sample is another one without them."""
    effective = weights.sum() ** 2 / np.square(weights).sum()
    if effective < MOSTLY_ALIKE * len(weights):
        log.warning(
            "objective.use_weights is not set: all %d training events count alike, though their "
            "weights make them worth %.0f; with use_weights: true they are drawn by weight",
            len(weights),
            effective,
        )


def _warn_beyond_bounds(objective: ObjectiveSettings, inputs: npt.NDArray[np.float32]) -> None:
    chain = getattr(objective, "chain", None)
    if chain is None or chain.boundary == "none":
        return
    low, high = chain.bounds
    share = float(((inputs < low) | (inputs > high)).any(axis=1).mean())
    if share > 0.05:
        log.warning(
            "%.1f%% of training events lie beyond objective.chain.bounds (%g, %g), where no "
            "chain can go: standardise the inputs or widen the bounds",
            100 * share,
            low,
            high,
        )
