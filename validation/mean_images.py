"""Mean images: what a detector's grid looks like on average, process by process.

In the place of hundreds of histograms for inputs that are the cells of one grid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from naetrigger.contracts.events import Events
from naetrigger.validation.plots import Style, as_written, draw

Floats = npt.NDArray[np.float64]

CELL = re.compile(r"(?P<prefix>[A-Za-z][A-Za-z0-9]*)_(?P<row>\d+)_(?P<column>\d+)")
PANELS_A_ROW = 4
GAMMA = 0.5  # of the grey scale, so that faint cells show beside bright ones


@dataclass(frozen=True)
class Grid:
    """Columns PREFIX_ROW_COLUMN that fill a rectangle.

    rows, columns : (F,) place of each of the F inputs
    """

    prefix: str
    shape: tuple[int, int]
    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]

    def image(self, values: npt.ArrayLike) -> Floats:
        """One value an input, (F,), in its place, shape `shape`."""
        image = np.zeros(self.shape)
        image[self.rows, self.columns] = np.asarray(values, np.float64)
        return image


def grid_of(columns: Sequence[str]) -> Grid | None:
    """The grid that input columns are the cells of; None if they are no full rectangle."""
    cells = [CELL.fullmatch(name) for name in columns]
    found = [cell for cell in cells if cell is not None]
    if len(found) != len(columns) or len({cell["prefix"] for cell in found}) != 1:
        return None
    rows = np.array([int(cell["row"]) for cell in found])
    across = np.array([int(cell["column"]) for cell in found])
    shape = int(rows.max()) + 1, int(across.max()) + 1
    if min(shape) < 2 or len(set(zip(rows, across, strict=True))) != shape[0] * shape[1]:
        return None
    return Grid(found[0]["prefix"], shape, rows, across)


def mean_images(grid: Grid, events: Sequence[Events]) -> dict[str, Floats]:
    """Weighted mean of every cell, an image a process; all background processes are one."""
    groups: dict[str, list[Events]] = {}
    for sample in events:
        name = "background" if sample.role == "background" else sample.process
        groups.setdefault(name, []).append(sample)
    return {name: grid.image(_mean(samples)) for name, samples in groups.items()}


def _mean(samples: Sequence[Events]) -> Floats:
    total = sum(float(sample.weights.sum()) for sample in samples)
    summed = sum(sample.weights @ sample.values.astype(np.float64) for sample in samples)
    return np.asarray(summed / total)


def mean_images_figure(name: str, style: Style, images: Mapping[str, Floats]) -> str:
    """One panel a process, all on one grey scale; darker is more."""
    across = min(len(images), PANELS_A_ROW)
    down = -(-len(images) // across)
    top = max(float(image.max()) for image in images.values())
    scale = PowerNorm(GAMMA, vmin=0, vmax=top if top > 0 else 1.0)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(down, across, squeeze=False).ravel()
        for axes, (process, image) in zip(panels, images.items(), strict=False):
            shown = axes.imshow(image, cmap="Greys", norm=scale, interpolation="nearest")
            axes.set_xlabel(as_written(process), fontsize=9)
            axes.tick_params(which="both", length=0, labelbottom=False, labelleft=False)
        for axes in panels[len(images) :]:
            axes.set_visible(False)
        bar = figure.colorbar(shown, ax=list(panels), shrink=0.8)
        bar.ax.tick_params(labelsize=8)

    return draw(name, style, paint, height=0.7 + 1.6 * down, fitted=True)
