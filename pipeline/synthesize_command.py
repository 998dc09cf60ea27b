"""The command `naetrigger synthesize`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

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


def synthesize(
    folder: FolderArgument,
    board: Annotated[
        str | None,
        typer.Option("--board", help="Hold the same RTL against another board, by name or file."),
    ] = None,
    place_route: Annotated[
        bool, typer.Option("--place-route", help="Place and route too, on an open device (ECP5).")
    ] = False,
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.1, help="When a tool is given up.")
    ] = 60,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Count LUTs, flip-flops, DSPs and LUT levels of a run's RTL by yosys; it changes nothing."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.contracts.manifest import read_manifest
    from naetrigger.firmware_configs.board import load_board
    from naetrigger.pipeline import terminal
    from naetrigger.pipeline.rtl_figures import routed_figures, rtl_figures
    from naetrigger.validation.budget import budget_checks

    read_manifest(folder)  # InputError for a folder that is no run
    rtl = folder / "export" / "rtl"
    held = load_board(board or str(folder / "export" / "board.yaml"))
    with terminal.watching(silent=quiet or as_json, debug=debug) as watcher:
        watcher.line(f"yosys for {held.yosys_family}: some minutes for tens of thousands of LUTs")
        found = rtl_figures(rtl, held, _synthesis(rtl, held, minutes))
        if place_route:
            watcher.line("nextpnr for ECP5")
            found.append(routed_figures(rtl, held, minutes))
    checks = budget_checks(found, held)
    passed = all(check.passed for check in checks)
    if as_json:
        entries: dict[str, list[Any]] = {"firmware": found, "checks": checks}
        lists = {key: [entry.model_dump() for entry in list_] for key, list_ in entries.items()}
        typer.echo(
            json.dumps({"folder": str(folder), "board": held.name, "passed": passed, **lists})
        )
    else:
        terminal.show_firmware(found)
        for check in checks:
            typer.echo(f"{'passed' if check.passed else 'FAILED'}: {_line(check)}")
    return PASSED if passed else FAILED


def _synthesis(rtl: Path, board: Any, minutes: float) -> Any:
    from naetrigger.export.synthesis import Limits, synthesize

    return synthesize(rtl, board, Limits(minutes=minutes))


def _line(check: Any) -> str:
    from naetrigger.pipeline.terminal import check_line

    return check_line(check.model_dump())
