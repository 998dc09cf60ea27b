"""The command `naetrigger vectors`."""

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


def vectors(
    folder: FolderArgument,
    format: Annotated[str, typer.Option("--format", help="hex, coe, mif, gt or regions.")] = "hex",
    out: Annotated[
        Path | None, typer.Option("--out", help="The file to write; default: vectors.SUFFIX.")
    ] = None,
    events: Annotated[
        int | None,
        typer.Option(
            "--events", min=1, help="The first alone; with --check how many there must be."
        ),
    ] = None,
    first_bit: Annotated[
        int, typer.Option("--first-bit", help="Algorithm bit of the first decision (gt).", min=0)
    ] = 0,
    check: Annotated[
        Path | None,
        typer.Option("--check", help="Read this file instead and compare it with the network."),
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Write a run's test vectors for a test stand, with expected results; or check such a file."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.pipeline.vector_writing import check_vectors, format_named, write_vectors

    if check is not None:
        path, count = check, check_vectors(folder, format, check, first_bit, events)
        text = f"{path}: {count} events, all as the network has them"
    else:
        path = out or Path(f"vectors{format_named(format).suffix}")
        count = write_vectors(folder, format, path, events, first_bit)
        text = f"{path}: {count} events"
    if as_json:
        typer.echo(json.dumps({"file": str(path), "format": format, "events": count}))
    elif not quiet:
        typer.echo(text)
    return PASSED
