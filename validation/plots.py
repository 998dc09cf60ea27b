"""The figures of a report, as deterministic SVG that reads in black and white.

Every line differs by its dashes or marker as well as by its colour (Petroff, arXiv:2107.02270),
every area by its hatch. The label above a figure is the settings' own; a style sheet of mplhep
lends its axes, never its experiment's name.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullFormatter

from naetrigger.contracts.errors import InputError
from naetrigger.validation.agreement import RELATIVE, agreement_checks
from naetrigger.validation.efficiency import Roc, Scored, roc
from naetrigger.validation.report.schema import Auc, BoardSummary, FirmwareEstimate, PairAgreement

Floats = npt.NDArray[np.float64]

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
    axes.set_title(style.label, loc="left", fontweight="bold", fontsize=10)
    if style.sample and len(style.sample) + len(style.label) < (50 if narrow else 62):
        axes.set_title(style.sample, loc="right", fontsize=9)


def _inline(svg: str, name: str) -> str:
    """The <svg> element alone: no prolog, no metadata, no fixed size, ids made unique."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    head, body = svg.split(">", 1)
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    svg = f'{head} role="img" aria-labelledby="caption-{name}">{body}'
    svg = re.sub(r'(\sid=")', rf"\g<1>{name}-", svg)
    return re.sub(r'((?:href="|url\()#)', rf"\g<1>{name}-", svg).strip()


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
                **_line(i),
                label=model,
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
        axes.set_ylabel(f"efficiency of {signal}")
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
            axes.stairs(seen, edges, baseline=None, **_line(i), linewidth=1.6, label=signal)
        axes.set_yscale("log")
        axes.set_xlim(edges[0], edges[-1])
        if edges[0] > 0 and edges[-1] / edges[0] > LOG_RANGE:
            _make_logarithmic(axes.xaxis)
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * (high / low) ** 0.35)  # room for the legend
        axes.set_xlabel(xlabel)
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
            _make_logarithmic(axes.xaxis)
            _make_logarithmic(axes.yaxis)
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


def auc_figure(name: str, style: Style, models: Mapping[str, Sequence[Auc]]) -> str:
    """AUC with its error for every signal, one marker a model.

    models : the marker's name -> one Auc a signal, signals in the order shown
    """
    signals = list(dict.fromkeys(entry.signal for entries in models.values() for entry in entries))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for i, (model, entries) in enumerate(models.items()):
            offset = 0.3 - 0.6 * i / max(len(models) - 1, 1)
            axes.errorbar(
                [entry.value for entry in entries],
                [offset - signals.index(entry.signal) for entry in entries],
                xerr=[entry.error or 0.0 for entry in entries],
                linestyle="none",
                marker=MARKERS[i % len(MARKERS)],
                color=COLOURS[i % len(COLOURS)],
                markerfacecolor="white" if i % 2 else COLOURS[i % len(COLOURS)],
                label=model,
            )
        for row in range(len(signals) - 1):
            axes.axhline(-row - 0.5, color="0.85", linewidth=0.8)
        axes.axvline(0.5, color="0.4", linewidth=1, linestyle="--")
        axes.set_yticks([-i for i in range(len(signals))], signals)
        axes.tick_params(axis="y", which="both", length=0)
        axes.set_ylim(-len(signals) + 0.5, 0.5)
        axes.set_xlabel("AUC, with bootstrap error")
        figure.legend(loc="outside lower center", ncols=2)

    return draw(name, style, paint, height=1.7 + 0.55 * len(signals), fitted=True)


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
                axes.plot(x, y, **_line(i), marker=marker, markersize=3, label=_words(column))
            axes.legend(loc="best", ncols=2)
        rows[-1].set_xlabel(_words(abscissa))

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


