"""Figures of a report's tables: AUC, agreement of engines, resources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from naetrigger.validation.agreement import RELATIVE, agreement_checks
from naetrigger.validation.plots import (
    COLOURS,
    HATCHES,
    MARKERS,
    Style,
    as_written,
    draw,
    words,
)
from naetrigger.validation.report.schema import Auc, BoardSummary, FirmwareEstimate, PairAgreement

Floats = npt.NDArray[np.float64]


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
                label=as_written(model),
            )
        for row in range(len(signals) - 1):
            axes.axhline(-row - 0.5, color="0.85", linewidth=0.8)
        axes.axvline(0.5, color="0.4", linewidth=1, linestyle="--")
        axes.set_yticks([-i for i in range(len(signals))], [as_written(name) for name in signals])
        axes.tick_params(axis="y", which="both", length=0)
        axes.set_ylim(-len(signals) + 0.5, 0.5)
        axes.set_xlabel("AUC, with bootstrap error")
        figure.legend(loc="outside lower center", ncols=2)

    return draw(name, style, paint, height=1.7 + 0.55 * len(signals), fitted=True)


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
        names = [
            f"{words(line.quantity)}\n{as_written(e.target)}, {e.origin}" for line, e, _ in bars
        ]
        axes.set_yticks([-row for row in range(len(bars))], names, fontsize=8.5)
        axes.tick_params(axis="y", which="both", length=0)
        axes.set_ylim(-len(bars) + 0.4, 0.6)
        axes.set_xlim(0, end)
        axes.set_xlabel(f"% of the budget on {as_written(board.name)}")

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
