"""The tables of `semivisible.py`: AUCs, paired differences, what is met, how long runs went."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from markdown_table import over_seeds, table
from semivisible_auc import BEST_INPUT, MAHALANOBIS, MAIN, Measured

COMPARED = ("AE", "NAE", "MPDR", MAHALANOBIS)
Outcomes = Mapping[str, list[dict[str, Any]]]


def grid_report(found: Measured, outcomes: Outcomes) -> str:
    """AUC of every model at every point, WNAE's differences, the criteria, divergences."""
    parts = [_aucs(found), _differences(found), _criteria(found)]
    for name, of_seeds in outcomes.items():
        messages = [outcome["diverged"] for outcome in of_seeds if outcome["diverged"]]
        if messages:
            parts.append(
                f"{name}: {len(messages)} of {len(of_seeds)} seeds diverged: {messages[0]}"
            )
    return "\n\n".join(parts)


def _values(found: Measured, model: str, signal: str) -> str:
    return over_seeds(list(found.auc.get(model, {}).get(signal, {}).values())) or "diverged"


def _aucs(found: Measured) -> str:
    models = (MAIN, *COMPARED)
    rows = [
        [
            signal,
            *(_values(found, model, signal) for model in models),
            f"{_values(found, BEST_INPUT, signal)} ({found.best_input[signal]})",
            f"{found.effective[signal]:.0f}",
        ]
        for signal in found.signals
    ]
    means = [
        f"{np.mean([found.mean(model, s) for s in found.signals]):.3f}"
        for model in (*models, BEST_INPUT)
    ]
    head = ["signal", *models, BEST_INPUT, "background, effective"]
    return table(head, [*rows, ["mean", *means, ""]])


def _differences(found: Measured) -> str:
    def cell(model: str, signal: str) -> str:
        values = over_seeds(found.differences(model, signal))
        return f"{values} (± {found.error[model][signal]:.3f})" if values else "diverged"

    rows = [[signal, *(cell(model, signal) for model in COMPARED)] for signal in found.signals]
    return table(["signal", *(f"{MAIN} - {model}" for model in COMPARED)], rows)


def _criteria(found: Measured) -> str:
    """Mean over the grid, seed by seed, and the point where WNAE does worst against each."""
    rows = []
    for model in (m for m in COMPARED if m in found.auc):
        of_points = np.array([found.differences(model, signal) for signal in found.signals])
        pulls = [_pull(found, model, signal) for signal in found.signals]
        worst = int(np.argmin(pulls))
        rows.append(
            [
                f"{MAIN} - {model}",
                over_seeds(of_points.mean(axis=0).tolist(), 4),
                f"{of_points.mean(axis=1).min():+.3f}",
                f"{found.signals[worst]}: {pulls[worst]:+.1f}",
            ]
        )
    head = ["difference", "mean over the grid", "least", "least in standard deviations"]
    return table(head, rows)


def _pull(found: Measured, model: str, signal: str) -> float:
    """The mean difference over its error: seeds and bootstrap in quadrature."""
    values = found.differences(model, signal)
    seeds = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return float(np.mean(values) / np.hypot(seeds, found.error[model][signal]))


def long_report(folders: Mapping[str, Path], outcomes: Mapping[str, dict[str, Any]]) -> str:
    """First, smallest and last value of what the curves of the long runs hold."""
    rows = []
    for name, folder in folders.items():
        curves = read_curves(folder / "curves.csv")
        steps, far = known(curves, "feature_distance")
        _, energy = known(curves, "negative_energy")
        _, loss = known(curves, "loss")
        outcome = outcomes[name]["diverged"] or "all steps done"
        rows.append(
            [
                name,
                f"{curves['step'][-1]:.0f}",
                f"{far.min():.3f} at {steps[far.argmin()]:.0f}",
                f"{far[-1]:.3f}",
                f"{energy[-1]:.3g}",
                f"{loss[-1]:.3g}",
                outcome,
            ]
        )
    head = ["run", "steps", "feature distance, least", "last", "E-, last", "loss, last", "end"]
    return table(head, rows)


def read_curves(path: Path) -> dict[str, np.ndarray]:
    """The columns of a curves.csv; NaN where a cell is empty."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {key: np.array([float(row[key] or "nan") for row in rows]) for key in rows[0]}


def known(curves: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """(steps, values) of the rows that have a value."""
    there = np.isfinite(curves[name])
    return curves["step"][there], curves[name][there]
