"""The command ``naetrigger``. Heavy libraries are imported by the commands that need them."""

from __future__ import annotations

import atexit
import json
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from typing import Annotated, Any

import typer

from naetrigger.contracts.errors import InputError, NaetriggerError, system_problem
from naetrigger.contracts.version import __version__
from naetrigger.pipeline import (
    build_command,
    compare_command,
    data_commands,
    diff_command,
    doctor_command,
    import_command,
    list_command,
    monitor_command,
    package_command,
    rates_commands,
    run_commands,
    score_commands,
    search_command,
    synthesize_command,
    track_command,
    vectors_command,
)
from naetrigger.pipeline.command_options import (
    BROKEN_PIPE,
    CRASHED,
    INTERRUPTED,
    OPTIONS,
    PASSED,
)
from naetrigger.pipeline.help_layout import DATA, FIRMWARE, LOOK, RUN, USE, Command, Group
from naetrigger.pipeline.usage import in_our_words

# Newer typers carry their own copy of click, so its exceptions are reached through typer's.
UsageError: type[Any] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="naetrigger",
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Anomaly-detection autoencoders for hardware triggers, from events to firmware.",
    epilog="Exit status: 0 passed; 1 a check failed; 2 input or recipe; 3 environment; "
    "130 interrupted.",
)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit status."""
    status = run_command_line(arguments)
    if status == INTERRUPTED:
        _leave_interrupted()
    sys.exit(status)


def _leave_interrupted() -> None:
    """Leave with the promised status: an interrupted export has been seen to end by the signal
    after all was said, on its way out through the libraries that it had loaded."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(INTERRUPTED)


def run_command_line(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status."""
    OPTIONS.json = OPTIONS.debug = False
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name of a file can hold what no text does
            stream.reconfigure(errors="backslashreplace")
    try:
        status = app(args=arguments, standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except UsageError as error:
        error.message = in_our_words(error.message)
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
        known = system_problem(error) if isinstance(error, OSError) else None
        return _report_error(known or error, known.exit_status if known else CRASHED)
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


for _name, _until, _description in (
    ("run", "validation", "Run a recipe: every stage that is not up to date, to the report."),
    ("train", "training", "Run a recipe as far as the trained float model."),
    ("export", "export", "Run a recipe as far as the firmware artefacts."),
    ("validate", "validation", "Run a recipe to the report, as `run` does."),
):
    app.command(_name, help=_description, cls=Command, rich_help_panel=RUN)(
        run_commands.stage_command(_until)
    )
COMMANDS: dict[str, dict[str, Callable[..., Any]]] = {
    RUN: {"search": search_command.search},
    LOOK: {
        "show": run_commands.show,
        "report": run_commands.report,
        "diff": diff_command.diff,
        "track": track_command.track,
    },
    USE: {
        "score": score_commands.score,
        "compare": compare_command.compare,
        "monitor": monitor_command.monitor,
        "rates": rates_commands.rates,
    },
    FIRMWARE: {
        "build": build_command.build,
        "synthesize": synthesize_command.synthesize,
        "package": package_command.package,
        "vectors": vectors_command.vectors,
    },
    DATA: {
        "import": import_command.import_,
        "list": list_command.list_,
        "doctor": doctor_command.doctor,
    },
}
for _panel, _commands in COMMANDS.items():
    for _name, _command in _commands.items():
        app.command(_name, cls=Command, rich_help_panel=_panel)(_command)
app.add_typer(data_commands.app, name="data", rich_help_panel=DATA)

logging.getLogger("naetrigger").addHandler(logging.NullHandler())

if __name__ == "__main__":
    main()
