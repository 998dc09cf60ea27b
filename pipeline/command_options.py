"""What the commands share: their arguments and options, their exit statuses."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from types import FrameType

    from pydantic import BaseModel

    from naetrigger.contracts.workers import Workers
    from naetrigger.pipeline.terminal import Watcher

PASSED, FAILED, CRASHED = 0, 1, 3
INTERRUPTED, BROKEN_PIPE = 130, 141  # 128 + the signal's number, as shells count


class Units(StrEnum):
    """What columns are that state no unit."""

    physical = "physical"
    hw = "hw"


@dataclass
class Options:
    """Options that every command shares."""

    json: bool = False
    debug: bool = False


OPTIONS = Options()

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
TreeOption = Annotated[
    str | None, typer.Option("--tree", help="The tree of a ROOT file; default: Events.")
]
BranchOption = Annotated[
    list[str] | None,
    typer.Option(
        "--branch", metavar="COLUMN=BRANCH", help="Of a ROOT file, as in data.branches; repeat it."
    ),
]
EngineOption = Annotated[
    str, typer.Option("--engine", help="What scores: naetrigger list engines.")
]
SortOption = Annotated[
    bool | None,
    typer.Option("--sort-objects/--no-sort-objects", help="Sort trigger objects by falling pt."),
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", help="Processes at work; default: one a core.")
]
DaskOption = Annotated[
    str | None,
    typer.Option(
        "--dask",
        metavar="ADDRESS|local|FILE.yaml",
        help="Work on a Dask cluster: a scheduler's, one of this machine, or a batch system's.",
    ),
]
TrackOption = Annotated[
    str | None,
    typer.Option("--track", metavar="URI|local", help="Log the run in MLflow when it is done."),
]
CheckOption = Annotated[
    bool,
    typer.Option(
        "--check", help="Look at recipe, files, columns and tools; run and write nothing."
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks and logs.")]


@contextmanager
def resumable(root: Path) -> Iterator[None]:
    """After Ctrl-C, say how to go on, even where a library made another error of it."""
    with _interruptions() as seen:
        try:
            yield
        except (KeyboardInterrupt, Exception) as error:
            if not seen and not isinstance(error, KeyboardInterrupt):
                raise
            if not OPTIONS.json:
                typer.echo(
                    f"\ninterrupted; the same command goes on in {root} where it stopped", err=True
                )
            raise KeyboardInterrupt from error


@contextmanager
def _interruptions() -> Iterator[list[int]]:
    """The signals of Ctrl-C within the block: TensorFlow's tracing makes its own error of one."""
    seen: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield seen
        return

    def noted(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        before(number, frame)

    signal.signal(signal.SIGINT, noted)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def watching_parts(out: Path, *, silent: bool, debug: bool) -> Iterator[Watcher]:
    """Show how a file comes about part by part; after Ctrl-C, say how to go on."""
    from naetrigger.pipeline import terminal

    parts = out.with_name(out.name + ".parts")
    with terminal.watching(silent=silent, debug=debug) as watcher, resumable(parts):
        yield watcher


def echo_json(document: BaseModel, status: int) -> int:
    """Print a document as one line of JSON with the exit status, which is given back."""
    told = json.loads(document.model_dump_json())  # infinities become null
    typer.echo(json.dumps({"exit_status": status, **told}))
    return status


def workers_of(asked: int | None) -> int:
    """The number of workers asked for, else one a core."""
    from naetrigger.pipeline.cores import available_cores

    return available_cores() if asked is None else asked


@contextmanager
def at_work(dask: str | None, workers: int | None, watcher: Watcher) -> Iterator[Workers]:
    """The workers that --dask and --workers ask for."""
    from naetrigger.pipeline.dask_cluster import workers_at

    with workers_at(dask, workers, watcher.line) as found:
        yield found
