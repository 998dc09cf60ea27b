"""The figure of an ensemble: the AUC of every member, and what their mean and spread are."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from naetrigger.validation.plots import COLOURS, MARKERS, Style, as_written, draw
from naetrigger.validation.report.schema import EnsembleAuc


def ensemble_figure(name: str, style: Style, entries: Sequence[EnsembleAuc]) -> str:
    """AUC by signal: strokes are members, markers their mean with the standard deviation."""
    signals = list(dict.fromkeys(entry.signal for entry in entries))
    models = list(dict.fromkeys(entry.model for entry in entries))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for i, model in enumerate(models):
            own = [entry for entry in entries if entry.model == model]
            offset = 0.22 - 0.44 * i / max(len(models) - 1, 1)
            rows = [offset - signals.index(entry.signal) for entry in own]
            colour = COLOURS[i % len(COLOURS)]
            axes.errorbar(
                [entry.mean for entry in own],
                rows,
                xerr=[entry.deviation or 0.0 for entry in own],
                linestyle="none",
                marker=MARKERS[i % len(MARKERS)],
                color=colour,
                markersize=8,
                markerfacecolor="white",
                capsize=4,
                label=as_written(model),
            )
            for entry, row in zip(own, rows, strict=True):
                axes.plot(entry.values, [row] * len(entry.values), "|", color=colour, ms=9)
        for row in range(len(signals) - 1):
            axes.axhline(-row - 0.5, color="0.85", linewidth=0.8)
        axes.set_yticks([-i for i in range(len(signals))], [as_written(name) for name in signals])
        axes.tick_params(axis="y", which="both", length=0)
        axes.set_ylim(-len(signals) + 0.5, 0.5)
        axes.set_xlabel("AUC, with standard deviation over seeds")
        figure.legend(loc="outside lower center", ncols=2)

    return draw(name, style, paint, height=1.7 + 0.55 * len(signals), fitted=True)
