"""The command `naetrigger import`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from naetrigger.contracts.errors import InputError
from naetrigger.pipeline.command_options import (
    OPTIONS,
    PASSED,
    DebugOption,
    JsonOption,
    QuietOption,
)

TargetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--target", metavar="TARGET", help="rtl, rtlsim, hls or onnx; default: all of them."
    ),
]


def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="A QKeras .h5, a QONNX .onnx, an hls4ml project folder, or an alkaid .json."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder to write; default: imports/NAME.")
    ] = None,
    input_type: Annotated[
        str | None,
        typer.Option("--input-type", help="Format of the inputs, as 'fixed<8,3,RND_CONV,SAT>'."),
    ] = None,
    score: Annotated[
        str | None,
        typer.Option(
            "--score",
            help="Number of the output that is the score, or squared_norm, squared_error, "
            "absolute_error.",
        ),
    ] = None,
    wraps: Annotated[
        bool, typer.Option("--wraps", help="Take formats that overflow and wrap as they are.")
    ] = False,
    board: Annotated[str, typer.Option("--board", help="A board's name or file.")] = "vu13p-5ns",
    target: TargetOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Take a foreign model in: a network, every target of it, all proved equal."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.contracts.fixed_point import parse_fixed
    from naetrigger.export.settings import FirmwareSettings
    from naetrigger.pipeline.importing import TARGETS, ImportOptions, import_model

    targets = tuple(target or TARGETS)
    if unknown := [name for name in targets if name not in TARGETS]:
        raise InputError(f"--target: one of {', '.join(TARGETS)}, not {', '.join(unknown)}")
    try:
        kind = None if input_type is None else parse_fixed(input_type)
    except ValueError as error:
        raise InputError(f"--input-type: {error}") from error
    folder = out or Path("imports") / file.absolute().name.split(".")[0]
    done = import_model(
        file,
        folder,
        ImportOptions(kind, score, wraps),
        FirmwareSettings(board=board),
        targets,
        (lambda line: None) if quiet or as_json else typer.echo,
    )
    if as_json:
        typer.echo(json.dumps({"exit_status": PASSED, **done}))
    elif "engines" in done:
        typer.echo(f"{folder}: {', '.join(done['engines'])} agree on every test vector")
    else:
        typer.echo(f"{folder}: RTL alone; {done['cycles']} cycles, {done['lut']} LUTs (estimate)")
    return PASSED
