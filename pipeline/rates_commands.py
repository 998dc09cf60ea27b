"""The command `naetrigger rates`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from naetrigger.pipeline.command_options import (
    FAILED,
    OPTIONS,
    PASSED,
    DebugOption,
    EngineOption,
    FolderArgument,
    FormatOption,
    JsonOption,
    QuietOption,
    SortOption,
    UnitsOption,
    ViewOption,
    WorkersOption,
    workers_of,
)


def rates(
    folder: FolderArgument,
    file: Annotated[Path, typer.Argument(help="Zero-bias events of any known format.")],
    rate: Annotated[
        list[float] | None, typer.Option("--rate", metavar="KHZ", help="A rate; may be repeated.")
    ] = None,
    machine: Annotated[
        str, typer.Option("--machine", help="How often bunches cross: a name or a YAML file.")
    ] = "lhc-run3",
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write; default: RUN/validation.")
    ] = None,
    engine: EngineOption = "network",
    process: Annotated[
        str | None, typer.Option("--process", help="The zero bias of a file of several.")
    ] = None,
    zero_bias: Annotated[
        bool, typer.Option("--zero-bias", help="The events are zero bias; the file need not say.")
    ] = False,
    pileup: Annotated[
        str | None, typer.Option("--pileup", help="The column of pile-up; default: by its name.")
    ] = None,
    pool: Annotated[
        str | None, typer.Option("--pool", help="The column of pool events; default: pool_event.")
    ] = None,
    extrapolate: Annotated[
        bool, typer.Option("--extrapolate", help="Fit the tail for rates beyond the sample.")
    ] = False,
    format: FormatOption = None,
    view: ViewOption = None,
    units: UnitsOption = None,
    sort_objects: SortOption = None,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Thresholds of the hardware score for trigger rates, from zero-bias events."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.pipeline import terminal
    from naetrigger.pipeline.scoring import Reading
    from naetrigger.pipeline.verdict_folder import Verdict
    from naetrigger.pipeline.zero_bias_rates import RatesOptions, measure_rates
    from naetrigger.validation.rates_document import passed

    options = RatesOptions(
        rates_khz=tuple(rate or ()),
        machine=machine,
        engine=engine,
        process=process,
        zero_bias=zero_bias,
        pileup=pileup,
        pool=pool,
        extrapolate=extrapolate,
        workers=workers_of(workers),
        reading=Reading(format, view, None if units is None else units.value, sort_objects),
    )
    verdict = Verdict(folder, out, "rates.json", "rates.html", "rates.svg")
    with terminal.watching(silent=quiet or as_json, debug=debug) as watcher:
        found = measure_rates(folder, file, out, options, watcher.progress)
    status = PASSED if passed(found) else FAILED
    if as_json:
        typer.echo(json.dumps({"exit_status": status, **found}))
    else:
        _show(found)
        typer.echo(str(verdict))
    return status


def _show(found: Mapping[str, Any]) -> None:
    """Tables of what was found, why a rate has no threshold, and where the halves disagree."""
    from naetrigger.pipeline import terminal
    from naetrigger.validation.rates_tables import problems, rates_tables, summary

    typer.echo(summary(found))
    for table in rates_tables(found):
        terminal.show_table(table.title, table.columns, table.rows)
    for line in problems(found):
        typer.echo(line)
    for note in found["notes"]:
        typer.echo(f"note: {note}")
