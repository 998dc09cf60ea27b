"""AUCs of the semivisible grid, with the background reweighted to each signal's jet pT.

Errors: bootstrap, whole events resampled; the same resamples for every model, so that differences
are paired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.events import Events
from naetrigger.training.data.prepare import with_columns
from naetrigger.validation.baselines import fit_mahalanobis, single_inputs
from naetrigger.validation.efficiency import Scored, auc, auc_replicas, resample_counts
from naetrigger.validation.reweighting import follow_signal
from semivisible_systems import Jets, scores

Floats = npt.NDArray[np.float64]

MAIN = "WNAE"
MAHALANOBIS = "Mahalanobis"
BEST_INPUT = "best input"
REPLICAS = 50


@dataclass
class Measured:
    """AUCs of the grid.

    auc : model -> signal -> seed -> value; models without a seed have seed 0
    error : model -> signal -> bootstrap error of AUC(WNAE) - AUC(model), WNAE's own for WNAE
    best_input : signal -> the input with the greatest AUC
    effective : signal -> (sum w)^2 / sum w^2 of the reweighted background
    """

    auc: dict[str, dict[str, dict[int, float]]] = field(default_factory=dict)
    error: dict[str, dict[str, float]] = field(default_factory=dict)
    best_input: dict[str, str] = field(default_factory=dict)
    effective: dict[str, float] = field(default_factory=dict)

    @property
    def signals(self) -> list[str]:
        return list(self.best_input)

    def mean(self, model: str, signal: str) -> float:
        """Over seeds; NaN where every seed diverged."""
        values = list(self.auc.get(model, {}).get(signal, {}).values())
        return float(np.mean(values)) if values else float("nan")

    def differences(self, model: str, signal: str) -> list[float]:
        """AUC(WNAE) - AUC(model), a seed each, for the seeds that both have."""
        mine, other = self.auc[MAIN][signal], self.auc.get(model, {}).get(signal, {})
        if set(other) == {0}:
            return [value - other[0] for value in mine.values()]
        return [mine[seed] - other[seed] for seed in mine if seed in other]


def measure(
    jets: Jets, signals: list[Events], folders: Mapping[str, Mapping[int, Path]]
) -> Measured:
    """AUC of every model in `folders` (system -> seed -> folder), of Mahalanobis, and of the best
    input.
    """
    found = Measured()
    rng = np.random.default_rng(1)
    background = _all_scores(jets, jets.test, folders)
    counts_b = resample_counts(jets.test.event_ids, REPLICAS, rng)
    for signal in (with_columns(one, jets.test.columns) for one in signals):
        name = signal.process
        mine = _all_scores(jets, signal, folders)
        match = follow_signal(
            jets.test.column("jet_pt"),
            signal.column("jet_pt"),
            jets.test.weights,
            np.ones(len(signal)),
        )
        found.effective[name] = match.effective
        counts = counts_b, resample_counts(signal.event_ids, REPLICAS, rng)
        replicas: dict[str, Floats] = {}
        for (model, seed), values in mine.items():
            pair = (
                Scored(background[model, seed], match.weights, jets.test.event_ids),
                Scored(values, np.ones(len(signal)), signal.event_ids),
            )
            found.auc.setdefault(model, {}).setdefault(name, {})[seed] = auc(*pair)
            if model not in replicas and not model.startswith("input:"):
                replicas[model] = auc_replicas(*pair, counts)  # of the first seed
        _keep_best_input(found, name)
        for model, values in replicas.items():
            against = values if model == MAIN else replicas[MAIN] - values
            found.error.setdefault(model, {})[name] = float(np.std(against, ddof=1))
    for model in [model for model in found.auc if model.startswith("input:")]:
        del found.auc[model]
    return found


def _all_scores(
    jets: Jets, events: Events, folders: Mapping[str, Mapping[int, Path]]
) -> dict[tuple[str, int], Floats]:
    inputs = jets.inputs(events)
    found = {
        (system, seed): scores(folder, inputs)
        for system, of_seeds in folders.items()
        for seed, folder in of_seeds.items()
    }
    distance = fit_mahalanobis(jets.inputs(jets.train), jets.train.weights)
    found[MAHALANOBIS, 0] = distance.scores(inputs)
    for name, values in single_inputs(events.values, events.columns).items():
        found[name, 0] = np.asarray(values, np.float64)
    return found


def _keep_best_input(found: Measured, signal: str) -> None:
    singles = {m: of[signal][0] for m, of in found.auc.items() if m.startswith("input:")}
    best = max(singles, key=lambda name: singles[name])
    found.best_input[signal] = best.removeprefix("input:")
    found.auc.setdefault(BEST_INPUT, {})[signal] = {0: singles[best]}
