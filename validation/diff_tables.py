"""What changed between two runs as tables, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from naetrigger.validation.diff_schema import AucChange, DiffReport, Setting
from naetrigger.validation.report.verdict_page import Cell, Section

HEADLINES = ("teacher", "student")
SHOWN = 60  # characters of a value


def diff_tables(found: DiffReport) -> Iterator[Section]:
    """The sections in which something differs."""
    tables = (
        Section("Recipe", ["key", "a", "b"], _settings(found.recipe)),
        Section("Packages", ["package", "a", "b"], _settings(found.packages)),
        Section("About", ["what", "a", "b"], _settings(found.about)),
        _stages(found),
        _checks(found),
        _aucs(found),
        _thresholds(found),
        _signals(found),
        _firmware(found),
    )
    return (table for table in tables if table.rows)


def headlines(found: DiffReport) -> list[AucChange]:
    """Teacher and student, each by its first engine; the document has baselines and all engines."""
    first = {(x.signal, x.model): x for x in reversed(found.auc)}
    return [x for x in found.auc if first[x.signal, x.model] is x and x.model in HEADLINES]


def _settings(settings: Sequence[Setting]) -> list[list[Cell]]:
    return [[s.key, _short(s.a), _short(s.b)] for s in settings]


def _stages(found: DiffReport) -> Section:
    return Section(
        "Stages",
        ["stage", "files changed", "only in a", "only in b", "not finished in"],
        [[s.stage, s.files_changed, s.only_a, s.only_b, s.missing or None] for s in found.stages],
    )


def _checks(found: DiffReport) -> Section:
    return Section(
        "Checks",
        ["check", "change", "a", "b", "unit"],
        [[c.name, c.change, c.a, c.b, c.unit] for c in found.checks],
        tuple(i for i, check in enumerate(found.checks) if check.name in found.worse),
    )


def _aucs(found: DiffReport) -> Section:
    return Section(
        "AUC",
        ["signal", "model", "engine", "a", "b", "b - a", "error", "sigma"],
        [
            [x.signal, x.model, x.engine, x.a, x.b, x.difference, x.error, x.sigma]
            for x in headlines(found)
        ],
    )


def _thresholds(found: DiffReport) -> Section:
    return Section(
        "Thresholds",
        ["point", "a", "b", "keeps in a", "68%", "keeps in b", "68%"],
        [
            [t.point, t.threshold_a, t.threshold_b, t.kept_a, _range(t.interval_a), t.kept_b,
             _range(t.interval_b)]
            for t in found.thresholds
        ],
    )  # fmt: skip


def _signals(found: DiffReport) -> Section:
    return Section(
        "Signals kept",
        ["point", "signal", "a", "68%", "b", "68%"],
        [
            [t.point, s.signal, s.a, _range(s.interval_a), s.b, _range(s.interval_b)]
            for t in found.thresholds
            for s in t.signals
        ],
    )


def _firmware(found: DiffReport) -> Section:
    return Section(
        "Firmware",
        ["target", "source", "quantity", "a", "b", "change"],
        [[f.target, f.source, f.quantity, f.a, f.b, _change(f.a, f.b)] for f in found.firmware],
    )


def _short(value: object) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def _range(ends: tuple[float, float] | None) -> str | None:
    return None if ends is None else f"{ends[0]:.4g} to {ends[1]:.4g}"


def _change(a: float | None, b: float | None) -> str | None:
    return None if a is None or b is None or not a else f"{b / a - 1:+.1%}"
