"""The command `naetrigger build`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from naetrigger.pipeline.command_options import (
    FAILED,
    OPTIONS,
    PASSED,
    DebugOption,
    FolderArgument,
    JsonOption,
    QuietOption,
)


def build(
    folder: FolderArgument,
    project: Annotated[
        list[str] | None,
        typer.Option(
            "--project",
            metavar="FOLDER",
            help="A folder of the export: hls (default), hls_quartus, ...",
        ),
    ] = None,
    synthesis: Annotated[
        bool, typer.Option("--synthesis", help="Go on to logic synthesis, where the tool has it.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Build a run's HLS project by its vendor's tool; its figures go into the run's report."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.pipeline import terminal
    from naetrigger.pipeline.run import run, run_recipe
    from naetrigger.pipeline.run_commands import read_report
    from naetrigger.pipeline.vendor_build import build as build_projects

    with terminal.watching(silent=quiet or as_json, debug=debug) as watcher:
        found = build_projects(
            folder, project or ("hls",), synthesis=synthesis, notify=watcher.line
        )
        run(run_recipe(folder), folder, progress=watcher.progress, notify=watcher.line)
    rows = [asdict(figures) for figures in found]
    report = read_report(folder)
    if as_json:
        document = {"folder": str(folder), "vendor": rows, "passed": report.passed}
        typer.echo(json.dumps(document))
    else:
        terminal.show_table("", list(rows[0]), [list(row.values()) for row in rows])
    return PASSED if report.passed else FAILED
