"""compare.html: what `naetrigger compare` found, on one page."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure

from naetrigger.validation.agreement import agreement_name
from naetrigger.validation.compare_schema import CompareReport, PairComparison, Parting
from naetrigger.validation.plots import COLOURS, Style, draw
from naetrigger.validation.report.report_figure import ReportFigure
from naetrigger.validation.report.verdict_page import Section, VerdictPage, render_verdict

NOTHING_CHECKED = "nothing to check: these engines are compared by rank only"
FIGURES = 6  # pairs whose differences are drawn, the worst


def compare_page(report: CompareReport) -> str:
    """The HTML page."""
    total = sum(report.events.values())
    return render_verdict(
        VerdictPage(
            title=f"{report.recipe}: comparison of engines",
            subtitle=f"{total:,} events of {report.file}",
            passed=report.passed,
            verdict=_verdict(report),
            problems=[*map(parting_line, report.partings), *report.edited],
            notes=report.notes,
            sections=[*_sections(report)],
            footer=f"compare.json, version {report.version} · naetrigger {report.naetrigger}",
        )
    )


def _verdict(report: CompareReport) -> str:
    if not report.checks:
        return NOTHING_CHECKED
    failed = len(report.failed_checks)
    if failed:
        return f"{failed} of {len(report.checks)} checks do not hold"
    return f"all {len(report.checks)} checks hold"


def parting_line(place: Parting) -> str:
    """Where two engines part, in words."""
    who = f"{place.a} and {place.b} ({place.events})"
    if place.first is None:
        return f"{who}: the scores differ, and no layer that both show does. {place.note}".strip()
    at = place.first
    return (
        f"{who} part at layer '{place.layer}', first in event {at.event_id} (row {at.row} of "
        f"{at.process}), element {at.element}: {at.a:g} and {at.b:g}"
        + (f"; {place.note}" if place.note else "")
    )


def holds(pair: PairComparison, report: CompareReport) -> bool:
    """Whether no check of the pair failed."""
    return agreement_name(pair) not in {check.name for check in report.failed_checks}


def _sections(report: CompareReport) -> Iterator[Section]:
    yield Section(
        "Pairs",
        ["a", "b", "events", "compared", "expected", "equal", "max LSB", "mean LSB",
         "max relative", "rank correlation"],
        [
            [p.a, p.b, p.events, p.n, p.expectation,
             p.exact_fraction if p.expectation == "exact" else None,
             p.max_lsb, p.mean_lsb, p.max_relative, p.spearman]
            for p in report.pairs
        ],
        failed=[i for i, pair in enumerate(report.pairs) if not holds(pair, report)],
        figures=[*_figures(report)],
    )  # fmt: skip
    yield Section(
        "Decision flips",
        ["working point", "a", "b", "events", "only a", "only b", "both"],
        [
            [flip.point, pair.a, pair.b, pair.events, flip.only_a, flip.only_b, flip.both]
            for pair in report.pairs
            for flip in pair.flips
            if flip.only_a or flip.only_b or pair.expectation == "rank"
        ],
        text=[
            "Events that one engine selects and the other does not. Pairs without any are left out."
        ],
    )
    if report.bits:
        yield Section(
            "Bits of the decision",
            ["engine", "events", "bit", "threshold", "only the network", "only the engine"],
            [[b.engine, b.events, b.bit, b.threshold_hw, b.only_network, b.only_engine]
             for b in report.bits],
            failed=[i for i, b in enumerate(report.bits) if b.only_network or b.only_engine],
        )  # fmt: skip
    yield Section(
        "Layers",
        ["engine", "events", "compared", "layers", "differing"],
        [
            [c.engine, c.events, c.n, c.layers, ", ".join(c.differing) or "none"]
            for c in report.layers
        ],
        failed=[i for i, check in enumerate(report.layers) if check.differing],
        text=["Every layer that an engine shows, against the network's edge of that name."],
    )
    yield Section(
        "Values beyond the range of an edge",
        ["edge", "what happens", "format", "events", "fraction", "values", "first events"],
        [
            [e.edge, e.kind, e.type, e.events, e.fraction, e.values,
             ", ".join(f"{o.event_id} ({o.process} {o.row})" for o in e.first)]
            for e in report.edges
        ],
        text=[] if report.edges else ["None."],
    )  # fmt: skip


def _figures(report: CompareReport) -> Iterator[ReportFigure]:
    """Differences of the pairs that should be equal and are not."""
    broken = [pair for pair in report.pairs if pair.expectation == "exact" and pair.beyond]
    broken.sort(key=lambda pair: -pair.beyond)
    apart = {(pair.a, pair.events, pair.differences): pair for pair in reversed(broken)}
    for i, pair in enumerate([*apart.values()][::-1][:FIGURES]):
        name = f"difference-{i}"
        caption = f"{pair.b} − {pair.a} on {pair.events}: {pair.beyond:,} of {pair.n:,} differ."
        yield ReportFigure(name, "pairs", caption, _histogram(name, pair))


def _histogram(name: str, pair: PairComparison) -> str:
    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        bins = pair.differences
        places = np.arange(len(bins))
        axes.bar(places, [b.events for b in bins], color=COLOURS[0], edgecolor="black", hatch="//")
        labels = [f"{b.low}" if b.low == b.high else f"{b.low} to {b.high}" for b in bins]
        axes.set_xticks(places, labels, rotation=45, ha="right", fontsize=8)
        axes.set_xticks([], minor=True)
        axes.set_yscale("log")
        axes.set_xlabel("difference / LSB of the score")
        axes.set_ylabel("events")

    return draw(name, Style(label="naetrigger"), paint, height=3.2, fitted=True)
