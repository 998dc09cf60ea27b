"""The figure of `naetrigger rates`: rate against threshold, and against pile-up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from naetrigger.validation.plots import COLOURS, DASHES, MARKERS, Style, draw


def rates_figure(document: Mapping[str, Any], style: Style) -> str:
    """An SVG element of a document that rates_document made."""
    points = [entry for entry in document["rates"] if "test" in entry]
    with_pileup = [entry for entry in points if "pileup" in entry]

    def paint(figure: Figure) -> None:
        if with_pileup:
            left, right = figure.subplots(1, 2)
            _pileup(right, with_pileup)
        else:
            left = figure.subplots()
        _curve(left, document)
        _points(left, points)
        left.legend(loc="upper right")

    return draw("rates", style, paint, width=10.0 if with_pileup else 5.4, fitted=True)


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
    axes.set_xlabel(points[0]["pileup"]["column"])
    axes.set_ylabel("rate / rate of all crossings")
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper left")
