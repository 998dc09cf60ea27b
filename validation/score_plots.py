"""Figures of scores: ROC curves, distributions, the teacher's score against the student's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from naetrigger.validation.efficiency import Roc, Scored, roc
from naetrigger.validation.plots import (
    COLOURS,
    Style,
    as_written,
    draw,
    line_style,
    make_logarithmic,
)

Floats = npt.NDArray[np.float64]


def roc_figure(
    name: str, style: Style, signal: str, models: Mapping[str, tuple[Scored, Scored]], few: float
) -> str:
    """Signal efficiency over background efficiency, one line a model.

    models : model -> (background, signal)
    few : background efficiency below which too few events lie; hatched
    """

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        lowest = min(1.0 / len(b.scores) for b, _ in models.values())
        for i, (model, pair) in enumerate(models.items()):
            curve = _thinned(roc(*pair), lowest)
            axes.plot(
                curve.background_efficiency,
                curve.signal_efficiency,
                **line_style(i),
                label=as_written(model),
                drawstyle="steps-post",
            )
        x = np.geomspace(lowest, 1, 50)
        axes.plot(x, x, color="0.6", linewidth=1, linestyle=(0, (2, 2)), label="chance")
        axes.axvspan(
            lowest, max(few, lowest), facecolor="none", edgecolor="0.75", hatch="////", linewidth=0
        )
        axes.set_xscale("log")
        axes.set_xlim(lowest, 1)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("background efficiency")
        axes.set_ylabel(f"efficiency of {as_written(signal)}")
        axes.legend(loc="upper left")

    return draw(name, style, paint)


def _thinned(curve: Roc, lowest: float, points: int = 400) -> Roc:
    """At most about `points` points, evenly in log background efficiency."""
    steps = np.geomspace(lowest, 1, points)
    rows = np.searchsorted(curve.background_efficiency, steps, side="right") - 1
    rows = np.unique(np.clip(rows, 0, None))
    return Roc(
        curve.thresholds[rows], curve.background_efficiency[rows], curve.signal_efficiency[rows]
    )


def score_figure(
    name: str, style: Style, xlabel: str, background: Scored, signals: Mapping[str, Scored]
) -> str:
    """Normalized score distributions; the outermost bins take what lies beyond them."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        edges = score_edges([background.scores, *(s.scores for s in signals.values())])
        density = _density(background, edges)
        axes.stairs(density, edges, fill=True, facecolor="0.88", edgecolor="0.5", hatch="////")
        axes.stairs(density, edges, color="black", linewidth=1.2, label="background")
        for i, (signal, sample) in enumerate(signals.items()):
            seen = _density(sample, edges)
            seen[seen == 0] = np.nan  # an empty bin is a gap, not a fall to the axis
            axes.stairs(
                seen, edges, baseline=None, **line_style(i), linewidth=1.6, label=as_written(signal)
            )
        axes.set_yscale("log")
        axes.set_xlim(edges[0], edges[-1])
        if edges[0] > 0 and edges[-1] / edges[0] > LOG_RANGE:
            make_logarithmic(axes.xaxis)
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * (high / low) ** 0.35)  # room for the legend
        axes.set_xlabel(as_written(xlabel))
        axes.set_ylabel("probability density")
        axes.legend(loc="upper right", ncols=2)

    return draw(name, style, paint)


LOG_RANGE = 30.0  # a score spanning more is shown on a logarithmic axis


def score_edges(samples: Sequence[npt.NDArray[Any]], bins: int = 40) -> Floats:
    """Bin edges from the 0.1% to the 99.9% quantile; between integers where scores are."""
    integers = all(np.issubdtype(s.dtype, np.integer) for s in samples)
    low = float(min(np.quantile(s, 0.001) for s in samples))
    high = float(max(np.quantile(s, 0.999) for s in samples))
    if not integers:
        high = high if high > low else low + 1.0
        logarithmic = low > 0 and high / low > LOG_RANGE
        return (
            np.geomspace(low, high, bins + 1) if logarithmic else np.linspace(low, high, bins + 1)
        )
    low, high = np.floor(low), np.ceil(high) + 1
    if low >= 1 and high / low > LOG_RANGE:
        return np.unique(np.rint(np.geomspace(low, high, bins + 1))) - 0.5
    step = max(1.0, np.ceil((high - low) / bins))
    return np.arange(low, high + step, step) - 0.5


def _density(sample: Scored, edges: Floats) -> Floats:
    inside = np.clip(sample.scores, edges[0], np.nextafter(edges[-1], -np.inf))
    sums, _ = np.histogram(inside, edges, weights=sample.weights)
    return np.asarray(sums / sample.weights.sum() / np.diff(edges))


def profile_figure(
    name: str, style: Style, teacher: npt.NDArray[Any], student: npt.NDArray[Any]
) -> str:
    """The teacher's score (median, 68% and 95% bands) in quantile bins of the student's.

    teacher, student : (N,) float scores of the same background events
    """

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        x, bands = _profile(student, teacher)
        axes.fill_between(x, bands[0], bands[4], color="0.9", label="95% of events")
        axes.fill_between(
            x,
            bands[1],
            bands[3],
            facecolor="0.75",
            edgecolor="0.5",
            hatch="////",
            label="68% of events",
        )
        axes.plot(x, bands[2], color=COLOURS[1], marker="o", markersize=3.5, label="median")
        both = np.array([x.min(), x.max()])
        axes.plot(both, both, color="black", linewidth=1, linestyle="--", label="equal")
        if bands[0].min() > 0 and x.min() > 0:
            make_logarithmic(axes.xaxis)
            make_logarithmic(axes.yaxis)
        axes.set_xlabel("student score × scale (hardware)")
        axes.set_ylabel("teacher score (float)")
        axes.legend(loc="upper left")

    return draw(name, style, paint)


def _profile(x: npt.NDArray[Any], y: npt.NDArray[Any], bins: int = 25) -> tuple[Floats, Floats]:
    """Bin medians of x, (B,), and the quantiles 2.5, 16, 50, 84, 97.5% of y in them, (5, B)."""
    edges = np.unique(np.quantile(x, np.linspace(0, 1, bins + 1)))
    index = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, max(len(edges) - 2, 0))
    groups = [np.flatnonzero(index == i) for i in np.unique(index)]
    centres = np.array([np.median(x[rows]) for rows in groups])
    quantiles = (0.025, 0.16, 0.5, 0.84, 0.975)
    return centres, np.array([np.quantile(y[rows], quantiles) for rows in groups]).T
