"""What changed from one run to another, from the documents that each run holds.

Documents are read key by key, so that those of an older or newer program are compared in all that
both of them state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from naetrigger.validation.diff_schema import (
    AucChange,
    CheckChange,
    DiffReport,
    FigureChange,
    Setting,
    SignalChange,
    StageChange,
    ThresholdChange,
)
from naetrigger.validation.report.schema import origin_of

Document = Mapping[str, Any]
PairedError = Callable[[str, str, str], float | None]
"""(signal, model, engine) -> error of AUC(b) - AUC(a) on shared resamples; None: not shared."""

FIGURES = (
    "latency_cycles", "clock_ns", "latency_ns", "initiation_interval", "lut", "ff", "dsp", "bram",
    "lut_levels", "maximum_clock_mhz",
)  # fmt: skip


@dataclass(frozen=True)
class RunDocuments:
    """What of a run is compared; an empty mapping where it has no such document.

    files : stage -> path -> sha256, of finished stages
    packages : name -> version
    """

    name: str
    recipe: Document
    files: Mapping[str, Mapping[str, str]]
    packages: Mapping[str, str]
    about: Mapping[str, Any]
    report: Document = field(default_factory=dict)
    rates: Document = field(default_factory=dict)
    decision: Document = field(default_factory=dict)


def run_difference(
    a: RunDocuments, b: RunDocuments, paired: PairedError, notes: tuple[str, ...] = ()
) -> DiffReport:
    """All that differs."""
    checks = tuple(_checks(a.report, b.report))
    changes: dict[str, tuple[Any, ...]] = {
        "recipe": tuple(_settings(_flat(a.recipe), _flat(b.recipe))),
        "packages": tuple(_settings(a.packages, b.packages)),
        "about": tuple(_settings(a.about, b.about)),
        "stages": tuple(_stages(a.files, b.files)),
        "checks": checks,
        "auc": tuple(_aucs(a.report, b.report, paired)),
        "thresholds": tuple(_thresholds(a, b)),
        "firmware": tuple(_figures(a.report, b.report)),
    }
    return DiffReport(
        a=a.name,
        b=b.name,
        same=not any(changes.values()),
        worse=tuple(
            check.name
            for check in checks
            if check.change == "fails now" or (check.change == "gone" and check.passed_a)
        ),
        notes=notes,
        **changes,
    )


def _settings(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Setting]:
    for key in [*a, *(key for key in b if key not in a)]:
        if a.get(key) != b.get(key):
            yield Setting(key=key, a=a.get(key), b=b.get(key))


def _flat(document: Any, prefix: str = "") -> dict[str, Any]:
    """section.key -> value; lists are values."""
    if not isinstance(document, Mapping) or not document:
        return {prefix: document} if prefix else {}
    flat: dict[str, Any] = {}
    for key, value in document.items():
        flat |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


def _stages(
    a: Mapping[str, Mapping[str, str]], b: Mapping[str, Mapping[str, str]]
) -> Iterator[StageChange]:
    for stage in dict.fromkeys([*a, *b]):
        one, other = a.get(stage, {}), b.get(stage, {})
        change = StageChange(
            stage=stage,
            files_changed=sum(one[path] != other[path] for path in one if path in other),
            only_a=sum(path not in other for path in one),
            only_b=sum(path not in one for path in other),
            missing="a" if stage not in a else "b" if stage not in b else "",
        )
        if change.files_changed or change.only_a or change.only_b or change.missing:
            yield change


def _checks(a: Document, b: Document) -> Iterator[CheckChange]:
    """Of a run without a verdict every check is gone: nothing of it is approved."""
    one, other = ({c["name"]: c for c in report.get("checks", [])} for report in (a, b))
    for name in dict.fromkeys([*one, *other]):
        old, new = one.get(name), other.get(name)
        if old is None or new is None:
            change = "new" if old is None else "gone"
        elif old["passed"] != new["passed"]:
            change = "passes now" if new["passed"] else "fails now"
        elif (old["value"], old["limit"]) != (new["value"], new["limit"]):
            change = "value"
        else:
            continue
        yield CheckChange(
            name=name,
            change=change,
            a=old and old["value"],
            b=new and new["value"],
            passed_a=old and old["passed"],
            passed_b=new and new["passed"],
            limit_a=old and old["limit"],
            limit_b=new and new["limit"],
            unit=(new or old or {}).get("unit", ""),
        )


def _aucs(a: Document, b: Document, paired: PairedError) -> Iterator[AucChange]:
    if not a or not b:
        return
    one, other = ({_auc_key(auc): auc for auc in report.get("auc", [])} for report in (a, b))
    for key in dict.fromkeys([*one, *other]):
        old, new = one.get(key, {}), other.get(key, {})
        if old.get("value") != new.get("value"):
            yield _auc_change(key, old, new, paired(*key) if old and new else None)


def _auc_change(
    key: tuple[str, str, str], old: Document, new: Document, shared: float | None
) -> AucChange:
    error_a, error_b = old.get("error"), new.get("error")
    return AucChange(
        signal=key[0],
        model=key[1],
        engine=key[2],
        a=old.get("value"),
        error_a=error_a,
        b=new.get("value"),
        error_b=error_b,
        difference=new["value"] - old["value"] if old and new else None,
        error=_in_quadrature(error_a, error_b) if shared is None else shared,
        paired=shared is not None,
    )


def _auc_key(auc: Document) -> tuple[str, str, str]:
    return str(auc["signal"]), str(auc["model"]), str(auc["engine"])


def _in_quadrature(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else math.hypot(one, other)


def _thresholds(a: RunDocuments, b: RunDocuments) -> Iterator[ThresholdChange]:
    one, other = (
        {**_points(run.report), **_bits(run.decision), **_rates(run.rates)} for run in (a, b)
    )
    for name in dict.fromkeys([*one, *other]):
        old, new = one.get(name, _Point()), other.get(name, _Point())
        if old != new:
            yield ThresholdChange(
                point=name,
                threshold_a=old.threshold,
                threshold_b=new.threshold,
                kept_a=old.kept,
                interval_a=old.interval,
                kept_b=new.kept,
                interval_b=new.interval,
                signals=tuple(_signals(old.signals, new.signals)),
            )


Interval = tuple[float, float]
Kept = tuple[float | None, Interval | None]
"""A fraction and its 68% interval."""


@dataclass(frozen=True)
class _Point:
    threshold: float | None = None
    kept: float | None = None
    interval: Interval | None = None
    signals: Mapping[str, Kept] = field(default_factory=dict)


def _signals(a: Mapping[str, Kept], b: Mapping[str, Kept]) -> Iterator[SignalChange]:
    for name in dict.fromkeys([*a, *b]):
        old, new = a.get(name, (None, None)), b.get(name, (None, None))
        if old[0] != new[0]:
            yield SignalChange(
                signal=name, a=old[0], interval_a=old[1], b=new[0], interval_b=new[1]
            )


def _points(report: Document) -> dict[str, _Point]:
    """Working points of teacher and student."""
    return {
        f"{point['model']}, background {point['target']:g}": _Point(
            point["threshold_float"] if point["threshold_hw"] is None else point["threshold_hw"],
            point["background_efficiency"],
            _low_high(point),
            {s["signal"]: (s["efficiency"], _low_high(s)) for s in point.get("signals", [])},
        )
        for point in report.get("working_points", [])
        if point["model"] in ("teacher", "student")
    }


def _bits(decision: Document) -> dict[str, _Point]:
    return {
        f"decision bit {bit['bit']}": _Point(
            bit["threshold_hw"], bit.get("training_background_efficiency")
        )
        for bit in decision.get("bits", [])
    }


def _rates(rates: Document) -> dict[str, _Point]:
    return {
        f"{entry['requested_khz']:g} kHz": _Point(
            entry["threshold_hw"],
            entry.get("test", {}).get("rate_khz"),
            _ends(entry.get("test", {}).get("interval_68")),
        )
        for entry in rates.get("rates", [])
    }


def _origin(estimate: Document) -> str:
    return origin_of(estimate["source"], estimate.get("step", ""))


def _low_high(entry: Document) -> Interval | None:
    return None if entry.get("low") is None else (entry["low"], entry["high"])


def _ends(interval: Any) -> Interval | None:
    return None if interval is None else (float(interval[0]), float(interval[1]))


def _figures(a: Document, b: Document) -> Iterator[FigureChange]:
    one, other = (
        {(e["target"], _origin(e)): e for e in report.get("firmware", [])} for report in (a, b)
    )
    for target, source in dict.fromkeys([*one, *other]):
        old, new = one.get((target, source), {}), other.get((target, source), {})
        for quantity in FIGURES:
            if old.get(quantity) != new.get(quantity):
                yield FigureChange(
                    target=target,
                    source=source,
                    quantity=quantity,
                    a=old.get(quantity),
                    b=new.get(quantity),
                    tool_a=old.get("tool", ""),
                    tool_b=new.get("tool", ""),
                )
