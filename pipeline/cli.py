"""The command ``naetrigger``. Heavy libraries are imported by the stages that need them."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from naetrigger.contracts.errors import InputError, NaetriggerError
from naetrigger.contracts.version import __version__

PASSED, FAILED, CRASHED = 0, 1, 3
INTERRUPTED, BROKEN_PIPE = 130, 141  # 128 + the signal's number, as shells count

# Newer typers carry their own copy of click, so its exceptions are reached through typer's.
UsageError: type[Any] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="naetrigger",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Anomaly-detection autoencoders for hardware triggers, from events to firmware.",
    epilog="Exit status: 0 passed; 1 a check failed; 2 input or recipe; 3 environment; "
    "130 interrupted.",
)
data_app = typer.Typer(no_args_is_help=True, help="Event files: look at them, convert them.")
app.add_typer(data_app, name="data")


class Units(StrEnum):
    """What columns are that state no unit."""

    physical = "physical"
    hw = "hw"


class Kind(StrEnum):
    """What can be listed."""

    recipes = "recipes"
    boards = "boards"
    inputs = "inputs"
    objectives = "objectives"
    engines = "engines"
    scores = "scores"
    samples = "samples"
    processes = "processes"
    signals = "signals"
    schema = "schema"


@dataclass
class _Options:
    """Options that every command shares."""

    json: bool = False
    debug: bool = False


OPTIONS = _Options()

RecipeArgument = Annotated[str, typer.Argument(help="A recipe file, or a shipped one's name.")]
FolderArgument = Annotated[Path, typer.Argument(help="A run folder.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="The run folder; default: runs/NAME of the recipe.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override, as in objective.steps=500."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Show the result alone.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object, for machines; nothing else.")
]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", help="The format of what is read; default: by its content."),
]
ViewOption = Annotated[
    str | None,
    typer.Option("--view", help="What a row is read as, where a format offers several."),
]
UnitsOption = Annotated[
    Units | None, typer.Option("--units", help="What columns are whose file states no unit.")
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks and logs.")]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit status."""
    sys.exit(run_command_line(arguments))


