"""report.html: one self-contained page, figures inline, nothing fetched, no scripts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources

import jinja2

from naetrigger.contracts.progress import Progress
from naetrigger.validation.baselines import SINGLE_INPUT
from naetrigger.validation.comparison import Comparison
from naetrigger.validation.inputs import STUDENT, TEACHER
from naetrigger.validation.report.figures import auc_by_model, report_figures
from naetrigger.validation.report.numbers import measured, number, percent, plain
from naetrigger.validation.report.report_figure import ReportFigure
from naetrigger.validation.report.schema import (
    Auc,
    AucDifference,
    Check,
    DecisionBit,
    FirmwareEstimate,
    Report,
    WorkingPoint,
)

TEMPLATE = "report.html.j2"
STYLE = "style.css"


def render_html(report: Report, comparison: Comparison, progress: Progress | None = None) -> str:
    """The page with all figures; the same report gives the same text."""
    return render_page(report, list(report_figures(report, comparison, progress)))


def render_page(report: Report, figures: Sequence[ReportFigure] = ()) -> str:
    """The page from a report alone, with whatever figures there are."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(text_of),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, measured=measured, percent=percent, plain=plain)
    sections: dict[str, list[ReportFigure]] = {}
    for figure in figures:
        sections.setdefault(figure.section, []).append(figure)
    return environment.get_template(TEMPLATE).render(
        style=page_style(),
        report=report,
        figures=sections,
        key_numbers=key_numbers(report),
        check_groups=check_groups(report.checks),
        auc_table=auc_rows(report),
        input_table=input_rows(report),
        anomalous_columns=anomalous_columns(report),
        points=_by_target(report.working_points),
        has_rates=any(point.rate_khz is not None for point in report.working_points),
    )


def page_style() -> str:
    """How every page looks."""
    return text_of(STYLE)


def text_of(name: str) -> str:
    """A file that lies beside this one."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class KeyNumber:
    """One of the numbers a shift leader reads first."""

    title: str
    value: str
    comment: str


def key_numbers(report: Report) -> list[KeyNumber]:
    """Agreement, AUC kept, the tightest usable working point, latency, the tightest resource."""
    found = (_agreement(report), _auc(report), _point(report), _latency(report), _resource(report))
    return [entry for entry in found if entry is not None]


def _agreement(report: Report) -> KeyNumber | None:
    exact = [pair for pair in report.agreement if pair.expectation == "exact"]
    if not exact:
        return None
    broken = [pair for pair in exact if pair.exact_fraction < 1]
    engines = {name for pair in exact for name in (pair.a, pair.b)}
    comment = f"{len(engines)} hardware engines, up to {max(pair.n for pair in exact):,} events"
    value = "equal" if not broken else f"{len(broken)} of {len(exact)} pairs differ"
    return KeyNumber("Engines", value, comment)


def _auc(report: Report) -> KeyNumber | None:
    losses = [d for d in report.auc_differences if (d.a, d.b) == (TEACHER, STUDENT)]
    if not losses:
        return None
    worst = max(losses, key=lambda difference: difference.value)
    return KeyNumber(
        "Largest AUC lost by the student",
        measured(worst.value, worst.error),
        f"on {worst.signal}" + (f", of {len(losses)} signals" if len(losses) > 1 else ""),
    )


def _point(report: Report) -> KeyNumber | None:
    """The threshold that the firmware holds; without a decision, the one that the test sample
    gives."""
    return _bit(report.decision) or _test_threshold(report.working_points)


def _bit(bits: Sequence[DecisionBit]) -> KeyNumber | None:
    """The tightest bit whose efficiency is known to a third of itself, or the loosest."""
    if not bits:
        return None
    known = [bit for bit in bits if bit.high - bit.low <= bit.background_efficiency * 2 / 3]
    rarest = min(known, key=lambda bit: bit.background_efficiency, default=None)
    bit = rarest or max(bits, key=lambda bit: bit.background_efficiency)
    target = "" if bit.target is None else f" for background {bit.target:g}"
    efficiency = measured(bit.background_efficiency, (bit.high - bit.low) / 2)
    return KeyNumber(
        f"Firmware's threshold{target}",
        number(bit.threshold_hw),
        f"bit {bit.bit} fires on {efficiency} of the test background",
    )


def _test_threshold(working_points: Sequence[WorkingPoint]) -> KeyNumber | None:
    points = [p for p in working_points if p.model == STUDENT and p.reliable]
    if not points:
        return None
    point = min(points, key=lambda p: p.target)
    threshold = point.threshold_hw if point.threshold_hw is not None else point.threshold_float
    rate = "" if point.rate_khz is None else f", {number(point.rate_khz)} kHz"
    return KeyNumber(
        f"Threshold for background {point.target:g}",
        f"{number(threshold)}",
        f"measured {measured(point.background_efficiency, point.error)}{rate}",
    )


def _latency(report: Report) -> KeyNumber | None:
    stated = [e for e in report.firmware if e.latency_ns is not None]
    if not stated:
        return None
    slowest = max(stated, key=lambda estimate: estimate.latency_ns or 0.0)
    cycles = "" if slowest.latency_cycles is None else f"{slowest.latency_cycles} cycles, "
    return KeyNumber(
        "Latency", f"{number(slowest.latency_ns)} ns", f"{cycles}{slowest.target} {slowest.origin}"
    )


def _resource(report: Report) -> KeyNumber | None:
    if report.board is None:
        return None
    uses = [
        _Use(float(getattr(estimate, line.quantity)), line.value, line.unit, estimate)
        for line in report.board.budget
        for estimate in report.firmware
        if line.unit not in ("ns", "cycles") and getattr(estimate, line.quantity) is not None
    ]
    if not uses:
        return None
    worst = max(uses, key=lambda use: use.share)
    share = "" if math.isinf(worst.share) else f" ({worst.share:.0%})"
    return KeyNumber(
        "Tightest resource",
        f"{number(worst.value)} of {number(worst.limit)} {worst.unit}{share}",
        f"{worst.estimate.target} {worst.estimate.origin}, {report.board.name}",
    )


@dataclass(frozen=True)
class _Use:
    value: float
    limit: float
    unit: str
    estimate: FirmwareEstimate

    @property
    def share(self) -> float:
        if self.limit == 0:
            return math.inf if self.value > 0 else 0.0
        return self.value / self.limit


@dataclass(frozen=True)
class CheckGroup:
    """Checks that ask one thing of many pairs of engines, or of many signals."""

    title: str
    checks: tuple[Check, ...]

    @property
    def failed(self) -> int:
        return sum(not check.passed for check in self.checks)

    @property
    def worst(self) -> Check:
        """The check that stands nearest to its limit or furthest beyond it."""
        return max(self.checks, key=_badness)


def _badness(check: Check) -> tuple[bool, float]:
    if check.value is None:
        return not check.passed, math.inf
    return not check.passed, check.value if check.relation == "<=" else -check.value


PAIR = re.compile(r"agreement (?P<model>[^/ ]+)/(?P<a>\S+) = (?P=model)/(?P<b>\S+)(?P<events>.*)")
SIGNAL = re.compile(r"(?P<what>AUC lost by the student) on (?P<signal>.+)")


def check_groups(checks: Iterable[Check]) -> list[CheckGroup]:
    """The checks with those of one kind in one group, groups with a failure first."""
    found: dict[object, list[Check]] = {}
    for check in checks:
        found.setdefault(_kind(check), []).append(check)
    groups = [CheckGroup(_title(members), tuple(members)) for members in found.values()]
    return sorted(groups, key=lambda group: group.failed == 0)


def _kind(check: Check) -> tuple[str | float, ...]:
    if pair := PAIR.fullmatch(check.name):
        return pair["model"], pair["events"], check.relation, check.limit
    if signal := SIGNAL.fullmatch(check.name):
        return signal["what"], check.limit
    return (check.name,)


def _title(checks: Sequence[Check]) -> str:
    if len(checks) == 1:
        return checks[0].name
    pairs = [pair for check in checks if (pair := PAIR.fullmatch(check.name))]
    if not pairs:
        return f"AUC lost by the student on {len(checks)} signals"
    engines = dict.fromkeys(engine for pair in pairs for engine in (pair["a"], pair["b"]))
    return (
        f"agreement of {pairs[0]['model']} engines {', '.join(engines)}{pairs[0]['events']}, "
        f"{len(pairs)} pairs"
    )


@dataclass(frozen=True)
class AucRow:
    """A signal with one Auc a column (None where a model has none) and the student's loss."""

    signal: str
    entries: tuple[Auc | None, ...]
    loss: AucDifference | None


