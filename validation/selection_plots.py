"""Figures of what is selected: input shapes before and after, and turn-on curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from naetrigger.validation.plots import (
    COLOURS,
    MARKERS,
    Style,
    as_written,
    draw,
    line_style,
    make_logarithmic,
)
from naetrigger.validation.report.selection_schema import TurnOn, TurnOnBin

Floats = npt.NDArray[np.float64]

PANELS_A_ROW = 3
BINS = range(8, 31)  # as many as the square root of the fewest selected rows
FEWEST_ROWS = 5  # of a bin that is drawn
DECADES = 10.0  # a momentum spanning more is shown on a logarithmic axis


@dataclass(frozen=True)
class Shape:
    """A column of the background: all of it, and what is selected.

    values, weights : (N,); selected : (N,) at each working point, the loosest first
    """

    column: str
    values: Floats
    weights: Floats
    selected: Sequence[npt.NDArray[np.bool_]]


def shapes_figure(
    name: str, style: Style, shapes: Sequence[Shape], targets: Sequence[float]
) -> str:
    """A panel a column; normalized distributions, outermost bins take what lies beyond them."""
    across = min(len(shapes), PANELS_A_ROW)
    down = -(-len(shapes) // across)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(down, across, squeeze=False)
        for axes, shape in zip(panels.flat, shapes, strict=False):
            _paint_shape(axes, shape, targets)
        for axes in panels.flat[len(shapes) :]:
            axes.set_visible(False)
        panels.flat[0].legend(loc="best", fontsize=8)

    return draw(name, style, paint, width=2.6 * across + 0.4, height=2.3 * down + 0.3, fitted=True)


def _paint_shape(axes: Axes, shape: Shape, targets: Sequence[float]) -> None:
    low, high = np.quantile(shape.values, [0.005, 0.995])
    distinct = np.unique(shape.values)
    fewest = min(int(rows.sum()) for rows in shape.selected)
    bins = min(max(int(np.sqrt(fewest)), BINS[0]), BINS[-1])
    if len(distinct) <= BINS[-1]:
        between = (distinct[1:] + distinct[:-1]) / 2
        edges = np.concatenate([[distinct[0] - 0.5], between, [distinct[-1] + 0.5]])
    else:
        edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    everything = np.ones(len(shape.values), np.bool_)
    axes.stairs(
        _density(shape, everything, edges), edges, fill=True, facecolor="0.88", edgecolor="0.5",
        label="all",
    )  # fmt: skip
    for number, (rows, target) in enumerate(zip(shape.selected, targets, strict=True)):
        density = _density(shape, rows, edges)
        axes.stairs(density, edges, **line_style(number), linewidth=1.4, label=f"{target:g}")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_yticks([])
    axes.tick_params(labelsize=8)
    axes.set_xlabel(as_written(shape.column), fontsize=9)


def _density(shape: Shape, rows: npt.NDArray[np.bool_], edges: Floats) -> Floats:
    inside = np.clip(shape.values[rows], edges[0], np.nextafter(edges[-1], -np.inf))
    sums, _ = np.histogram(inside, edges, weights=shape.weights[rows])
    return np.asarray(sums / max(shape.weights[rows].sum(), 1e-300) / np.diff(edges))


def turn_on_figure(name: str, style: Style, unit: str, curves: Sequence[TurnOn]) -> str:
    """Efficiency of each process in bins of one column at one working point.

    The last bin takes all that lies beyond and is cut by the frame.
    """
    ends = sorted({b.lower for curve in curves for b in curve.bins})
    logarithmic = ends[0] > 0 and ends[-1] / ends[0] > DECADES

    def middle(b: TurnOnBin) -> float:
        upper = min(b.upper, 1.5 * ends[-1])
        return float(np.sqrt(b.lower * upper)) if logarithmic else (b.lower + upper) / 2

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for number, curve in enumerate(curves):
            shown = [b for b in curve.bins if b.rows >= FEWEST_ROWS]
            errors = np.array([(b.efficiency - b.low, b.high - b.efficiency) for b in shown])
            axes.errorbar(
                [middle(b) for b in shown],
                [b.efficiency for b in shown],
                yerr=np.abs(errors.T) if len(shown) else None,
                xerr=[
                    [middle(b) - b.lower for b in shown],
                    [b.upper - middle(b) for b in shown],
                ],
                fmt=MARKERS[number % len(MARKERS)],
                color="black" if curve.process == "background" else COLOURS[number % len(COLOURS)],
                markersize=4,
                linewidth=1,
                label=as_written(curve.process),
            )
        if logarithmic:
            make_logarithmic(axes.xaxis)
        axes.set_xlim(ends[0], 1.5 * ends[-1])
        axes.set_ylim(0, 1.45)
        axes.set_xlabel(as_written(f"{curves[0].column} [{unit}]" if unit else curves[0].column))
        axes.set_ylabel(f"efficiency at background {curves[0].target:g}")
        axes.legend(loc="upper left", ncols=2)

    return draw(name, style, paint)
