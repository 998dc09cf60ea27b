"""How every figure looks, as deterministic SVG that reads in black and white.

Every line differs by its dashes or marker as well as by its colour (Petroff, arXiv:2107.02270),
every area by its hatch. The label above a figure is the settings' own; a style sheet of mplhep
lends its axes, never its experiment's name.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

COLOURS = ("#3f90da", "#bd1f01", "#717581", "#832db6", "#a96b59", "#e76300", "#5b8c5a")
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (9, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
HATCHES = {"estimate": "///", "yosys": "..", "vendor": "xx", "nextpnr": "\\\\"}

PLAIN: dict[str, Any] = {
    "axes.linewidth": 1.0,
    "axes.axisbelow": True,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "xtick.major.size": 6,
    "ytick.major.size": 6,
    "xtick.minor.size": 3,
    "ytick.minor.size": 3,
}
FIXED: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "font.size": 11,
    "axes.labelsize": 11,
    "axes.titlesize": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "hatch.linewidth": 0.7,
    "figure.autolayout": False,
    "figure.constrained_layout.use": False,
    "figure.subplot.left": 0.135,
    "figure.subplot.right": 0.965,
    "figure.subplot.bottom": 0.125,
    "figure.subplot.top": 0.925,
    "text.usetex": False,
    "svg.fonttype": "path",
}


@dataclass(frozen=True)
class Style:
    """How every figure of one report looks.

    name : 'plain' or an mplhep style sheet ('CMS', 'ATLAS', 'LHCb', 'ALICE')
    label : bold, above the axes on the left
    sample : above the axes on the right
    """

    name: str = "plain"
    label: str = "naetrigger simulation"
    sample: str = ""

    def settings(self) -> dict[str, Any]:
        """matplotlib's rcParams of this style."""
        if self.name == "plain":
            return {**PLAIN, **FIXED}
        from mplhep import style  # only for these sheets: a second of import

        return {**getattr(style, self.name), **FIXED}


def draw(
    name: str,
    style: Style,
    paint: Callable[[Figure], None],
    *,
    height: float = 4.2,
    width: float = 5.4,
    fitted: bool = False,
) -> str:
    """An SVG element painted on a new figure of that size (inches); the same for the same data.

    name : prefixes every id, so that several figures can stand in one page
    fitted : margins follow the tick labels, which takes twice the time
    """
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(cast(Any, style.settings()))
        mpl.rcParams["svg.hashsalt"] = name
        figure = Figure(figsize=(width, height), layout="constrained" if fitted else None)
        paint(figure)
        if figure.axes:
            _put_labels(figure.axes[0], style, narrow=fitted)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return _inline(buffer.getvalue(), name)


def _put_labels(axes: Axes, style: Style, narrow: bool) -> None:
    """Label and sample side by side, the sample left out where the two would touch."""
    axes.set_title(as_written(style.label), loc="left", fontweight="bold", fontsize=10)
    if style.sample and len(style.sample) + len(style.label) < (50 if narrow else 62):
        axes.set_title(as_written(style.sample), loc="right", fontsize=9)


def _inline(svg: str, name: str) -> str:
    """The <svg> element alone: no prolog, no metadata, no fixed size, ids made unique."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    head, body = svg.split(">", 1)
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    svg = f'{head} role="img" aria-labelledby="caption-{name}">{body}'
    svg = re.sub(r'(\sid=")', rf"\g<1>{name}-", svg)
    return re.sub(r'((?:href="|url\()#)', rf"\g<1>{name}-", svg).strip()


def make_logarithmic(axis: XAxis | YAxis) -> None:
    """A logarithmic axis labelled at 1, 2, 5 where it spans few decades."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    low, high = axis.get_view_interval()
    few = high / low < 100
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
    if few:
        axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(NullFormatter())


def line_style(index: int) -> dict[str, Any]:
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": DASHES[index % len(DASHES)],
    }


def as_written(text: str) -> str:
    """A name that somebody gave (process, column, label), for a figure to show as it is.

    matplotlib takes what stands between two `$` for a formula, and leaves a label that begins with
    `_` out of legends: a space of no width before it is not seen.
    """
    text = text.replace("$", r"\$")
    return f"\N{ZERO WIDTH SPACE}{text}" if text.startswith("_") else text


def words(name: str) -> str:
    return {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram": "BRAM", "latency_ns": "latency"}.get(
        name, name.replace("_", " ")
    )
