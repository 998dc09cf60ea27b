"""The command `naetrigger package`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from naetrigger.pipeline.command_options import (
    OPTIONS,
    PASSED,
    DebugOption,
    JsonOption,
    QuietOption,
)


def package(
    folder: Annotated[Path, typer.Argument(help="A run folder; with --check a written package.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The new folder; default: RUN/../NAME_vN.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The model's name; default: the recipe's.")
    ] = None,
    version: Annotated[int, typer.Option("--version", help="Its version.")] = 1,
    namespace: Annotated[
        str | None, typer.Option("--namespace", help="C++ namespace; default: hls4ml_NAME_vN.")
    ] = None,
    input_type: Annotated[
        str | None,
        typer.Option("--input-type", help="What is handed over; default: ap_fixed<18,13>."),
    ] = None,
    loss_type: Annotated[
        str | None,
        typer.Option("--loss-type", help="The pair's second; default: the score's width."),
    ] = None,
    vectors: Annotated[
        int, typer.Option("--vectors", help="Events of its test.", min=10, max=10_000_000)
    ] = 10_000,
    check: Annotated[
        bool, typer.Option("--check", help="Verify a package: its manifest, then its test.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Write the emulator package of a run, for the experiment's software; or check one."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    if check:
        document = _checked(folder)
        text = f"{folder}: {document['files']} files as in the manifest; {document['test']}"
    else:
        from naetrigger.export.emulator_package import PackageSettings
        from naetrigger.pipeline.packaging import model_name, package_run

        settings = PackageSettings(
            name or model_name(folder), version, namespace, input_type, loss_type
        )
        target = out or folder.resolve().parent / settings.model
        steps = package_run(folder, target, settings, vectors)
        document = {"package": str(target), "model": settings.model, "callers_steps": steps}
        text = _written(target, steps)
    if as_json:
        typer.echo(json.dumps(document))
    elif not quiet:
        typer.echo(text)
    return PASSED


def _written(target: Path, steps: list[str]) -> str:
    """Where it is, how it is tried, and what is left to the caller."""
    lines = [f"written: {target}; test it: (cd {shlex.quote(str(target))} && make && ./test)"]
    if steps:
        lines.append(
            f"the caller does {len(steps)} steps before each call, such as {steps[0]}; "
            "README.md there lists them under 'Before the call'"
        )
    return "\n".join(lines)


def _checked(folder: Path) -> dict[str, object]:
    from naetrigger.export.emulator_check import run_package, verify_package

    return {"package": str(folder), "files": verify_package(folder), "test": run_package(folder)}