def run_command_line(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status."""
    OPTIONS.json = OPTIONS.debug = False
    try:
        status = app(args=arguments, standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except UsageError as error:
        if "--json" in (sys.argv[1:] if arguments is None else arguments):
            OPTIONS.json = True
            return _report_error(InputError(error.format_message()), InputError.exit_status)
        error.show()
        return InputError.exit_status
    except NaetriggerError as error:
        return _report_error(error, error.exit_status)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads the rest
        return BROKEN_PIPE
    except Exception as error:
        return _report_error(error, CRASHED)
    return status if isinstance(status, int) else PASSED


def _report_error(error: Exception, status: int) -> int:
    """Say what is wrong in as few lines as it takes; the traceback only if asked for."""
    if OPTIONS.debug:
        import traceback

        traceback.print_exception(error)
    text = str(error)
    if not isinstance(error, NaetriggerError):
        text = (
            f"unexpected {type(error).__name__}: {text}\n"
            "This is a defect; the same command with --debug shows where it comes from."
        )
    if OPTIONS.json:
        typer.echo(json.dumps({"exit_status": status, "error": text}))
    else:
        typer.echo(f"error: {text}", err=True)
    return status


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"naetrigger {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    del version


def _add_stage_command(name: str, until: str, description: str) -> None:
    """A command that runs a recipe as far as one stage."""

    @app.command(name, help=description)
    def command(
        recipe: RecipeArgument,
        out: OutOption = None,
        override: SetOption = None,
        quiet: QuietOption = False,
        as_json: JsonOption = False,
        debug: DebugOption = False,
    ) -> int:
        return _run_until(until, recipe, out, override, quiet, as_json, debug)


for _name, _until, _description in (
    ("run", "validation", "Run a recipe: every stage that is not up to date, to the report."),
    ("train", "training", "Run a recipe as far as the trained float model."),
    ("export", "export", "Run a recipe as far as the firmware artefacts."),
    ("validate", "validation", "Run a recipe to the report, as `run` does."),
):
    _add_stage_command(_name, _until, _description)


def _run_until(
    until: str,
    recipe_name: str,
    out: Path | None,
    override: list[str] | None,
    quiet: bool,
    as_json: bool,
    debug: bool,
) -> int:
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.pipeline import run as pipeline
    from naetrigger.pipeline import terminal
    from naetrigger.pipeline.recipe import load_recipe

    recipe = load_recipe(recipe_name, override or ())
    root = out or Path("runs") / recipe.name
    start = time.monotonic()
    with terminal.watching(silent=quiet or as_json, debug=debug) as watcher, _resumable(root):
        result = pipeline.run(
            recipe, root, until=until, progress=watcher.progress, notify=watcher.line
        )
    summary = {
        "folder": str(root),
        "stages": [
            {"name": s.name, "action": s.action, "seconds": round(s.seconds, 2)}
            for s in result.stages
        ],
        "seconds": round(time.monotonic() - start, 2),
        "peak_memory_mb": terminal.peak_memory_mb(),
    }
    verdict = _verdict(root) if until == "validation" else {}
    status = PASSED if verdict.get("passed", True) else FAILED
    if as_json:
        typer.echo(json.dumps({"exit_status": status, **summary, **verdict}))
        return status
    terminal.show_summary({**summary, **verdict}, quiet)
    return status


@contextmanager
def _resumable(root: Path) -> Iterator[None]:
    """After Ctrl-C, say how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        if not OPTIONS.json:
            typer.echo(
                f"\ninterrupted; the same command goes on in {root} where it stopped", err=True
            )
        raise


def _verdict(root: Path) -> dict[str, Any]:
    """Whether all checks passed, and which did not."""
    report = _read_report(root)
    failed = [check.model_dump(mode="json") for check in report.failed_checks]
    return {
        "passed": report.passed,
        "checks": len(report.checks),
        "failed_checks": failed,
        "report": str(root / "validation" / "report.html"),
    }


def _read_report(root: Path) -> Any:
    from pydantic import ValidationError

    from naetrigger.contracts.manifest import read_manifest, verify
    from naetrigger.validation.report.schema import report_from_json

    verify(root, read_manifest(root), ["validation"])
    path = root / "validation" / "report.json"
    try:
        return report_from_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"{path}: not a report of this program's version ({error})") from error


@app.command()
def report(folder: FolderArgument, as_json: JsonOption = False, debug: DebugOption = False) -> int:
    """Print where a run's report is; --json prints the report itself."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    found = _read_report(folder)
    typer.echo(found.model_dump_json() if as_json else str(folder / "validation" / "report.html"))
    return PASSED if found.passed else FAILED


@app.command()
def show(folder: FolderArgument, as_json: JsonOption = False, debug: DebugOption = False) -> int:
    """Show a run: its stages, files and, when validated, its verdict."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.contracts.manifest import read_manifest
    from naetrigger.pipeline import terminal
    from naetrigger.pipeline.run import run_recipe, stage_states

    manifest, states = read_manifest(folder), stage_states(folder)
    found = _read_report(folder) if states.get("validation") == "done" else None
    if as_json:
        document = {
            "folder": str(folder),
            "recipe": run_recipe(folder).name,
            "states": states,
            "passed": found.passed if found else None,
        }
        typer.echo(json.dumps(document))
        return PASSED
    terminal.show_run(folder, run_recipe(folder), manifest, states, found)
    return PASSED


