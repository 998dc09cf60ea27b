"""A finished run on the terminal: its stages, and the figures of its report with their errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console

from naetrigger.contracts.manifest import Manifest
from naetrigger.pipeline.recipe import Recipe
from naetrigger.pipeline.terminal import check_line, show_firmware, show_table
from naetrigger.validation.report.numbers import measured
from naetrigger.validation.report.schema import Auc, Report, SignalEfficiency

FIRST = ("teacher", "student")
INPUT = "input:"


def show_run(
    root: Path,
    recipe: Recipe,
    manifest: Manifest,
    states: Mapping[str, str],
    report: Report | None,
) -> None:
    """The stages of a run, and its verdict if it has one."""
    rows: list[list[object]] = []
    for name, state in states.items():
        files = manifest.stages[name].files if name in manifest.stages else ()
        megabytes = round(sum(file.bytes for file in files) / 1e6, 2)
        rows.append([name, state, len(files), megabytes])
    show_table(f"{root}: {recipe.name}", ["stage", "state", "files", "MB"], rows)
    if report is not None:
        show_report(report)


def show_report(report: Report) -> None:
    """What each signal keeps, where the thresholds are, the firmware, and the checks."""
    targets = [*dict.fromkeys(point.target for point in report.working_points)]
    reweighted = any(auc.reweighted for auc in report.auc)
    show_table(
        f"AUC{' (background reweighted to each signal)' if reweighted else ''}, and what a signal "
        "keeps at background efficiencies",
        ["signal", "model", "AUC", *(f"at {target:g}" for target in targets)],
        [*_signal_rows(report, targets)],
    )
    _show_working_points(report)
    _show_decision(report)
    show_firmware(report.firmware)
    console = Console(highlight=False, soft_wrap=True)
    failed = report.failed_checks
    console.print(f"checks: {len(report.checks) - len(failed)} of {len(report.checks)} passed")
    for check in failed:
        console.print(f"  {check_line(check.model_dump())}", markup=False)


def _signal_rows(report: Report, targets: list[float]) -> Iterator[list[object]]:
    """Of every signal the models, teacher and student first, and its best single input last."""
    shown = [auc for auc in report.auc if _is_shown(auc)]
    kept = {
        (signal.signal, point.model, point.target): signal
        for point in report.working_points
        for signal in point.signals
    }
    for signal in dict.fromkeys(auc.signal for auc in shown):
        models: dict[str, Auc] = {}
        for auc in shown:
            if auc.signal == signal:
                models.setdefault(auc.model, auc)
        for auc in sorted(models.values(), key=lambda auc: _place(auc.model)):
            yield [
                signal,
                auc.model.replace(INPUT, "best input: "),
                measured(auc.value, auc.error),
                *(_kept(kept.get((signal, auc.model, target))) for target in targets),
            ]


def _is_shown(auc: Auc) -> bool:
    return auc.best_single_input or not auc.model.startswith(INPUT)


def _place(model: str) -> int:
    return FIRST.index(model) if model in FIRST else len(FIRST) + model.startswith(INPUT)


def _kept(signal: SignalEfficiency | None) -> str | None:
    return None if signal is None else measured(signal.efficiency, (signal.high - signal.low) / 2)


def _show_working_points(report: Report) -> None:
    """Of the student, which is what the hardware has."""
    points = [point for point in report.working_points if point.model == "student"]
    rates = any(point.rate_khz is not None for point in points)
    rows: list[list[object]] = [
        [
            f"{point.target:g}",
            measured(point.background_efficiency, point.error),
            point.threshold_hw,
            *([point.rate_khz] if rates else []),
            point.note,
        ]
        for point in points
    ]
    rate = ["rate [kHz]"] if rates else []
    show_table(
        "Working points of the student, set on the test sample",
        ["background", "measured", "score >=", *rate, "note"],
        rows,
    )


def _show_decision(report: Report) -> None:
    """The bits that the firmware holds, if it decides."""
    rows: list[list[object]] = [
        [
            bit.bit,
            None if bit.target is None else f"{bit.target:g}",
            bit.threshold_hw,
            measured(
                bit.training_background_efficiency, _half(bit.training_low, bit.training_high)
            ),
            measured(bit.background_efficiency, _half(bit.low, bit.high)),
        ]
        for bit in report.decision
    ]
    if rows:
        show_table(
            "The decision in firmware, set on the training background",
            ["bit", "background", "score >=", "in training", "on the test sample"],
            rows,
        )


def _half(low: float | None, high: float | None) -> float | None:
    return None if low is None or high is None else (high - low) / 2
