"""Events from files of any known format, one interface for all: stream them, or read a source.

for events in open_events(path).chunks():
    ...
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path

from naetrigger.contracts import calo_regions, trigger_objects
from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.contracts.events import HARDWARE_UNIT, Events, concatenated, is_process_name
from naetrigger.contracts.regular_file import require_regular
from naetrigger.training.data.formats import FORMATS, PLACES
from naetrigger.training.data.formats.format import (
    CHUNK_ROWS,
    Description,
    Format,
    ProcessSummary,
    ReadOptions,
    head,
    reading,
)
from naetrigger.training.data.formats.hdf5_file import is_hdf5, opened
from naetrigger.training.data.settings import FILE_SUFFIXES, DataSettings
from naetrigger.training.data.source_columns import (
    NAMED_COLUMNS,
    require_columns,
    require_same_columns,
)
from naetrigger.training.data.subset import stable_subset

ROOT = "nanoaod"  # the format that has trees and branches
MIXTURE = "background"  # what several background processes become
SUFFIX_FORMATS = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".root": "nanoaod",
    ".h5": "naetrigger",
    ".hdf5": "naetrigger",
}
UNREAD = {
    b"\x93NUMPY": "a numpy array (.npy)",
    b"PK\x03\x04": "a zip archive, as .npz and .xlsx are",
    b"ARROW1": "feather",
    b"FEA1": "feather",
    **{bytes((0x80, protocol)): "a pickle" for protocol in range(2, 6)},
}
"""Files that people have, by their first bytes."""


@dataclass(frozen=True)
class EventSource:
    """A file of events, described and ready to be streamed."""

    path: Path
    format_name: str
    format: Format
    options: ReadOptions
    description: Description

    @property
    def processes(self) -> tuple[ProcessSummary, ...]:
        return self.description.processes

    @property
    def columns(self) -> tuple[str, ...]:
        return self.description.columns

    @property
    def units(self) -> tuple[str, ...]:
        return self.description.units

    @property
    def n_events(self) -> int | None:
        """Events of all processes; None where only reading can tell."""
        counts = [process.events for process in self.processes]
        return None if None in counts else sum(count or 0 for count in counts)

    def chunks(self, only: str | None = None, size: int = CHUNK_ROWS) -> Iterator[Events]:
        """Events of one process at a time, in constant memory, checked unless keep_bad.

        only : one process alone
        """
        rows = dict.fromkeys((process.name for process in self.processes), 0)
        options = replace(self.options, only=only)
        size = min(size, options.rows or size)
        with reading(self.path, self.format.title):
            for events in self.format.chunks(self.path, options, size):
                first = rows.get(events.process, 0)
                if options.rows is not None:
                    events = events.select(slice(max(options.rows - first, 0)))
                    if only == events.process and not len(events):
                        return
                events = with_units(events, options.units)
                rows[events.process] = first + len(events)
                if only in (None, events.process) and len(events):
                    yield events if options.keep_bad else self._checked(events, first)

    def place(self, row: int) -> str:
        """Where a row of a process stands in the file, for messages: "row 7", or "line 9"."""
        in_words = PLACES.get(self.format_name)
        return in_words(self.path, row) if in_words else f"row {row}"

    def _checked(self, events: Events, first: int) -> Events:
        return events.check(str(self.path), lambda row: self.place(first + row))

    def read(self, process: str, limit: int | None = None) -> Events:
        """All events of one process, or `limit` of them, chosen by the hash of their ids."""
        known = [summary.name for summary in self.processes]
        if process not in known:
            raise InputError(
                f"{self.path}: no process '{process}'{suggestion(process, known)} "
                f"(has {', '.join(known)})"
            )
        chunks = self.chunks(process)
        parts = list(chunks) if limit is None else stable_subset(chunks, limit)
        if not parts:
            raise InputError(f"{self.path}: {process}: holds no events")
        return concatenated(parts)


def with_units(events: Events, units: str | None) -> Events:
    """Events whose columns without a unit have the one that was said: "hw", or with "physical"
    GeV, 1 and rad of trigger objects, and GeV of regions."""
    if units is None:
        return events
    physical = dict(zip(trigger_objects.COLUMNS, trigger_objects.UNITS, strict=True))
    physical |= dict.fromkeys(calo_regions.COLUMNS, "GeV")
    stated = tuple(
        events.unit_of(name) or (HARDWARE_UNIT if units == "hw" else physical.get(name, ""))
        for name in events.columns
    )
    return replace(events, units=stated if any(stated) else ())


def open_events(
    path: Path, options: ReadOptions | None = None, format_name: str | None = None
) -> EventSource:
    """Recognise a file by its content, or take it for the format named, and describe it.

    Raises InputError for a file that is missing, damaged or of no known layout, and MissingExtra
    where its format needs a package that is not installed.
    """
    options = options or ReadOptions()
    name = format_name or recognise(path)
    if name not in FORMATS:
        raise InputError(f"no format '{name}'{suggestion(name, FORMATS)} ({', '.join(FORMATS)})")
    require_regular(path)
    with reading(path, FORMATS[name].title):
        description = FORMATS[name].describe(path, options)
    _check_names(path, description)
    return EventSource(path, name, FORMATS[name], options, description)


def _check_names(path: Path, description: Description) -> None:
    """Refuse columns that cannot be told apart, and processes that are no name.

    A process becomes the name of a group in files; with a slash it would lie in another.
    """
    if not description.columns:
        raise InputError(f"{path}: holds no columns of values")
    names = Counter((*description.columns, *description.context_columns))
    twice = [repr(name) for name, count in names.items() if count > 1]
    if twice:
        raise InputError(
            f"{path}: column {', '.join(twice[:NAMED_COLUMNS])} stands twice; each needs a name "
            "of its own"
        )
    processes = Counter(process.name for process in description.processes)
    for name, count in processes.items():
        if count > 1:
            raise InputError(f"{path}: process '{name}' stands twice")
        if not is_process_name(name):
            raise InputError(
                f"{path}: {name!r} is no name of a process: 1 to 200 characters without slashes "
                "and line breaks; name it otherwise with --process or data.background"
            )


def require_options(sources: Iterable[EventSource]) -> None:
    """Refuse what was asked for and no file offers: a view, or a tree or branches of ROOT files."""
    sources = list(sources)
    has_views = any(source.format.views for source in sources)
    has_trees = any(source.format_name == ROOT for source in sources)
    for source in sources:
        title, asked = source.format.title, source.options
        if asked.view is not None and not has_views:
            raise InputError(
                f"{source.path}: view '{asked.view}': {title} has one way to read a row; leave "
                "the view out"
            )
        if asked.tree is not None and not has_trees:
            raise InputError(
                f"{source.path}: tree '{asked.tree}': {title} has no trees, only ROOT files have; "
                "leave out --tree, in a recipe data.tree"
            )
        if asked.branches and not has_trees:
            raise InputError(
                f"{source.path}: branches of {', '.join(asked.branches)}: {title} has no branches, "
                "only ROOT files have; leave out --branch, in a recipe data.branches"
            )


def recognise(path: Path) -> str:
    """The name of a file's format; InputError where it has none that is known."""
    require_regular(path)
    for name, format in FORMATS.items():
        if format.recognise(path):
            return name
    if is_hdf5(path):
        with opened(path) as file:
            raise InputError(
                f"{path}: HDF5, but of no known layout: holds {', '.join(file) or 'nothing'}; "
                "docs/formats.md shows the layouts"
            )
    if what := next((w for start, w in UNREAD.items() if head(path).startswith(start)), ""):
        raise InputError(
            f"{path}: is {what}, which is not read here; convert it to CSV or parquet "
            "(docs/howto/reader.md)"
        )
    by_suffix = SUFFIX_FORMATS.get(path.suffix.lower())
    if by_suffix and (by_suffix == "csv" or head(path)):
        return by_suffix  # its reader says what is wrong
    if not head(path):
        raise InputError(f"{path}: is empty")
    raise InputError(f"{path}: is in none of the known formats ({', '.join(FORMATS)})")


