"""The command `naetrigger monitor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from naetrigger.pipeline.command_options import (
    FAILED,
    OPTIONS,
    PASSED,
    DebugOption,
    EngineOption,
    FolderArgument,
    FormatOption,
    JsonOption,
    QuietOption,
    SortOption,
    UnitsOption,
    ViewOption,
    WorkersOption,
    echo_json,
    workers_of,
)

if TYPE_CHECKING:
    from naetrigger.validation.monitor_schema import MonitoredFile, MonitorReport

COLUMNS = (
    "quantity", "flags", "mean before", "now", "unit", "shift/sigma", "KS", "W/sigma", "effect",
    "p corrected",
)  # fmt: skip
ROWS = 12  # inputs of a file on the terminal, those that moved most


def monitor(
    folder: FolderArgument,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Event files of any known format.")
    ],
    reference: Annotated[
        Path | None,
        typer.Option("--reference", help="What to compare with; default: the run's test sample."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write; default: RUN/validation.")
    ] = None,
    engine: EngineOption = "network",
    process: Annotated[
        str | None, typer.Option("--process", help="The process to watch; default: backgrounds.")
    ] = None,
    alpha: Annotated[
        float, typer.Option("--alpha", help="Accepted chance of any false alarm at all.")
    ] = 0.01,
    min_effect: Annotated[
        float, typer.Option("--min-effect", help="Smaller effects are not flagged.")
    ] = 0.1,
    format: FormatOption = None,
    view: ViewOption = None,
    units: UnitsOption = None,
    sort_objects: SortOption = None,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Are scores and inputs those of the run's reference? Flags drifts, dead and hot inputs."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.pipeline import terminal
    from naetrigger.pipeline.monitoring import DOCUMENT, PAGE, MonitorOptions, monitor_files
    from naetrigger.pipeline.scoring import Reading
    from naetrigger.pipeline.verdict_folder import Verdict

    options = MonitorOptions(
        engine=engine,
        reference=reference,
        process=process,
        alpha=alpha,
        min_effect=min_effect,
        workers=workers_of(workers),
        reading=Reading(format, view, None if units is None else units.value, sort_objects),
    )
    verdict = Verdict(folder, out, DOCUMENT, PAGE)
    with terminal.watching(silent=quiet or as_json, debug=debug) as watcher:
        report = monitor_files(folder, files, out, options, watcher.progress)
    status = PASSED if report.passed else FAILED
    if as_json:
        return echo_json(report, status)
    _show(report, quiet)
    typer.echo(str(verdict))
    return status


def _show(report: MonitorReport, quiet: bool) -> None:
    """Tables of what moved most in every file, with its flags; --quiet: a line for each flag."""
    from naetrigger.validation.monitor_page import flag_lines

    typer.echo(f"reference: {report.reference}, {report.reference_events} events")
    for file in report.files:
        if not quiet:
            _show_file(file)
            continue
        for line in flag_lines(file):
            typer.echo(f"flagged: {line}")
    for note in report.notes:
        typer.echo(f"note: {note}")
    flagged = sum(not file.passed for file in report.files)
    verdict = "passed" if report.passed else f"FAILED: {flagged} of {len(report.files)} files"
    typer.echo(
        f"{verdict}; {report.tests} tests at {report.alpha:g}, effects from {report.min_effect:g}"
    )


def _show_file(file: MonitoredFile) -> None:
    from naetrigger.pipeline import terminal

    moved = sorted(file.inputs, key=lambda d: (not d.flags, -max(d.wasserstein, d.effect)))
    terminal.show_table(
        f"{file.file}: {sum(file.processes.values())} events",
        COLUMNS,
        [
            [
                drift.shown,
                ", ".join(drift.flags),
                *drift.means,
                drift.unit or None,
                drift.shift,
                drift.ks,
                drift.wasserstein,
                drift.effect,
                drift.p,
            ]
            for drift in (file.score, *moved[:ROWS])
        ],
    )
    if rest := moved[ROWS:]:
        flags = sum(bool(drift.flags) for drift in rest)
        typer.echo(
            f"and {len(rest)} inputs that moved less" + f", {flags} of them flagged" * (flags > 0)
        )
    terminal.show_table(
        "Above thresholds",
        ["point", "flags", "threshold", "reference", "now", "p corrected"],
        [
            [f.point, "moved" if f.flagged else "", f.threshold, f.reference, f.found, f.p]
            for f in file.fractions
        ],
    )
