"""The page of `naetrigger diff`: what is lost, then every section that differs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from naetrigger.contracts.version import __version__
from naetrigger.validation.diff_schema import AucChange, DiffReport
from naetrigger.validation.diff_tables import HEADLINES, diff_tables, headlines
from naetrigger.validation.plots import COLOURS, Style, as_written, draw
from naetrigger.validation.report.report_figure import ReportFigure
from naetrigger.validation.report.verdict_page import VerdictPage, render_verdict

ROW_INCHES, FRAME_INCHES = 0.32, 1.3


def diff_page(found: DiffReport) -> str:
    """The HTML page."""
    lost = f"{len(found.worse)} checks that a passes are lost in b"
    return render_verdict(
        VerdictPage(
            title="What changed between two runs",
            subtitle=f"a: {found.a} · b: {found.b}",
            passed=not found.worse,
            verdict="the runs are the same" if found.same else lost,
            problems=[f"{name}: passes in a, not in b" for name in found.worse],
            notes=found.notes,
            sections=[
                replace(table, figures=_figures(found)) if table.title == "AUC" else table
                for table in diff_tables(found)
            ],
            footer=f"naetrigger {__version__}",
        )
    )


def _figures(found: DiffReport) -> list[ReportFigure]:
    """b - a of each signal, of what both runs have with an error."""
    changes = [x for x in headlines(found) if x.difference is not None and x.error is not None]
    if not changes:
        return []
    signals = list(dict.fromkeys(x.signal for x in changes))
    svg = draw(
        "auc-changes",
        Style(label=""),
        _painter(changes, signals),
        height=FRAME_INCHES + ROW_INCHES * len(signals),
        fitted=True,
    )
    caption = "AUC in b less AUC in a, with one standard deviation."
    return [ReportFigure("auc-changes", "AUC", caption, svg)]


def _painter(changes: Sequence[AucChange], signals: Sequence[str]) -> Callable[[Figure], None]:
    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for i, model in enumerate(HEADLINES):
            own = [x for x in changes if x.model == model]
            if own:
                places = np.array([signals.index(x.signal) for x in own]) + 0.2 * i - 0.1
                axes.errorbar(
                    [x.difference or 0.0 for x in own],
                    places,
                    xerr=[x.error or 0.0 for x in own],
                    fmt="os"[i],
                    color=COLOURS[i],
                    label=model,
                )
        axes.axvline(0, color="0.5", linewidth=1)
        axes.set_yticks(range(len(signals)), [as_written(signal) for signal in signals])
        axes.set_ylim(len(signals) - 0.5, -0.5)
        axes.set_xlabel("AUC, b − a")
        axes.legend(loc="best")

    return paint
