"""monitor.html: the score and what is flagged, drawn over the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from naetrigger.validation.distributions import Distribution, Floats
from naetrigger.validation.monitor_document import Sample
from naetrigger.validation.monitor_schema import Drift, MonitoredFile, MonitorReport, Physical
from naetrigger.validation.plots import COLOURS, DASHES, Style, as_written, draw
from naetrigger.validation.report.report_figure import ReportFigure
from naetrigger.validation.report.verdict_page import Cell, Section, VerdictPage, render_verdict

FIGURES = 8  # inputs of a file that are drawn, those that moved most
POINTS = 50  # bins of a picture


def monitor_page(report: MonitorReport, reference: Sample, samples: Sequence[Sample]) -> str:
    """The HTML page."""
    flagged = sum(
        len(file.flagged) + sum(f.flagged for f in file.fractions) for file in report.files
    )
    return render_verdict(
        VerdictPage(
            title=f"{report.recipe}: monitoring",
            subtitle=f"{', '.join(file.file for file in report.files)} against {report.reference}, "
            f"{report.reference_events:,} events",
            passed=report.passed,
            verdict="nothing is flagged" if report.passed else f"{flagged} flags",
            problems=[line for file in report.files for line in flag_lines(file)],
            notes=report.notes,
            sections=[
                section
                for number, (file, sample) in enumerate(zip(report.files, samples, strict=True))
                for section in _sections(number, file, reference, sample)
            ],
            footer=f"monitor.json, version {report.version} · naetrigger {report.naetrigger} · "
            f"{report.tests} tests, alpha {report.alpha:g}, effects from {report.min_effect:g}",
        )
    )


def flag_lines(file: MonitoredFile) -> Iterator[str]:
    """What is flagged in one file, in words, the largest effects first."""
    for drift in sorted(file.flagged, key=lambda d: -max(d.wasserstein, d.effect)):
        yield (
            f"{file.file}: {drift.name}: {', '.join(drift.flags)}; {_moved(drift)}, "
            f"Wasserstein {drift.wasserstein:.3g} sigma, {_p(drift.p)}"
        )
    for kept in file.fractions:
        if kept.flagged:
            yield (
                f"{file.file}: {kept.point} keeps {kept.found:.4g} of the events, "
                f"{kept.reference:.4g} of the reference, {_p(kept.p)}"
            )


def _moved(drift: Drift) -> str:
    """The means, as in 'mean 19.6 -> 23 GeV (+0.28 sigma)'."""
    before, now = drift.means
    of = f" of {drift.shown}" if drift.shown != drift.name else ""
    shift = "" if drift.shift is None else f" ({drift.shift:+.2f} sigma)"
    return f"mean{of} {before:.4g} -> {f'{now:.4g} {drift.unit}'.strip()}{shift}"


def _p(value: float) -> str:
    return f"p {value:.2g}" if value > 0 else "p below 1e-300"


COLUMNS = (
    "quantity", "flags", "unit", "mean before", "mean now", "deviation before", "deviation now",
    "shift / σ", "KS", "Wasserstein / σ", "chi2", "degrees", "effect w", "p corrected",
)  # fmt: skip


def table_row(drift: Drift) -> list[Cell]:
    """A quantity in the columns of COLUMNS."""
    return [
        drift.shown,
        ", ".join(drift.flags),
        drift.unit or None,
        *drift.means,
        *drift.deviations,
        drift.shift,
        drift.ks,
        drift.wasserstein,
        drift.chi2,
        drift.degrees,
        drift.effect,
        drift.p,
    ]


def _sections(
    number: int, file: MonitoredFile, reference: Sample, sample: Sample
) -> Iterator[Section]:
    drifts = [file.score, *sorted(file.inputs, key=_strength)]
    yield Section(
        file.file,
        COLUMNS,
        [table_row(drift) for drift in drifts],
        failed=[i for i, drift in enumerate(drifts) if drift.flags],
        figures=[*_figures(number, file, reference, sample)],
    )
    if file.fractions:
        yield Section(
            f"{file.file}: fractions above thresholds",
            ["point", "threshold", "reference", "now", "p corrected"],
            [[f.point, f.threshold, f.reference, f.found, f.p] for f in file.fractions],
            failed=[i for i, fraction in enumerate(file.fractions) if fraction.flagged],
        )


def _strength(drift: Drift) -> tuple[bool, float]:
    return not drift.flags, -max(drift.wasserstein, drift.effect)


def _figures(
    number: int, file: MonitoredFile, reference: Sample, sample: Sample
) -> Iterator[ReportFigure]:
    def figure(drift: Drift, before: Distribution, now: Distribution) -> ReportFigure:
        name, identity = drift.name, f"file-{number}-{_word(drift.name)}"
        svg = draw(identity, Style(label=""), _painter(drift, before, now), height=2.8, width=4.4)
        return ReportFigure(identity, "monitor", f"{name}: reference and {file.file}.", svg)

    yield figure(file.score, reference.score, sample.score)
    shown = [drift for drift in sorted(file.inputs, key=_strength) if drift.flags][:FIGURES]
    inputs: tuple[Mapping[str, Distribution], ...] = (reference.inputs, sample.inputs)
    for drift in shown:
        yield figure(drift, *(each[drift.name] for each in inputs))


def _painter(drift: Drift, before: Distribution, now: Distribution) -> Callable[[Figure], None]:
    physical = drift.physical or Physical(quantity=drift.name, offset=0.0, factor=1.0)
    unit = f" [{physical.unit}]" if physical.unit else ""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.17, bottom=0.19)
        edges = _edges(before, now)
        for i, (label, each) in enumerate((("reference", before), ("now", now))):
            heights = np.histogram(each.axis.values, edges, weights=each.fractions)[0]
            places = physical.offset + physical.factor * edges
            axes.stairs(
                heights, places, color=COLOURS[i], linestyle=DASHES[i], label=label, linewidth=1.6
            )
        axes.set_yscale("log")
        axes.set_xlabel(as_written(f"{physical.quantity}{unit}"))
        axes.set_ylabel("fraction")
        axes.legend(loc="best")

    return paint


def _edges(before: Distribution, now: Distribution) -> Floats:
    """At most POINTS bins over both, whole bins of an axis of integers each."""
    used = np.concatenate([each.axis.values[each.weights > 0] for each in (before, now)])
    low, high, values = float(used.min()), float(used.max()), before.axis.values
    step = (float(values[1] - values[0]) if len(values) > 1 else 0.0) or 1.0
    wide = max(np.ceil((high - low + step) / step / POINTS), 1.0) * step
    return np.arange(low - step / 2, high + wide, wide)


def _word(text: str) -> str:
    """Letters, digits and hyphens alone, as an id in a page needs them."""
    return "".join(c if c.isalnum() else "-" for c in text)
