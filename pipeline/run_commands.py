"""The commands on runs: make one, show it, print its report."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from naetrigger.contracts.errors import InputError
from naetrigger.pipeline.command_options import (
    CRASHED,
    FAILED,
    OPTIONS,
    PASSED,
    CheckOption,
    DaskOption,
    DebugOption,
    FolderArgument,
    JsonOption,
    OutOption,
    QuietOption,
    RecipeArgument,
    SetOption,
    TrackOption,
    at_work,
    resumable,
)
from naetrigger.training.launch import rank_and_size


@dataclass(frozen=True)
class Elsewhere:
    """What a run has beside its folder: a Dask cluster for ensembles, a store to be logged in."""

    dask: str | None
    track: str | None


def stage_command(until: str) -> Callable[..., int]:
    """A command that runs a recipe as far as one stage."""

    def command(
        recipe: RecipeArgument,
        out: OutOption = None,
        override: SetOption = None,
        dask: DaskOption = None,
        track: TrackOption = None,
        check: CheckOption = False,
        quiet: QuietOption = False,
        as_json: JsonOption = False,
        debug: DebugOption = False,
    ) -> int:
        if check:
            return _check_until(until, recipe, out, override, track, quiet, as_json, debug)
        where = Elsewhere(dask, track)
        return _run_until(until, recipe, out, override, where, quiet, as_json, debug)

    return command


def _run_until(
    until: str,
    recipe_name: str,
    out: Path | None,
    override: list[str] | None,
    elsewhere: Elsewhere,
    quiet: bool,
    as_json: bool,
    debug: bool,
) -> int:
    OPTIONS.json, OPTIONS.debug = as_json, debug
    rank, processes = rank_and_size()
    if processes > 1:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # torch muses about the gradients
    if rank > 0:
        return _follow()
    from naetrigger.pipeline import run as pipeline
    from naetrigger.pipeline import terminal
    from naetrigger.pipeline.recipe import load_recipe
    from naetrigger.pipeline.tracking import require_mlflow, track_if_it_can

    if elsewhere.track is not None:
        require_mlflow()  # not after a night
    notes: list[str] = []
    recipe = load_recipe(recipe_name, override or (), notes.append)
    if elsewhere.dask is not None and recipe.ensemble.members == 1:
        raise InputError(
            "--dask: only members of an ensemble are trained on a cluster, and ensemble.members of "
            "this recipe is 1; leave --dask away"
        )
    root = out or Path("runs") / recipe.name
    start = time.monotonic()
    with (
        terminal.watching(silent=quiet or as_json, debug=debug) as watcher,
        resumable(root),
        at_work(elsewhere.dask, 1 if elsewhere.dask is None else None, watcher) as workers,
    ):
        for note in notes:
            watcher.line(note)
        result = pipeline.run(
            recipe,
            root,
            until=until,
            progress=watcher.progress,
            notify=watcher.line,
            workers=workers,
        )
        if elsewhere.track is not None:
            track_if_it_can(root, elsewhere.track, watcher.line)
    if processes > 1:
        _dismiss()
    summary = {
        "folder": str(root),
        "stages": [
            {"name": s.name, "action": s.action, "seconds": round(s.seconds, 2)}
            for s in result.stages
        ],
        "notes": notes,
        "seconds": round(time.monotonic() - start, 2),
        "peak_memory_mb": terminal.peak_memory_mb(),
    }
    verdict = _verdict(root) if until == "validation" else {}
    return _tell(root, {**summary, **verdict}, quiet, as_json)


def _tell(root: Path, summary: dict[str, Any], quiet: bool, as_json: bool) -> int:
    """What became of a run, as a document or in words; its exit status."""
    from naetrigger.pipeline import terminal

    status = PASSED if summary.get("passed", True) else FAILED
    if as_json:
        typer.echo(json.dumps({"exit_status": status, **summary}))
        return status
    terminal.show_summary(summary, quiet)
    if status != PASSED:
        check = shlex.quote(summary["failed_checks"][0]["name"])
        typer.echo(f"what that means: naetrigger show {shlex.quote(str(root))} --explain {check}")
    return status


def _check_until(
    until: str,
    recipe_name: str,
    out: Path | None,
    override: list[str] | None,
    track: str | None,
    quiet: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Say whether the run could begin; nothing is written."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.pipeline import terminal
    from naetrigger.pipeline.checking import check, in_words
    from naetrigger.pipeline.recipe import load_recipe
    from naetrigger.pipeline.tracking import require_mlflow

    if track is not None:
        require_mlflow()
    notes: list[str] = []
    recipe = load_recipe(recipe_name, override or (), notes.append)
    root = out or Path("runs") / recipe.name
    with terminal.watching(silent=quiet or as_json, debug=debug) as watcher:
        for note in notes:
            watcher.line(note)
        found = check(recipe, root, until)
    if as_json:
        document = {"exit_status": PASSED, "folder": str(root), **asdict(found), "notes": notes}
        typer.echo(json.dumps(document))
        return PASSED
    lines = in_words(recipe.name, found)
    typer.echo("\n".join(lines[:1] if quiet else lines))
    return PASSED


def _follow() -> int:
    """A process that torchrun started beside the first: it trains with it, and says nothing."""
    from naetrigger.training.loop import follow

    try:
        follow()
    except RuntimeError:  # the first process is gone, and has said why
        return CRASHED
    return PASSED


def _dismiss() -> None:
    from naetrigger.training.loop import dismiss

    dismiss()


def _verdict(root: Path) -> dict[str, Any]:
    """Whether all checks passed, and which did not."""
    report = read_report(root)
    failed = [check.model_dump(mode="json") for check in report.failed_checks]
    return {
        "passed": report.passed,
        "checks": len(report.checks),
        "failed_checks": failed,
        "report": str(root / "validation" / "report.html"),
    }


def read_report(root: Path) -> Any:
    """The verdict of a run that is validated and whole."""
    from pydantic import ValidationError

    from naetrigger.contracts.manifest import read_manifest, verify
    from naetrigger.validation.report.schema import report_from_json

    verify(root, read_manifest(root), ["validation"])
    path = root / "validation" / "report.json"
    try:
        return report_from_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"{path}: not a report of this program's version ({error})") from error


def say_if_outdated(root: Path) -> None:
    """Warn of a verdict that is not that of the folder's recipe."""
    from naetrigger.pipeline.run import outdated_verdict

    warning = outdated_verdict(root)
    if warning:
        typer.echo(f"warning: {warning}", err=True)


