"""The command `naetrigger search`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from naetrigger.pipeline.command_options import (
    FAILED,
    OPTIONS,
    PASSED,
    DaskOption,
    DebugOption,
    JsonOption,
    OutOption,
    QuietOption,
    RecipeArgument,
    SetOption,
    WorkersOption,
    at_work,
    resumable,
)


def search(
    recipe: RecipeArgument,
    out: OutOption = None,
    override: SetOption = None,
    storage: Annotated[
        str | None,
        typer.Option("--storage", help="URL of Optuna's storage; default: in the run folder."),
    ] = None,
    workers: WorkersOption = None,
    dask: DaskOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Search widths, rounding and pruning of the student: fidelity against LUTs and cycles."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.pipeline import terminal
    from naetrigger.pipeline.recipe import load_recipe
    from naetrigger.pipeline.run_folder import locked
    from naetrigger.pipeline.search import require_searchable
    from naetrigger.pipeline.search import search as make_search
    from naetrigger.pipeline.search_front import FIGURES, write_front

    found = load_recipe(recipe, override or ())
    require_searchable(found)
    root = out or Path("runs") / found.name
    with (
        terminal.watching(silent=quiet or as_json, debug=debug) as watcher,
        resumable(root),
        at_work(dask, workers, watcher) as crew,
    ):
        result = make_search(
            found,
            root,
            workers=crew,
            storage=storage,
            progress=watcher.progress,
            notify=watcher.line,
        )
    with locked(root):
        document = write_front(result, found)
    fits = any(row.fits for row in result.front)
    status = PASSED if fits else FAILED
    if as_json:
        typer.echo(json.dumps({"exit_status": status, "folder": str(root), **document}))
        return status
    rows = [[row.trial, *(_shown(row.figures[f]) for f in FIGURES)] for row in result.front]
    terminal.show_table("", ["trial", *FIGURES], rows)
    typer.echo(str(root / "search" / "front.md"))
    if result.problems:
        trial, problem = next(iter(result.problems.items()))
        typer.echo(f"{result.failed} trials have no student; trial {trial}: {problem}", err=True)
    if not fits:
        typer.echo(f"no student keeps the budget of {result.board.name}", err=True)
    return status


def _shown(value: float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
