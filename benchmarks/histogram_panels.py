"""Weighted histograms of several populations in panels, as small PNG files."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from naetrigger.contracts.events import Events
from naetrigger.validation.plots import COLOURS, DASHES, Style
from shipped_samples import NAMES, Sample

Floats = npt.NDArray[np.floating[Any]]
STYLE = Style(label="Simulation: Pythia 8, parametric detector")


@dataclass(frozen=True)
class Panel:
    """Histograms in one frame; the first population is filled and carries errors.

    populations : name -> values and weights
    """

    title: str
    populations: Mapping[str, tuple[Floats, Floats]]
    edges: Floats
    scale: str = "log"


def pick(
    events: Sample,
    names: Iterable[str],
    column: str,
    values: Callable[[Events, str], Floats] = Events.column,
) -> dict[str, tuple[Floats, Floats]]:
    """One column of some processes."""
    return {name: (values(events[name], column), events[name].weights) for name in names}


def panels_figure(panels: Sequence[Panel], columns: int, ylabel: str = "fraction of jets") -> bytes:
    """Panels in rows, a legend below each that differs from the one before."""

    def paint(figure: Figure) -> None:
        rows = -(-len(panels) // columns)
        frames = np.asarray(figure.subplots(rows, columns)).reshape(-1)
        legends = {tuple(panel.populations) for panel in panels}
        for i, (axes, panel) in enumerate(zip(frames, panels, strict=True)):
            paint_panel(axes, panel)
            if i % columns == 0:
                axes.set_ylabel(f"{ylabel} a bin")
            if len(legends) > 1:
                axes.legend(fontsize=8)
        if len(legends) == 1:
            handles, labels = frames[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=4)

    height = 3.1 * -(-len(panels) // columns) + 0.8
    return picture(paint, width=3.7 * columns, height=height)


def picture(paint: Callable[[Figure], None], width: float = 6.0, height: float = 4.6) -> bytes:
    """A PNG of 64 colours, which is a tenth of the SVG; width and height in inches."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(cast(Any, STYLE.settings()))
        figure = Figure(figsize=(width, height), layout="constrained")
        paint(figure)
        figure.axes[0].set_title(STYLE.label, loc="left", fontweight="bold", fontsize=10)
        drawn, small = io.BytesIO(), io.BytesIO()
        figure.savefig(drawn, format="png", dpi=95)
    Image.open(drawn).convert("RGB").quantize(64).save(small, "PNG", optimize=True)
    return small.getvalue()


def paint_panel(axes: Axes, panel: Panel) -> None:
    """Each population as the share of its weight in each bin; what lies beyond is left out."""
    for i, (name, (values, weights)) in enumerate(panel.populations.items()):
        share = np.histogram(values, panel.edges, weights=weights)[0] / weights.sum()
        label = NAMES.get(name, name)
        if i == 0:
            squares = np.histogram(values, panel.edges, weights=weights**2)[0]
            error = np.sqrt(squares) / weights.sum()
            axes.stairs(share, panel.edges, fill=True, color="#d9d9d9", label=label)
            some = share > 0
            centres = (panel.edges[1:] + panel.edges[:-1]) / 2
            axes.errorbar(
                centres[some], share[some], error[some], color="#555555", linestyle="none", lw=1
            )
        else:
            axes.stairs(
                share,
                panel.edges,
                color=COLOURS[i - 1],
                linestyle=DASHES[i - 1],
                label=label,
                lw=1.5,
            )
    axes.set(xlabel=panel.title, yscale=panel.scale)
    if panel.scale == "log":
        axes.set_ylim(1e-5, 2)
    else:
        axes.set_ylim(0, axes.get_ylim()[1] * 1.25)
    axes.set_xlim(panel.edges[0], panel.edges[-1])
