"""Training curves: read from a curves.csv, drawn in panels."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from naetrigger.contracts.errors import InputError
from naetrigger.validation.plots import (
    Style,
    draw,
    line_style,
    words,
)

Floats = npt.NDArray[np.float64]


def curves_figure(name: str, style: Style, curves: Mapping[str, Floats]) -> str:
    """Training curves in panels above each other.

    curves : column -> (N,), the first column being the abscissa; NaN where nothing was logged
    """
    abscissa, *rest = curves
    panels = _curve_panels([c for i, c in enumerate(rest) if not _repeats(c, rest[:i], curves)])

    def paint(figure: Figure) -> None:
        rows = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
        for axes, columns in zip(rows, panels, strict=True):
            for i, column in enumerate(columns):
                seen = np.isfinite(curves[column])
                marker = "o" if seen.sum() < 40 else None
                x, y = curves[abscissa][seen], curves[column][seen]
                axes.plot(x, y, **line_style(i), marker=marker, markersize=3, label=words(column))
            axes.legend(loc="best", ncols=2)
        rows[-1].set_xlabel(words(abscissa))

    return draw(name, style, paint, height=1.0 + 1.6 * len(panels), fitted=True)


def draw_curves(path: Path, style: Style) -> None:
    """Draw a curves.csv into an .svg file beside it; nothing where no step was recorded."""
    curves = read_curves(path)
    if len(curves) > 1:
        svg = curves_figure(path.stem, style, curves)
        path.with_suffix(".svg").write_text(svg + "\n", encoding="utf-8")


def read_curves(path: Path) -> dict[str, Floats]:
    """Columns of a curves.csv; empty cells are NaN, columns without a number are left out."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            names, *rows = list(csv.reader(file))
        cells = [[float(cell) if cell else np.nan for cell in row] for row in rows]
        table = np.array(cells, np.float64).reshape(len(rows), len(names))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a CSV table of numbers with a header ({error})") from (
            error
        )
    return {
        name: table[:, i]
        for i, name in enumerate(names)
        if i == 0 or np.isfinite(table[:, i]).any()
    }


def _repeats(column: str, earlier: Sequence[str], curves: Mapping[str, Floats]) -> bool:
    """Whether an earlier column holds the same numbers, as the loss of wnae is its distance."""
    return any(np.array_equal(curves[column], curves[c], equal_nan=True) for c in earlier)


def _curve_panels(columns: Sequence[str], most: int = 6) -> list[list[str]]:
    """Columns of one quantity share a panel: positive_energy, negative_energy; x, x_smoothed."""
    panels: dict[str, list[str]] = {}
    for column in columns:
        quantity = column.removesuffix("_smoothed").rsplit("_", 1)[-1]
        panels.setdefault(quantity, []).append(column)
    return list(panels.values())[:most]