def report(
    folder: FolderArgument,
    pdf: Annotated[
        Path | None,
        typer.Option("--pdf", help="Print it into this file too, by an installed Chromium."),
    ] = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Print where a run's report is; --json prints the report itself."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    found, page = read_report(folder), folder / "validation" / "report.html"
    say_if_outdated(folder)
    if pdf is not None:
        from naetrigger.pipeline.report_pdf import print_report

        print_report(page, pdf)
    typer.echo(found.model_dump_json() if as_json else str(pdf or page))
    return PASSED if found.passed else FAILED


def show(
    folder: Annotated[
        Path | None, typer.Argument(help="A run folder; --explain needs none.")
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option("--explain", metavar="CHECK", help="What checks of this name mean; all: each"),
    ] = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Show a run: its stages, files and, when validated, its verdict."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    if explain is not None:
        from naetrigger.pipeline.check_explaining import explain_checks, explain_kinds

        if folder is None:
            explain_kinds(explain, as_json=as_json)
        else:
            found = read_report(folder)
            say_if_outdated(folder)
            explain_checks(found, explain, as_json=as_json)
        return PASSED
    if folder is None:
        raise InputError("show: name a run folder, as in: naetrigger show runs/mine")
    from naetrigger.contracts.manifest import read_manifest
    from naetrigger.pipeline.run import run_recipe, stage_states
    from naetrigger.pipeline.shown_run import show_run

    manifest, states = read_manifest(folder), stage_states(folder)
    if states["validation"] == "outdated":
        say_if_outdated(folder)
    found = read_report(folder) if states.get("validation") == "done" else None
    if as_json:
        document = {
            "folder": str(folder),
            "recipe": run_recipe(folder).name,
            "states": states,
            "passed": found.passed if found else None,
        }
        typer.echo(json.dumps(document))
        return PASSED
    show_run(folder, run_recipe(folder), manifest, states, found)
    return PASSED
