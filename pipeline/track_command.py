"""The command `naetrigger track`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from naetrigger.pipeline.command_options import (
    OPTIONS,
    PASSED,
    DebugOption,
    FolderArgument,
    JsonOption,
    QuietOption,
)


def track(
    folder: FolderArgument,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="URI",
            help="MLflow's store; default: MLFLOW_TRACKING_URI, else mlflow.sqlite3 beside it.",
        ),
    ] = None,
    experiment: Annotated[
        str | None, typer.Option("--experiment", help="Its name; default: the recipe's.")
    ] = None,
    package: Annotated[
        Path | None, typer.Option("--package", help="An emulator package to log with it.")
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Log a run in MLflow: recipe, curves, figures, report and export; once, however often."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.pipeline.tracking import track as log_run

    done = log_run(folder, to, experiment, package)
    if done.warning and not as_json:
        typer.echo(f"warning: {folder}: {done.warning}", err=True)
    if as_json:
        typer.echo(json.dumps({"exit_status": PASSED, **vars(done)}))
    elif quiet:
        typer.echo(done.run_id)
    else:
        state = "logged" if done.new else "was there already"
        typer.echo(f"{folder}: {state} in {done.uri}, experiment {done.experiment}: {done.run_id}")
    return PASSED