def read_source(
    settings: DataSettings,
    wanted: Mapping[str, Collection[str]] | None = None,
    rows: int | None = None,
) -> tuple[Events, list[Events]]:
    """(background, signals) as the settings name them, checked for NaN and bad weights.

    wanted : columns that the background must have, by the key of the recipe that asks for them
    rows : read the first so many of each process alone

    Of the background `max_background` events are taken, of a signal `max_signal`.
    """
    one = settings.background if isinstance(settings.background, str) else None
    source = _open(settings, source_path(settings), one, "background", rows)
    names = _backgrounds(source, settings)
    files = settings.signals if isinstance(settings.signals, dict) else {}
    signal_sources = {
        key: _open(settings, Path(path), key, "signal", rows) for key, path in files.items()
    }
    require_options([source, *signal_sources.values()])
    background = replace(_read_together(source, names, settings.max_background), role="background")
    require_columns(background, wanted or {}, source.path)
    if isinstance(settings.signals, dict):
        signals = [_signal_of_file(settings, key, found) for key, found in signal_sources.items()]
    else:
        signals = _signals_of_source(source, settings, names)
    for signal in signals:
        path = files.get(signal.process, source.path)
        require_same_columns(background, signal, source.path, Path(path))
    return background, signals


def source_files(settings: DataSettings) -> dict[str, Path]:
    """Every file that :func:`read_source` reads, by what it is for."""
    files = {"source": source_path(settings)}
    if isinstance(settings.signals, dict):
        files |= {f"signals.{name}": Path(path) for name, path in settings.signals.items()}
    return files


