"""The command `naetrigger diff`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from naetrigger.pipeline.command_options import (
    FAILED,
    OPTIONS,
    PASSED,
    DebugOption,
    JsonOption,
    echo_json,
)

if TYPE_CHECKING:
    from naetrigger.validation.diff_schema import AucChange, DiffReport, Setting

HEADLINES = ("teacher", "student")
SHOWN = 60  # characters of a value


def diff(
    run_a: Annotated[Path, typer.Argument(help="The run folder that is known.")],
    run_b: Annotated[Path, typer.Argument(help="The one that is to take its place.")],
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """What changed from one run to another; fails if B does not pass a check that A passes."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.pipeline.diffing import diff_runs

    found = diff_runs(run_a, run_b)
    status = FAILED if found.worse else PASSED
    if as_json:
        return echo_json(found, status)
    _show(found)
    return status


def _show(found: DiffReport) -> None:
    from naetrigger.pipeline import terminal

    typer.echo(f"a: {found.a}\nb: {found.b}")
    for title, rows in _tables(found).items():
        if rows:
            terminal.show_table(title, COLUMNS[title], rows)
    for note in found.notes:
        typer.echo(f"note: {note}")
    for name in found.worse:
        typer.echo(f"worse: {name}: passes in a, not in b")
    if found.same:
        typer.echo("the runs are the same")
    else:
        typer.echo(f"{len(found.worse)} checks that a passes are lost in b")


COLUMNS = {
    "Recipe": ["key", "a", "b"],
    "Packages": ["package", "a", "b"],
    "About": ["what", "a", "b"],
    "Stages": ["stage", "files changed", "only in a", "only in b", "not finished in"],
    "Checks": ["check", "change", "a", "b", "unit"],
    "AUC": ["signal", "model", "engine", "a", "b", "b - a", "error", "sigma"],
    "Thresholds": ["point", "a", "b", "keeps in a", "68%", "keeps in b", "68%"],
    "Signals kept": ["point", "signal", "a", "b"],
    "Firmware": ["target", "source", "quantity", "a", "b", "change"],
}


def _tables(found: DiffReport) -> dict[str, list[list[object]]]:
    return {
        "Recipe": _settings(found.recipe),
        "Packages": _settings(found.packages),
        "About": _settings(found.about),
        "Stages": [
            [s.stage, s.files_changed, s.only_a, s.only_b, s.missing or None] for s in found.stages
        ],
        "Checks": [[c.name, c.change, c.a, c.b, c.unit] for c in found.checks],
        "AUC": [
            [x.signal, x.model, x.engine, x.a, x.b, x.difference, x.error, x.sigma]
            for x in _headlines(found)
        ],
        "Thresholds": [
            [t.point, t.threshold_a, t.threshold_b, t.kept_a, _range(t.interval_a), t.kept_b,
             _range(t.interval_b)]
            for t in found.thresholds
        ],
        "Signals kept": [
            [t.point, signal.key, signal.a, signal.b]
            for t in found.thresholds
            for signal in t.signals
        ],
        "Firmware": [
            [f.target, f.source, f.quantity, f.a, f.b, _change(f.a, f.b)] for f in found.firmware
        ],
    }  # fmt: skip


def _headlines(found: DiffReport) -> list[AucChange]:
    """Teacher and student, each by its first engine; --json has baselines and all engines."""
    first = {(x.signal, x.model): x for x in reversed(found.auc)}
    return [x for x in found.auc if first[x.signal, x.model] is x and x.model in HEADLINES]


def _settings(settings: Sequence[Setting]) -> list[list[object]]:
    return [[s.key, _short(s.a), _short(s.b)] for s in settings]


def _short(value: object) -> object:
    text = "-" if value is None else str(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def _range(ends: tuple[float, float] | None) -> str | None:
    return None if ends is None else f"{ends[0]:.4g} to {ends[1]:.4g}"


def _change(a: float | None, b: float | None) -> str | None:
    return None if a is None or b is None or not a else f"{b / a - 1:+.1%}"
