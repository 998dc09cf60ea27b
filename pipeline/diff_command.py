"""The command `naetrigger diff`."""

from __future__ import annotations

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
    from naetrigger.validation.diff_schema import DiffReport


def diff(
    run_a: Annotated[Path, typer.Argument(help="The run folder that is known.")],
    run_b: Annotated[Path, typer.Argument(help="The one that is to take its place.")],
    html: Annotated[
        Path | None, typer.Option("--html", help="Also write a page, to look at and to file.")
    ] = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """What changed from one run to another; fails if B does not pass a check that A passes."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.pipeline.diffing import diff_runs

    found = diff_runs(run_a, run_b)
    status = FAILED if found.worse else PASSED
    if html is not None:
        _write_page(html, found)
    if as_json:
        return echo_json(found, status)
    _show(found)
    return status


def _write_page(path: Path, found: DiffReport) -> None:
    from naetrigger.contracts.manifest import write_atomically
    from naetrigger.validation.diff_page import diff_page

    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, diff_page(found))


def _show(found: DiffReport) -> None:
    from naetrigger.pipeline import terminal
    from naetrigger.validation.diff_tables import diff_tables

    typer.echo(f"a: {found.a}\nb: {found.b}")
    for table in diff_tables(found):
        terminal.show_table(table.title, table.columns, table.rows)
    for note in found.notes:
        typer.echo(f"note: {note}")
    for name in found.worse:
        typer.echo(f"worse: {name}: passes in a, not in b")
    if found.same:
        typer.echo("the runs are the same")
    else:
        typer.echo(f"{len(found.worse)} checks that a passes are lost in b")
