"""Run the trigger recipes and print what they give, as Markdown for docs/results.md.

    .venv/bin/python benchmarks/trigger_recipes.py
    .venv/bin/python benchmarks/trigger_recipes.py --recipes l1-objects --set seed=2 --out runs/two

Each recipe is a whole run in OUT/RECIPE, firmware and report included; what is finished is kept,
and the seconds of a stage are those of the time it was made. The text goes to
OUT/trigger_recipes.md and to the screen. The exit status is 1 if a check failed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from naetrigger.pipeline.recipe import load_recipe
from naetrigger.pipeline.run import run
from naetrigger.validation.baselines import MAHALANOBIS, PCA
from naetrigger.validation.inputs import STUDENT, TEACHER
from naetrigger.validation.report.html import auc_rows
from naetrigger.validation.report.numbers import measured
from naetrigger.validation.report.schema import Auc, Report, WorkingPoint, report_from_json

RECIPES = ("l1-objects", "calo-regions", "jet-images")
MODELS = (TEACHER, STUDENT, "baseline_ae", MAHALANOBIS, PCA, "best single input")
EFFICIENCIES = (0.01, 0.001)


def main() -> int:
    """Run what is missing, then print the tables."""
    arguments = _arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    reports = {name: _run(arguments, name) for name in arguments.recipes}
    seconds = {name: _seconds(arguments.out, name) for name in arguments.recipes}
    parts = [_times(seconds), *(_recipe(name, report) for name, report in reports.items())]
    text = "\n\n".join(parts)
    (arguments.out / "trigger_recipes.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0 if all(report.passed for report in reports.values()) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    parser.add_argument("--out", type=Path, default=Path("runs/bench/trigger_recipes"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    return parser.parse_args()


def _run(arguments: argparse.Namespace, name: str) -> Report:
    """The report of a finished run, which is made if it is not there."""
    root = arguments.out / Path(name).stem
    print(f"{name}: running in {root}", file=sys.stderr, flush=True)
    recipe = load_recipe(name, arguments.set)
    result = run(recipe, root, notify=lambda line: print(f"  {line}", file=sys.stderr, flush=True))
    kept = arguments.out / f"{Path(name).stem}-seconds.json"
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    made = {stage.name: stage.seconds for stage in result.stages if stage.action != "kept"}
    kept.write_text(json.dumps({**known, **made}), encoding="utf-8")
    return report_from_json((root / "validation" / "report.json").read_text(encoding="utf-8"))


def _seconds(out: Path, name: str) -> dict[str, float]:
    text = (out / f"{Path(name).stem}-seconds.json").read_text(encoding="utf-8")
    return {stage: float(value) for stage, value in json.loads(text).items()}


def _times(seconds: dict[str, dict[str, float]]) -> str:
    stages = list(dict.fromkeys(stage for row in seconds.values() for stage in row))
    rows = [
        [
            name,
            *(f"{row.get(stage, float('nan')):.0f}" for stage in stages),
            f"{sum(row.values()):.0f}",
        ]
        for name, row in seconds.items()
    ]
    return "Seconds of each stage:\n\n" + _table(["recipe", *stages, "all"], rows)


def _recipe(name: str, report: Report) -> str:
    verdict = (
        f"all {len(report.checks)} checks passed"
        if report.passed
        else "FAILED: "
        + "; ".join(f"{check.name} {check.value} {check.unit}" for check in report.failed_checks)
    )
    parts = [f"## {name}\n\n{report.metadata.sample}; {verdict}.", _aucs(report), _firmware(report)]
    parts += [_efficiencies(report, target) for target in EFFICIENCIES]
    return "\n\n".join(part for part in parts if part)


def _aucs(report: Report) -> str:
    """Signals by models, and the mean over signals."""
    view = auc_rows(report)
    places = [view.columns.index(model) for model in MODELS if model in view.columns]
    rows = []
    for row in view.rows:
        entries = [row.entries[place] for place in places]
        rows.append([row.signal, *(_auc(entry) for entry in entries)])
    if len(view.rows) > 1:
        columns = [[row.entries[place] for row in view.rows] for place in places]
        rows.append(["mean", *(_mean(column) for column in columns)])
    return "AUC:\n\n" + _table(["signal", *(view.columns[place] for place in places)], rows)


def _auc(entry: Auc | None) -> str:
    if entry is None:
        return "–"
    of = f" ({entry.model.removeprefix('input:')})" if entry.best_single_input else ""
    return measured(entry.value, entry.error) + of


def _mean(entries: Sequence[Auc | None]) -> str:
    values = [entry.value for entry in entries if entry is not None]
    return f"{sum(values) / len(values):.4f}" if values else "–"


def _efficiencies(report: Report, target: float) -> str:
    points = [point for point in report.working_points if point.target == target]
    if not points:
        return ""
    signals = [entry.signal for entry in next((p.signals for p in points if p.signals), ())]
    header = ["signal efficiency in %", *(point.model for point in points)]
    rows = [["background", *(_background(point) for point in points)]]
    rows += [[signal, *(_efficiency(point, signal) for point in points)] for signal in signals]
    return f"At a background efficiency of {target:g}:\n\n" + _table(header, rows)


def _background(point: WorkingPoint) -> str:
    if point.background_efficiency is None:
        return "refused"
    told = 100 * point.background_efficiency, None if point.error is None else 100 * point.error
    return measured(*told) + ("" if point.reliable else " (too few)")


def _efficiency(point: WorkingPoint, signal: str) -> str:
    entry = next((entry for entry in point.signals if entry.signal == signal), None)
    if entry is None:
        return "–"
    return measured(100 * entry.efficiency, 50 * (entry.high - entry.low))


def _firmware(report: Report) -> str:
    board = report.board.name if report.board else "no board"
    return "\n".join(
        f"Firmware ({e.target}, {e.source}, {board}): {e.latency_cycles} cycles, "
        f"{e.latency_ns:.0f} ns, {e.lut} LUT, {e.ff} FF, {e.dsp} DSP."
        for e in report.firmware
        if e.latency_ns is not None
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
