"""The command `naetrigger score`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from naetrigger.pipeline.command_options import (
    OPTIONS,
    PASSED,
    DaskOption,
    DebugOption,
    EngineOption,
    FolderArgument,
    ForceOption,
    FormatOption,
    JsonOption,
    QuietOption,
    SortOption,
    UnitsOption,
    ViewOption,
    WorkersOption,
    at_work,
    watching_parts,
)


def score(
    folder: FolderArgument,
    file: Annotated[Path, typer.Argument(help="An event file of any known format.")],
    engine: EngineOption = "network",
    out: Annotated[Path, typer.Option("--out", help="The file to write: .h5 or .parquet.")] = Path(
        "scores.h5"
    ),
    format: FormatOption = None,
    view: ViewOption = None,
    units: UnitsOption = None,
    sort_objects: SortOption = None,
    workers: WorkersOption = None,
    dask: DaskOption = None,
    force: ForceOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Score every event of a file; interrupted, the same command goes on where it stopped."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.pipeline.scoring import Reading, score_file

    with (
        watching_parts(out, silent=quiet or as_json, debug=debug) as watcher,
        at_work(dask, workers, watcher) as crew,
    ):
        done = score_file(
            folder,
            file,
            out,
            engine,
            reading=Reading(format, view, None if units is None else units.value, sort_objects),
            workers=crew,
            force=force,
            progress=watcher.progress,
        )
    if as_json:
        typer.echo(json.dumps({"exit_status": PASSED, **done}))
        return PASSED
    counts = ", ".join(f"{name} {count}" for name, count in done["events"].items())
    hardware = "hardware " if done["model"] == "student" else ""
    typer.echo(f"{out}: {counts}; {hardware}scores {done['lowest']:g} to {done['highest']:g}")
    if not quiet:
        typer.echo(f"time {done['seconds']:.1f} s, {done['events_per_second']:.4g} events/s")
        for column, n in done["saturated"].items():
            typer.echo(f"warning: {column}: {n} values saturate", err=True)
    return PASSED
