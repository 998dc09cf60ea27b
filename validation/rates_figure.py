"""The figure of `naetrigger rates`: rate against threshold, and against pile-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from naetrigger.validation.plots import COLOURS, DASHES, MARKERS, Style, as_written, draw
from naetrigger.validation.report.report_figure import ReportFigure


def rates_figure(document: Mapping[str, Any], style: Style) -> str:
    """Both side by side: an SVG element of a document that rates_document made."""
    with_pileup = _with_pileup(document)

    def paint(figure: Figure) -> None:
        if with_pileup:
            left, right = figure.subplots(1, 2)
            _pileup(right, with_pileup)
        else:
            left = figure.subplots()
        _rates(left, document)

    return draw("rates", style, paint, width=10.0 if with_pileup else 5.4, fitted=True)


def rates_figures(document: Mapping[str, Any], style: Style) -> list[ReportFigure]:
    """One behind the other, as a page needs them."""
    with_pileup = _with_pileup(document)
    painters: dict[str, tuple[str, Callable[[Axes], None]]] = {
        "curve": (
            "Rate above each threshold on the test half, its 68% interval, and the requested "
            "rates.",
            lambda axes: _rates(axes, document),
        )
    }
    if with_pileup:
        painters["pileup"] = (
            "Each rate in ranges of pile-up, over that of all crossings.",
            lambda axes: _pileup(axes, with_pileup),
        )
    return [
        ReportFigure(name, "rates", caption, draw(name, style, _on_axes(paint), fitted=True))
        for name, (caption, paint) in painters.items()
    ]


def _on_axes(paint: Callable[[Axes], None]) -> Callable[[Figure], None]:
    return lambda figure: paint(figure.subplots())


def _with_pileup(document: Mapping[str, Any]) -> list[Any]:
    return [entry for entry in document["rates"] if "pileup" in entry]


def _rates(axes: Axes, document: Mapping[str, Any]) -> None:
    _curve(axes, document)
    _points(axes, [entry for entry in document["rates"] if "test" in entry])
    axes.legend(loc="upper right")


def _curve(axes: Axes, document: Mapping[str, Any]) -> None:
    curve = {name: np.array([p[name] for p in document["curve"]]) for name in document["curve"][0]}
    axes.plot(
        curve["threshold_hw"], curve["rate_khz"], color=COLOURS[0], label="test half", linewidth=1.4
    )
    axes.fill_between(
        curve["threshold_hw"],
        np.maximum(curve["low_khz"], curve["rate_khz"].min() / 10),
        curve["high_khz"],
        color=COLOURS[0],
        alpha=0.3,
        linewidth=0,
        label="68%",
    )
    axes.set_yscale("log")
    axes.set_xlabel("threshold / hardware integer")
    axes.set_ylabel("rate / kHz")


def _points(axes: Axes, points: list[Any]) -> None:
    """Each requested rate, with the interval of its threshold and of the measured rate."""
    for i, entry in enumerate(points):
        interval = entry["threshold_interval_68"] or [entry["threshold_hw"]] * 2
        low, high = entry["test"]["interval_68"]
        rate, threshold = entry["test"]["rate_khz"], entry["threshold_hw"]
        axes.errorbar(
            [threshold],
            [rate],
            xerr=np.abs(np.array([[interval[0]], [interval[1]]]) - threshold),
            yerr=np.abs(np.array([[low], [high]]) - rate),
            color=COLOURS[1],
            marker=MARKERS[i % len(MARKERS)],
            linestyle="none",
            label=f"{entry['requested_khz']:g} kHz asked for",
        )


def _pileup(axes: Axes, points: list[Any]) -> None:
    """The rate in ranges of pile-up, over the rate of all crossings."""
    for i, entry in enumerate(points):
        parts = entry["pileup"]["parts"]
        whole = entry["test"]["rate_khz"]
        if not whole:
            continue
        rates = np.array([part["rate_khz"] for part in parts])
        ends = np.array([part["interval_68"] for part in parts]).T
        centre = np.array([(part["low"] + part["high"]) / 2 for part in parts])
        axes.errorbar(
            centre,
            rates / whole,
            yerr=np.abs(ends - rates) / whole,
            color=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
            linestyle=DASHES[i % len(DASHES)],
            label=f"{entry['requested_khz']:g} kHz",
        )
    axes.axhline(1, color="0.6", linewidth=1)
    axes.set_xlabel(as_written(points[0]["pileup"]["column"]))
    axes.set_ylabel("rate / rate of all crossings")
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper left")