@dataclass(frozen=True)
class AucTableView:
    columns: tuple[str, ...]
    rows: tuple[AucRow, ...]


def auc_rows(report: Report) -> AucTableView:
    """Signals by models, each by its first engine."""
    columns = auc_by_model(report.auc)
    losses = {d.signal: d for d in report.auc_differences if (d.a, d.b) == (TEACHER, STUDENT)}
    rows = [
        AucRow(
            signal,
            tuple(_of_signal(entries, signal) for entries in columns.values()),
            losses.get(signal),
        )
        for signal in _signals(report.auc)
    ]
    return AucTableView(tuple(columns), tuple(rows))


def input_rows(report: Report) -> AucTableView:
    """Single inputs by signals: here columns are signals and a row's name is the input."""
    singles = [entry for entry in report.auc if entry.model.startswith(SINGLE_INPUT)]
    signals = _signals(singles)
    rows = []
    for model in dict.fromkeys(entry.model for entry in singles):
        entries = [entry for entry in singles if entry.model == model]
        cells = tuple(_of_signal(entries, signal) for signal in signals)
        rows.append(AucRow(model.removeprefix(SINGLE_INPUT), cells, None))
    return AucTableView(tuple(signals), tuple(rows))


def _signals(entries: Iterable[Auc]) -> list[str]:
    return list(dict.fromkeys(entry.signal for entry in entries))


def _of_signal(entries: Iterable[Auc], signal: str) -> Auc | None:
    return next((entry for entry in entries if entry.signal == signal), None)


def anomalous_columns(report: Report, most: int = 8) -> list[str]:
    """Columns shown of the most anomalous events: all, or those that the selection changes most."""
    if not report.most_anomalous:
        return []
    names = list(report.most_anomalous[0].values)
    if len(names) <= 2 * most:
        return names
    shifts = report.selection[-1].shifts if report.selection else ()
    leading = sorted(shifts, key=lambda shift: -shift.divergence)[:most]
    return [shift.column for shift in leading if shift.column in names]


def _by_target(points: Sequence[WorkingPoint]) -> list[tuple[float, list[WorkingPoint]]]:
    targets = dict.fromkeys(point.target for point in points)
    return [(target, [p for p in points if p.target == target]) for target in targets]
