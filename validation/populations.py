"""The samples a comparison is made on: the whole background, and each signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.events import Events
from naetrigger.validation.efficiency import Scored

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Population:
    """One signal, or all background processes joined in the order given.

    weights : (N,)
    event_ids : (N,), distinct between processes
    context : (N,) the reweighting column, or None where the sample has none
    """

    name: str
    processes: tuple[str, ...]
    weights: Floats
    event_ids: npt.NDArray[np.uint64]
    context: Floats | None

    def __len__(self) -> int:
        return len(self.weights)

    def joined(self, by_process: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any] | None:
        """One array over the population, or None if a process is incomplete."""
        parts = [np.asarray(by_process[name]) for name in self.processes if name in by_process]
        whole = np.concatenate(parts) if parts else np.zeros(0)
        return whole if len(whole) == len(self) else None

    def scored(self, scores: npt.NDArray[Any], weights: Floats | None = None) -> Scored:
        """Scores with the population's own weights, or with others."""
        return Scored(scores, self.weights if weights is None else weights, self.event_ids)


def populations(
    events: Sequence[Events], reweight: str | None
) -> tuple[Population, tuple[Population, ...]]:
    """(background, signals)."""
    background = [sample for sample in events if sample.role == "background"]
    signals = [sample for sample in events if sample.role == "signal"]
    return (
        _population("background", background, reweight),
        tuple(_population(sample.process, [sample], reweight) for sample in signals),
    )


def _population(name: str, samples: Sequence[Events], column: str | None) -> Population:
    keys = np.concatenate(
        [
            np.stack([np.full(len(sample), i, np.uint64), sample.event_ids], axis=1)
            for i, sample in enumerate(samples)
        ]
    )
    _, event_ids = np.unique(keys, axis=0, return_inverse=True)
    has_column = column is not None and all(_has(sample, column) for sample in samples)
    return Population(
        name=name,
        processes=tuple(sample.process for sample in samples),
        weights=np.concatenate([sample.weights for sample in samples]),
        event_ids=event_ids.reshape(-1).astype(np.uint64),
        context=np.concatenate([s.column(str(column)) for s in samples]).astype(np.float64)
        if has_column
        else None,
    )


def _has(sample: Events, column: str) -> bool:
    return column in sample.columns or column in sample.context_columns
