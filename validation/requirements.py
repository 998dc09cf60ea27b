"""Checks of a recipe's own: one figure of the report each, held within a limit.

Of a figure with several values (firmware by several tools, a model by its engines) the worst
counts. A figure that the report does not have is a failed check, which says what there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from naetrigger.validation.report.schema import Check, Report
from naetrigger.validation.settings import Requirement

Known = Mapping[str, Sequence[float]]
"""What a requirement may be `of` -> values."""

NAME = "required: "  # how the names of these checks begin


def requirement_checks(report: Report, requirements: Iterable[Requirement]) -> Iterator[Check]:
    """A check for each requirement, of a report that is complete but for them."""
    for wanted in requirements:
        known = FIGURES.get(wanted.figure, _firmware)(report, wanted)
        values = known.get(wanted.of, ())
        worst = max if wanted.relation == "<=" else min
        value = worst(values) if values else None
        yield Check(
            name=NAME + wanted.words,
            passed=value is not None and wanted.holds(value),
            value=value,
            relation=wanted.relation,
            limit=wanted.limit,
            advice="" if values else f"not in the report, which has {', '.join(known) or 'none'}",
        )


def _auc(report: Report, wanted: Requirement) -> Known:
    known: dict[str, list[float]] = {}
    for entry in report.auc:
        if entry.model == wanted.model:
            known.setdefault(entry.signal, []).append(entry.value)
    return known


def _mean_efficiency(report: Report, wanted: Requirement) -> Known:
    return {x.signal: [x.mean_efficiency] for x in report.low_rate if x.model == wanted.model}


def _efficiency(report: Report, wanted: Requirement) -> Known:
    return {
        signal.signal: [signal.efficiency]
        for point in report.working_points
        if (point.model, point.target) == (wanted.model, wanted.at) and point.reliable
        for signal in point.signals
    }


def _divergence(report: Report, wanted: Requirement) -> Known:
    return {
        shift.column: [shift.divergence]
        for selection in report.selection
        if (selection.model, selection.target) == (wanted.model, wanted.at)
        for shift in selection.shifts
    }


def _correlation(report: Report, wanted: Requirement) -> Known:
    """Without their signs: a mass is sculpted by either."""
    return {
        shift.column: [abs(shift.correlation)]
        for selection in report.selection
        if selection.model == wanted.model
        for shift in selection.shifts
        if shift.correlation is not None
    }


def _firmware(report: Report, wanted: Requirement) -> Known:
    known: dict[str, list[float]] = {}
    for entry in report.firmware:
        value = getattr(entry, wanted.figure)
        if value is not None:
            known.setdefault(entry.target, []).append(float(value))
    return known


FIGURES: Mapping[str, Callable[[Report, Requirement], Known]] = {
    "auc": _auc,
    "mean_efficiency": _mean_efficiency,
    "efficiency": _efficiency,
    "divergence": _divergence,
    "correlation": _correlation,
}
