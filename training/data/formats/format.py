"""What a file format is to the reader: recognised by content, described, streamed as Events.

To add one, write a module with a class that has the members of :class:`Format` and enter it in
:data:`naetrigger.training.data.formats.FORMATS`; the tests loop over that table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError, NaetriggerError
from naetrigger.contracts.events import Events

CHUNK_ROWS = 50_000
CHUNK_VALUES = 5_000_000  # of formats whose rows are wide: 40 MB as float64


@dataclass(frozen=True)
class ReadOptions:
    """How a file is read, beyond what it says itself.

    process, role : of a file that holds one process and does not name it
    only : read this process alone
    view : what is made of each row, where a format offers several
    tree : of a ROOT file; None: Events
    branches : {column: branch or branch[index]} of a ROOT file
    units : "physical" or "hw", of columns whose file states no unit
    sort_objects : sort trigger objects by pT instead of refusing unsorted ones
    keep_bad : yield NaN and non-positive weights, which are refused otherwise
    rows : the first so many of each process alone
    """

    process: str | None = None
    role: str = "background"
    only: str | None = None
    view: str | None = None
    tree: str | None = None
    branches: Mapping[str, str] = field(default_factory=dict)
    weight_column: str = "weight"
    event_id_column: str = "event_id"
    units: str | None = None
    sort_objects: bool = False
    keep_bad: bool = False
    rows: int | None = None


@dataclass(frozen=True)
class ProcessSummary:
    """One process of a file; events is None where only reading the file can tell."""

    name: str
    role: str
    events: int | None


@dataclass(frozen=True)
class Description:
    """What a file holds, without reading its events.

    notes : what a reader should know: columns taken as weights, a treatment, what is left out
    """

    processes: tuple[ProcessSummary, ...]
    columns: tuple[str, ...]
    units: tuple[str, ...] = ()
    context_columns: tuple[str, ...] = ()
    context_units: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)


class Format(Protocol):
    """One file format."""

    title: str
    """In a few words, for messages and `data info`."""

    views: tuple[str, ...]
    """What a row can be read as, the default first; () where there is one way."""

    def recognise(self, path: Path) -> bool:
        """Whether the content looks like this format; cheap, and never raises."""
        ...

    def describe(self, path: Path, options: ReadOptions) -> Description:
        """Processes, columns and units. Raises InputError, MissingExtra."""
        ...

    def chunks(self, path: Path, options: ReadOptions, size: int) -> Iterator[Events]:
        """Events of one process at a time, at most `size` rows each, in constant memory.

        Raises InputError, MissingExtra.
        """
        ...


@contextmanager
def reading(path: Path, title: str) -> Iterator[None]:
    """Turn whatever a library says of a damaged file into one InputError that names it.

    Libraries meet hostile bytes with nearly every exception type there is, so all are caught.
    """
    try:
        yield
    except NaetriggerError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except Exception as error:
        said = str(error).partition("\n")[0][:200]
        raise InputError(
            f"{path}: truncated or not {title} ({type(error).__name__}: {said}); "
            "fetch or write the file again"
        ) from error


def chosen_view(format: Format, options: ReadOptions, path: Path) -> str:
    """The view asked for, or the default one."""
    view = options.view or format.views[0]
    if view not in format.views:
        raise InputError(
            f"{path}: no view '{view}' of {format.title}; there are {', '.join(format.views)}"
        )
    return view


def single_process(
    path: Path, options: ReadOptions, events: int | None
) -> tuple[ProcessSummary, ...]:
    """The summary of a file that holds one process and does not name it."""
    return (ProcessSummary(options.process or path.stem, options.role, events),)


def row_ids(start: int, count: int) -> npt.NDArray[np.uint64]:
    """Event ids of rows that have none of their own: the row's number in the file."""
    return np.arange(start, start + count, dtype=np.uint64)


def as_float32(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Values as Events hold them; what is too large becomes infinite, and is refused as such."""
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float32)


def head(path: Path, size: int = 4096) -> bytes:
    """The first bytes of a file; nothing where there is none."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def head_text(path: Path) -> str:
    """The beginning of a text file; nothing where the file is no text."""
    content = head(path)
    if b"\0" in content:
        return ""
    whole = content[: content.rfind(b"\n") + 1] or content
    try:
        return whole.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""