@app.command("list")
def list_(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List what is shipped or registered; `schema` prints the recipe's JSON schema."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.pipeline import terminal
    from naetrigger.pipeline.listings import LISTINGS
    from naetrigger.pipeline.recipe import recipe_schema

    if kind is Kind.schema:
        typer.echo(json.dumps(recipe_schema(), indent=1))
        return
    rows = LISTINGS[kind.value]()
    if as_json:
        typer.echo(json.dumps([{"name": n, "description": d} for n, d in rows]))
        return
    terminal.show_table("", ["name", "description"], [list(row) for row in rows])


@data_app.command("info")
def data_info(
    file: Annotated[Path, typer.Argument(help="An event file of any known format.")],
    format: FormatOption = None,
    view: ViewOption = None,
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
    from naetrigger.pipeline.event_files import describe_events
    from naetrigger.training.data.formats.format import ReadOptions
    from naetrigger.training.data.readers import open_events

    source = open_events(file, ReadOptions(view=view, units=units, keep_bad=True), format)
    with terminal.watching(silent=as_json, debug=debug) as watcher:
        document = describe_events(source, input_spec, watcher.progress)
    if as_json:
        typer.echo(json.dumps(document))
    else:
        terminal.show_events(document)
    return FAILED if document["problems"] else PASSED


@data_app.command("convert")
def data_convert(
    files: Annotated[list[Path], typer.Argument(help="Event files of any known format.")],
    out: Annotated[Path, typer.Option("--out", help="The file to write: .h5 .parquet .csv .txt.")],
    to: Annotated[
        str | None, typer.Option("--to", help="The format to write; default: by the suffix.")
    ] = None,
    format: FormatOption = None,
    view: ViewOption = None,
    process: Annotated[
        list[str] | None,
        typer.Option("--process", help="Processes to take, or the name of each file's."),
    ] = None,
    role: Annotated[
        list[str] | None, typer.Option("--role", help="background or signal; for all, or each.")
    ] = None,
    branch: Annotated[
        list[str] | None,
        typer.Option("--branch", metavar="COLUMN=BRANCH", help="Of NanoAOD, as in data.branches."),
    ] = None,
    units: UnitsOption = None,
    sort_objects: Annotated[
        bool, typer.Option("--sort-objects", help="Sort trigger objects by falling pt.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Turn event files of any format into one of naetrigger's layout, or of another format."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.pipeline import terminal
    from naetrigger.pipeline.event_files import named_branches
    from naetrigger.training.data.convert import convert
    from naetrigger.training.data.formats.format import ReadOptions

    options = ReadOptions(
        view=view,
        branches=named_branches(branch or []),
        units=units,
        sort_objects=sort_objects,
    )
    with terminal.watching(silent=quiet or as_json, debug=debug) as watcher:
        done = convert(
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


@data_app.command("generate")
def data_generate(
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
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes at work; default: one a core.")
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Simulate events of a process; interrupted, the same command goes on where it stopped."""
    OPTIONS.json, OPTIONS.debug = as_json, debug
    from naetrigger.pipeline import terminal
    from naetrigger.pipeline.generating import available_cores, generate_file

    with (
        terminal.watching(silent=quiet or as_json, debug=debug) as watcher,
        _resumable(out.with_name(out.name + ".parts")),
    ):
        count = available_cores() if workers is None else workers
        summary = generate_file(process, events, seed, out, view, count, watcher.progress)
    if as_json:
        typer.echo(json.dumps({"exit_status": PASSED, **summary}))
    else:
        line = "{file}: {rows} {what} of {process}, {megabytes} MB in {seconds} s; content sha256 "
        typer.echo(summary["file"] if quiet else line.format(**summary) + summary["content_sha256"])
    return PASSED


@data_app.command("spec")
def data_spec(
    file: Annotated[Path, typer.Argument(help="An event file of any known format.")],
    offline: Annotated[
        list[str] | None,
        typer.Option("--offline", help="COLUMN=log or COLUMN=log1p: what the host does to it."),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="The spec's name.")] = "my-inputs",
    keep_constant: Annotated[
        bool, typer.Option("--keep-constant", help="Keep constant columns, as constant: keep does.")
    ] = False,
    debug: DebugOption = False,
) -> None:
    """Print an input spec derived from a file's background, to be kept and edited."""
    OPTIONS.debug = debug
    from naetrigger.pipeline.event_files import derived_spec, offline_steps

    typer.echo(derived_spec(file, name, offline_steps(offline or []), keep_constant), nl=False)


logging.getLogger("naetrigger").addHandler(logging.NullHandler())

if __name__ == "__main__":
    main()
