"""The command `naetrigger doctor`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from naetrigger.pipeline.command_options import CRASHED, OPTIONS, PASSED, DebugOption, JsonOption
from naetrigger.pipeline.doctor import Diagnosis, Finding, diagnose

SHOWN_VERSIONS = 2


def doctor(
    quick: Annotated[
        bool, typer.Option("--quick", help="Look at versions and tools alone, and import nothing.")
    ] = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Say what is installed, try it (about a minute), and say how to get what is missing.

    The exit status is 0 unless `naetrigger run` cannot work here.
    """
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.pipeline import terminal

    with terminal.watching(silent=as_json, debug=debug) as watcher:
        found = diagnose(lambda name: watcher.progress.start(f"looking at {name}", 0), quick=quick)
    status = CRASHED if found.obstacles else PASSED
    if as_json:
        typer.echo(json.dumps({"exit_status": status, **found.document()}))
    else:
        _show(found, quick)
    return status


def _show(found: Diagnosis, quick: bool) -> None:
    from naetrigger.pipeline.terminal import show_table

    document = found.document()
    typer.echo(f"naetrigger {document['naetrigger']}, Python {document['python']}")
    rows: list[list[object]] = [[f.name, f.state, _versions(f), f.purpose] for f in found.findings]
    show_table("", ["what", "state", "version", "for"], rows)
    for finding in found.findings:
        if finding.fails:
            typer.echo(f"{finding.name} ({finding.state}): {finding.problem}")
            typer.echo(f"    {finding.remedy}")
    if found.obstacles:
        names = ", ".join(f.name for f in found.obstacles)
        typer.echo(f"naetrigger run cannot work here without: {names}")
    elif quick:
        typer.echo("what naetrigger run needs is installed; without --quick it is tried, too")
    else:
        typer.echo("naetrigger run works here")


def _versions(finding: Finding) -> str:
    if len(finding.versions) > SHOWN_VERSIONS:
        return f"{len(finding.versions)} packages"
    return ", ".join(
        value if value.startswith(name) or name == finding.name else f"{name} {value}"
        for name, value in finding.versions.items()
    )
