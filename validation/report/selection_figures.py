"""The figures of the selected background."""

from __future__ import annotations

from collections.abc import Iterator

from naetrigger.validation.comparison import Comparison
from naetrigger.validation.plots import Style
from naetrigger.validation.report.report_figure import ReportFigure, slug
from naetrigger.validation.report.schema import Report
from naetrigger.validation.selection import background_column, thresholds_of
from naetrigger.validation.selection_plots import Shape, shapes_figure, turn_on_figure

MOST_SHAPES = 9
SIGNALS_A_FIGURE = 4


def selection_figures(
    report: Report, comparison: Comparison, style: Style
) -> Iterator[ReportFigure]:
    """Shapes of the columns that change most, and the turn-ons of the tightest working point."""
    if report.selection and report.selection[-1].shifts:
        yield _shapes(report, comparison, style)
    for column in dict.fromkeys(entry.column for entry in report.turn_on):
        entries = [entry for entry in report.turn_on if entry.column == column]
        tightest = [e for e in entries if e.target == min(e.target for e in entries)]
        background = [e for e in tightest if e.process == "background"]
        signals = [e for e in tightest if e.process != "background"]
        unit = comparison.inputs.events[0].unit_of(column)
        for start in range(0, max(len(signals), 1), SIGNALS_A_FIGURE):
            shown = [*background, *signals[start : start + SIGNALS_A_FIGURE]]
            name = slug("turn-on", column, str(start // SIGNALS_A_FIGURE))
            yield ReportFigure(
                name,
                "turn-on",
                f"Fraction of each sample that fires, in bins of {column}; bars are 68% intervals.",
                turn_on_figure(name, style, unit, shown),
            )


def _shapes(report: Report, comparison: Comparison, style: Style) -> ReportFigure:
    shifts = sorted(report.selection[-1].shifts, key=lambda shift: -shift.divergence)
    model, background = report.selection[0].model, comparison.background
    scores = comparison.scores_of(model, background)
    targets = [entry.target for entry in report.selection]
    thresholds = thresholds_of(report.working_points, model)
    shapes = []
    for shift in shifts[:MOST_SHAPES]:
        values = background_column(comparison, shift.column)
        assert values is not None
        selected = [scores >= thresholds[target] for target in targets]
        shapes.append(Shape(shift.column, values, background.weights, selected))
    return ReportFigure(
        "selection",
        "selection",
        "Background: all of it (grey) and what fires at each background efficiency. The columns "
        "that change most, normalized.",
        shapes_figure("selection", style, shapes, targets),
    )
