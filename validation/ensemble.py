"""How far the results depend on the seed: the members of an ensemble beside each other.

All members score the same test sample, so what is compared here is training alone: the error that
the sample's size gives is common to all of them and not part of any spread.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.progress import Progress
from naetrigger.validation.agreement import spearman
from naetrigger.validation.comparison import Comparison
from naetrigger.validation.efficiency import auc, auc_replicas, efficiency, spread, threshold_for
from naetrigger.validation.populations import Population
from naetrigger.validation.report.schema import (
    Ensemble,
    EnsembleAuc,
    EnsembleEfficiency,
    MemberCorrelation,
)

Scores = npt.NDArray[Any]


def judge_ensemble(comparison: Comparison, progress: Progress) -> Ensemble | None:
    """The members' spread; None where there are no members."""
    members = {
        model: _Members(comparison, model, by_seed)
        for model, by_seed in comparison.inputs.members.items()
    }
    if not members:
        return None
    progress.start("ensemble", len(members))
    aucs: list[EnsembleAuc] = []
    efficiencies: list[EnsembleEfficiency] = []
    correlations: list[MemberCorrelation] = []
    for done, model in enumerate(members.values(), start=1):
        aucs += model.aucs()
        efficiencies += model.efficiencies()
        correlations += model.correlations()
        progress.update(done)
    return Ensemble(
        seeds=next(iter(members.values())).seeds,
        auc=tuple(aucs),
        efficiencies=tuple(efficiencies),
        correlations=tuple(correlations),
    )


@dataclass(frozen=True)
class _Members:
    """All members of one model: seed -> process -> scores."""

    comparison: Comparison
    model: str
    by_seed: Mapping[int, Mapping[str, Scores]]

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(self.by_seed)

    def aucs(self) -> Iterator[EnsembleAuc]:
        """One entry a signal."""
        comparison, background = self.comparison, self._scores(self.comparison.background)
        together = averaged(background, background)
        for index, signal in enumerate(comparison.signals):
            own = self._scores(signal)
            values = [
                auc(comparison.background_for(signal, b), signal.scored(s))
                for b, s in zip(background, own, strict=True)
            ]
            pair = (
                comparison.background_for(signal, together),
                signal.scored(averaged(own, background)),
            )
            counts = (comparison.background_counts, comparison.signal_counts(index))
            yield EnsembleAuc(
                signal=signal.name,
                model=self.model,
                values=tuple(values),
                **_moments(values),
                averaged=auc(*pair),
                averaged_error=spread(auc_replicas(*pair, counts)),
            )

    def efficiencies(self) -> Iterator[EnsembleEfficiency]:
        """One entry a target and signal; every member has a threshold of its own."""
        comparison, background = self.comparison, self._scores(self.comparison.background)
        for target in comparison.settings.background_efficiencies:
            thresholds = [
                threshold_for(comparison.background.scored(b), target).value for b in background
            ]
            for signal in comparison.signals:
                values = [
                    None if t is None else efficiency(signal.scored(s), t).value
                    for t, s in zip(thresholds, self._scores(signal), strict=True)
                ]
                yield EnsembleEfficiency(
                    signal=signal.name,
                    model=self.model,
                    target=target,
                    values=tuple(values),
                    **_moments([v for v in values if v is not None]),
                )

    def correlations(self) -> Iterator[MemberCorrelation]:
        """Every pair, on the test background."""
        scores = dict(zip(self.seeds, self._scores(self.comparison.background), strict=True))
        for a, b in combinations(scores, 2):
            yield MemberCorrelation(
                model=self.model, a=a, b=b, spearman=spearman(scores[a], scores[b])
            )

    def _scores(self, population: Population) -> list[Scores]:
        """Of every member, (N,) each."""
        found = [population.joined(by_process) for by_process in self.by_seed.values()]
        if any(scores is None for scores in found):
            raise InputError(
                f"members of {self.model}: scores of '{population.name}' are incomplete"
            )
        return [np.asarray(scores, np.float64) for scores in found]


def averaged(scores: Sequence[Scores], background: Sequence[Scores]) -> Scores:
    """The mean over members, each less its background's median, over its interquartile range.

    Members' scores need not have one scale (that of a scalar energy is free); on this one the
    background looks alike to all of them. scores : (N,) of each member; background : (M,)
    """
    parts = []
    for own, b in zip(scores, background, strict=True):
        low, middle, high = np.quantile(b, [0.25, 0.5, 0.75])
        parts.append((own - middle) / (high - low if high > low else 1.0))
    return np.asarray(np.mean(parts, axis=0))


def _moments(values: Sequence[float]) -> dict[str, float | None]:
    """Mean, standard deviation over seeds (n - 1) and the mean's standard error."""
    if not values:
        return {"mean": None, "deviation": None, "error": None}
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {
        "mean": float(np.mean(values)),
        "deviation": deviation,
        "error": None if deviation is None else deviation / math.sqrt(len(values)),
    }