def resources_figure(
    name: str, style: Style, estimates: Sequence[FirmwareEstimate], board: BoardSummary
) -> str:
    """Each stated figure as a percentage of the board's budget."""
    bars = [
        (line, estimate, float(value))
        for line in board.budget
        for estimate in estimates
        if (value := getattr(estimate, line.quantity)) is not None
    ]
    percent = [
        100 * value / line.value if line.value else (0.0 if value == 0 else np.inf)
        for line, _, value in bars
    ]
    end = 1.35 * max([100.0, *(p for p in percent if np.isfinite(p))])

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for row, ((line, estimate, value), p) in enumerate(zip(bars, percent, strict=True)):
            axes.barh(
                -row,
                min(p, end),
                height=0.7,
                facecolor="white" if p <= 100 else "#f2c4bd",
                edgecolor="black",
                hatch=HATCHES[estimate.source],
            )
            said = f"{value:,.6g} of {line.value:,.6g} {line.unit}"
            inside = p > 0.55 * end
            axes.annotate(
                said,
                (min(p, end), -row),
                xytext=(-4 if inside else 4, 0),
                textcoords="offset points",
                ha="right" if inside else "left",
                va="center",
                fontsize=9,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
            )
        axes.axvline(100, color="black", linestyle="--", linewidth=1.2)
        names = [f"{_words(line.quantity)}\n{e.target}, {e.source}" for line, e, _ in bars]
        axes.set_yticks([-row for row in range(len(bars))], names, fontsize=8.5)
        axes.tick_params(axis="y", which="both", length=0)
        axes.set_ylim(-len(bars) + 0.4, 0.6)
        axes.set_xlim(0, end)
        axes.set_xlabel(f"% of the budget on {board.name}")

    return draw(name, style, paint, height=1.2 + 0.42 * len(bars), fitted=True)


def agreement_figure(
    name: str, style: Style, pairs: Sequence[PairAgreement], relative: float = RELATIVE
) -> str:
    """Engines against engines: '=' equal everywhere, hatched where a promise is broken.

    relative : what float engines may differ by
    """
    engines = _by_model(name for pair in pairs for name in (pair.a, pair.b))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for pair in pairs:
            i, j = sorted((engines.index(pair.a), engines.index(pair.b)))
            broken = any(not check.passed for check in agreement_checks([pair], relative))
            colour = "#f2c4bd" if broken else "0.9" if pair.expectation == "rank" else "white"
            hatch = "xxxx" if broken else None
            axes.add_patch(
                Rectangle((i - 0.5, j - 0.5), 1, 1, facecolor=colour, edgecolor="0.3", hatch=hatch)
            )
            box = {"facecolor": colour, "edgecolor": "none", "pad": 1.5}
            axes.text(i, j, _cell(pair), ha="center", va="center", fontsize=9, bbox=box)
        n = len(engines)
        axes.set_xlim(-0.5, n - 1.5)
        axes.set_ylim(n - 0.5, 0.5)
        axes.set_xticks(range(n - 1), engines[:-1], rotation=35, ha="right")
        axes.set_yticks(range(1, n), engines[1:])
        axes.tick_params(which="both", length=0)

    return draw(name, style, paint, height=1.6 + 0.45 * len(engines), fitted=True)


def _by_model(names: Iterable[str]) -> list[str]:
    """Each name once, those of one model ('teacher/torch', 'teacher/onnx') side by side."""
    models: dict[str, dict[str, None]] = {}
    for name in names:
        models.setdefault(name.split("/")[0], {})[name] = None
    return [name for members in models.values() for name in members]


def _cell(pair: PairAgreement) -> str:
    if pair.expectation == "rank":
        return "ρ –" if pair.spearman is None else f"ρ {pair.spearman:.3f}"
    if pair.expectation == "close":
        return f"{pair.max_relative:.0e}" if pair.max_relative else "0"
    differing = round((1 - pair.exact_fraction) * pair.n)
    return "=" if pair.exact_fraction == 1 else f"{differing:,} ≠"


def _make_logarithmic(axis: XAxis | YAxis) -> None:
    """A logarithmic axis labelled at 1, 2, 5 where it spans few decades."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    low, high = axis.get_view_interval()
    few = high / low < 100
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
    if few:
        axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(NullFormatter())


def _line(index: int) -> dict[str, Any]:
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": DASHES[index % len(DASHES)],
    }


def _words(name: str) -> str:
    return {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram": "BRAM", "latency_ns": "latency"}.get(
        name, name.replace("_", " ")
    )