def source_path(settings: DataSettings) -> Path:
    """The path of the source; InputError for an unknown sample."""
    if not settings.is_shipped:
        return Path(settings.source)
    names = shipped_samples()
    if settings.source not in names:
        raise InputError(
            f"data.source: no shipped sample '{settings.source}'"
            f"{suggestion(settings.source, names)} (there are {', '.join(names)}; "
            f"or give a path that ends in {' '.join(FILE_SUFFIXES)})"
        )
    return _data_folder() / f"{settings.source}.h5"


def shipped_samples() -> list[str]:
    """Names of the samples that come with the package."""
    return sorted(path.stem for path in _data_folder().glob("*.h5"))


def _data_folder() -> Path:
    return Path(str(resources.files("naetrigger.training.data")))


def _open(
    settings: DataSettings, path: Path, process: str | None, role: str, rows: int | None
) -> EventSource:
    options = ReadOptions(
        process=process,
        role=role,
        view=settings.view,
        tree=settings.tree,
        branches=settings.branches or {},
        weight_column=settings.weight_column,
        event_id_column=settings.event_id_column,
        sort_objects=settings.sort_objects,
        rows=rows,
    )
    return open_events(path, options, settings.format)


def _backgrounds(source: EventSource, settings: DataSettings) -> list[str]:
    """The processes that make up the background, at least one."""
    if isinstance(settings.background, str):
        return [settings.background]
    if settings.background is not None:
        return _listed(settings.background, source, settings.signals or ())
    names = [process.name for process in source.processes if process.role == "background"]
    if len(names) != 1:
        raise InputError(
            f"{source.path}: holds {len(names)} processes of role background "
            f"({', '.join(names)}); name one or a list of them as data.background"
        )
    return names


def _listed(patterns: Iterable[str], source: EventSource, signals: Collection[str]) -> list[str]:
    """Each process that a pattern means, once, in the order of the list."""
    known = [process.name for process in source.processes]
    names: dict[str, None] = {}
    for pattern in patterns:
        if "*" in pattern:
            found = [n for n in known if fnmatchcase(n, pattern) and n not in signals]
        else:
            found = [n for n in known if n == pattern]
        if not found:
            raise InputError(
                f"data.background: {source.path}: '{pattern}' is no process"
                f"{suggestion(pattern, known)} (has {', '.join(known)})"
            )
        names |= dict.fromkeys(found)
    return list(names)


def _read_together(source: EventSource, names: list[str], limit: int | None) -> Events:
    """Processes as one; of several, `limit` events of all, taken evenly.

    Weights and ids stay as they are: rows of different processes that share an id share a split.
    """
    if len(names) == 1:
        return source.read(names[0], limit)
    each = None if limit is None else -(-limit // len(names))
    parts = [replace(source.read(name, each), process=MIXTURE) for name in names]
    for name, part in zip(names[1:], parts[1:], strict=True):
        if (part.columns, part.context_columns) != (parts[0].columns, parts[0].context_columns):
            raise InputError(
                f"data.background: {source.path}: '{name}' has other columns than '{names[0]}'; "
                "processes of one background must agree"
            )
    shared = {
        key: value
        for key, value in parts[0].attributes.items()
        if all(part.attributes.get(key) == value for part in parts)
    }
    description = f"{', '.join(names)} together"
    return replace(concatenated(parts), attributes=shared | {"description": description})


def _signals_of_source(
    source: EventSource, settings: DataSettings, backgrounds: list[str]
) -> list[Events]:
    names = settings.signals
    if names is None:
        names = tuple(
            process.name
            for process in source.processes
            if process.role == "signal" and process.name not in backgrounds
        )
    for name in names:
        if name in backgrounds:
            raise InputError(f"data.signals: '{name}' is the background")
    return [replace(source.read(name, settings.max_signal), role="signal") for name in names]


def _signal_of_file(settings: DataSettings, name: str, source: EventSource) -> Events:
    """The process of that name, or the only signal of the file, or its only process."""
    known = [process.name for process in source.processes]
    signals = [process.name for process in source.processes if process.role == "signal"]
    candidates = [name] if name in known else signals if len(signals) == 1 else known
    if len(candidates) != 1:
        raise InputError(
            f"data.signals.{name}: {source.path} holds {', '.join(known)}; call the signal by the "
            "name that it has there"
        )
    events = source.read(candidates[0], settings.max_signal)
    return replace(events, process=name, role="signal")
