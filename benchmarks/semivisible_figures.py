"""Figures of `semivisible.py`: heat maps of the AUC, and the curves of the long runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semivisible_auc import BEST_INPUT, MAHALANOBIS, Measured
from semivisible_report import known, read_curves

MODELS = ("AE", "NAE", "MPDR", MAHALANOBIS, "WNAE", BEST_INPUT)
RANGE = (0.5, 0.95)  # of the colours
AVERAGED = 20  # rows of a curve


def draw_maps(
    found: Measured, masses: Sequence[int], fractions: Sequence[int], folder: Path
) -> None:
    """semivisible-auc.png: a map a model, mediator mass over invisible fraction."""
    figure = Figure(figsize=(9, 5.6), dpi=80, layout="constrained")
    for ax, model in zip(figure.subplots(2, 3).flat, MODELS, strict=True):
        cells = np.array(
            [[found.mean(model, f"svjt_{m}_r{r:02d}") for r in fractions] for m in masses]
        )
        image = ax.imshow(cells, origin="lower", vmin=RANGE[0], vmax=RANGE[1], aspect="auto")
        for (row, column), value in np.ndenumerate(cells):
            if np.isnan(value):
                continue
            color = "black" if value > np.mean(RANGE) else "white"
            ax.text(column, row, f"{value:.3f}", ha="center", va="center", color=color, fontsize=8)
        ax.set_title(model, fontsize=10)
        ax.set_xticks(range(len(fractions)), [f"{r / 10:g}" for r in fractions])
        ax.set_yticks(range(len(masses)), [f"{m / 1000:g}" for m in masses])
        ax.set_xlabel("invisible fraction")
        ax.set_ylabel("mediator mass / TeV")
    figure.colorbar(image, ax=figure.axes, label="AUC, mean over seeds", shrink=0.8)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "semivisible-auc.png")


def draw_curves(folders: Mapping[str, Path], folder: Path) -> None:
    """wnae-stability.png: distance of data and samples, and energies, step by step."""
    figure = Figure(figsize=(9, 3.8), dpi=80, layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, run in folders.items():
        curves = read_curves(run / "curves.csv")
        left.plot(*known(curves, "feature_distance"), label=name, linewidth=1)
        (line,) = right.plot(*_smooth(*known(curves, "negative_energy")), label=name, linewidth=1)
        positive = _smooth(*known(curves, "positive_energy"))
        right.plot(*positive, color=line.get_color(), linewidth=1, linestyle=":")
        if np.isfinite(curves["distance"]).any():
            steps, values = _smooth(*known(curves, "distance"))
            left.plot(steps, values, color=line.get_color(), linestyle="--", linewidth=1)
    _labelled(left, "distance of data and samples")
    _labelled(right, "energy of samples (dotted: of data)")
    left.legend(fontsize=7)
    left.set_title("solid: greatest over the inputs; dashed: $W_2^2$", fontsize=9)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "wnae-stability.png")


def _smooth(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over AVERAGED rows."""
    n = len(values) // AVERAGED * AVERAGED
    means = [x[:n].reshape(-1, AVERAGED).mean(axis=1) for x in (steps, values)]
    return means[0], means[1]


def _labelled(ax: Axes, what: str) -> None:
    ax.set_xlabel("step")
    ax.set_ylabel(what)
    ax.set_yscale("log")
    ax.grid(alpha=0.3)
