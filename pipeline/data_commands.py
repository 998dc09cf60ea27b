"""The commands on event files: look at them, convert, simulate, derive an input spec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from naetrigger.pipeline.command_options import (
    FAILED,
    OPTIONS,
    PASSED,
    BranchOption,
    DaskOption,
    DebugOption,
    ForceOption,
    FormatOption,
    JsonOption,
    QuietOption,
    TreeOption,
    UnitsOption,
    ViewOption,
    WorkersOption,
    at_work,
    watching_parts,
)
from naetrigger.pipeline.help_layout import Command, Group

app = typer.Typer(cls=Group, no_args_is_help=True, help="Event files: look at them, convert them.")


@app.command(cls=Command)
def info(
    file: Annotated[Path, typer.Argument(help="An event file of any known format.")],
    format: FormatOption = None,
    view: ViewOption = None,
    tree: TreeOption = None,
    branch: BranchOption = None,
    input_spec: Annotated[
        str | None, typer.Option("--input-spec", help="Count what saturates in this input spec.")
    ] = None,
    units: UnitsOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Recognise and check an event file of any size; show its processes and columns."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.pipeline import terminal
    from naetrigger.pipeline.event_files import describe_events, named_branches
    from naetrigger.training.data.formats.format import ReadOptions
    from naetrigger.training.data.readers import open_events

    options = ReadOptions(
        view=view,
        tree=tree,
        branches=named_branches(branch or []),
        units=units,
        keep_bad=True,
    )
    source = open_events(file, options, format)
    with terminal.watching(silent=as_json, debug=debug) as watcher:
        document = describe_events(source, input_spec, watcher.progress)
    if as_json:
        typer.echo(json.dumps(document))
    else:
        terminal.show_events(document)
    return FAILED if document["problems"] else PASSED


@app.command(cls=Command)
def convert(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Event files of any known format.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The file to write: .h5 .parquet .csv .txt.")],
    to: Annotated[
        str | None, typer.Option("--to", help="The format to write; default: by the suffix.")
    ] = None,
    format: FormatOption = None,
    view: ViewOption = None,
    process: Annotated[
        list[str] | None,
        typer.Option(
            "--process", metavar="NAME", help="Processes to take, or the name of each file's."
        ),
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="ROLE", help="background or signal; for all, or each."),
    ] = None,
    tree: TreeOption = None,
    branch: BranchOption = None,
    units: UnitsOption = None,
    sort_objects: Annotated[
        bool, typer.Option("--sort-objects", help="Sort trigger objects by falling pt.")
    ] = False,
    force: ForceOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Turn event files of any format into one of naetrigger's layout, or of another format."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.pipeline import terminal
    from naetrigger.pipeline.event_files import named_branches
    from naetrigger.training.data.convert import convert as convert_files
    from naetrigger.training.data.formats.format import ReadOptions

    options = ReadOptions(
        view=view,
        tree=tree,
        branches=named_branches(branch or []),
        units=units,
        sort_objects=sort_objects,
    )
    with terminal.watching(silent=quiet or as_json, debug=debug) as watcher:
        done = convert_files(
            files,
            out,
            to=to,
            format_name=format,
            options=options,
            processes=process or (),
            roles=role or (),
            force=force,
            progress=watcher.progress,
        )
    if as_json:
        typer.echo(json.dumps({"file": str(out), "format": done.format, "events": done.events}))
        return
    counts = ", ".join(f"{name} {count}" for name, count in done.events.items())
    typer.echo(f"{out}: {done.format}: {counts}")


@app.command(cls=Command)
def generate(
    process: Annotated[str, typer.Argument(help="What to simulate: naetrigger list processes.")],
    events: Annotated[
        int, typer.Option("--events", help="Rows to make: jets, or crossings of trigger views.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The HDF5 file to write.")],
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same rows.")] = 1,
    view: Annotated[
        str | None,
        typer.Option("--view", help="jets, images, l1-objects or regions; default: by process."),
    ] = None,
    workers: WorkersOption = None,
    dask: DaskOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Simulate events of a process; interrupted, the same command goes on where it stopped."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.pipeline.generating import generate_file

    with (
        watching_parts(out, silent=quiet or as_json, debug=debug) as watcher,
        at_work(dask, workers, watcher) as crew,
    ):
        summary = generate_file(process, events, seed, out, view, crew, watcher.progress)
    if as_json:
        typer.echo(json.dumps({"exit_status": PASSED, **summary}))
    else:
        line = "{file}: {rows} {what} of {process}, {megabytes} MB in {seconds} s; content sha256 "
        typer.echo(summary["file"] if quiet else line.format(**summary) + summary["content_sha256"])
    return PASSED


@app.command(cls=Command)
def spec(
    file: Annotated[Path, typer.Argument(help="An event file of any known format.")],
    offline: Annotated[
        list[str] | None,
        typer.Option(
            "--offline", metavar="COLUMN=log", help="Or COLUMN=log1p: what the host does to it."
        ),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="The spec's name.")] = "my-inputs",
    keep_constant: Annotated[
        bool, typer.Option("--keep-constant", help="Keep constant columns, as constant: keep does.")
    ] = False,
    tree: TreeOption = None,
    branch: BranchOption = None,
    debug: DebugOption = False,
) -> None:
    """Print an input spec derived from a file's background, to be kept and edited."""
    OPTIONS.debug = debug
    from naetrigger.pipeline.event_files import derived_spec, named_branches, offline_steps
    from naetrigger.training.data.formats.format import ReadOptions
    from naetrigger.training.data.readers import open_events

    source = open_events(file, ReadOptions(tree=tree, branches=named_branches(branch or [])))
    typer.echo(derived_spec(source, name, offline_steps(offline or []), keep_constant), nl=False)
