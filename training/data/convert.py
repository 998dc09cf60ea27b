"""Any event files into one file of naetrigger's layout or of another that can be written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.contracts.event_stream import event_writer
from naetrigger.contracts.events import ROLES, Events
from naetrigger.contracts.progress import Progress, Silent
from naetrigger.training.data.formats import WRITERS
from naetrigger.training.data.formats.format import ReadOptions
from naetrigger.training.data.readers import EventSource, open_events, require_options

OWN = "naetrigger"
SUFFIXES = {
    ".h5": OWN,
    ".hdf5": OWN,
    ".parquet": "parquet",
    ".csv": "csv",
    ".txt": "global-trigger",
}


@dataclass(frozen=True)
class Converted:
    """Events written, by process."""

    format: str
    events: dict[str, int]


def convert(
    files: Sequence[Path],
    out: Path,
    *,
    to: str | None = None,
    format_name: str | None = None,
    options: ReadOptions | None = None,
    processes: Sequence[str] = (),
    roles: Sequence[str] = (),
    force: bool = False,
    progress: Progress | None = None,
) -> Converted:
    """Read files and write one, chunk by chunk; it appears whole or not at all.

    to : the format to write; default: by the suffix of `out`
    processes : the processes to take of files that name theirs; else the names of the files'
        processes, one for each
    roles : one for each file or one for all; default: of files that say nothing, the first is
        background and the others are signals
    Raises InputError, MissingExtra; an existing file is replaced only with `force`.
    """
    target = output_format(out, to)
    if out.exists() and not force:
        raise InputError(f"{out}: is there already; --force replaces it")
    if any(out.exists() and out.samefile(file) for file in files if file.exists()):
        raise InputError(f"{out}: is one of the files to be read")
    sources = _sources(files, format_name, options or ReadOptions(), processes, roles)
    require_options(sources)
    chosen = _chosen(sources, processes)
    if target != OWN and len(chosen) > 1:
        names = ", ".join(name for name, _ in chosen)
        raise InputError(
            f"{out}: {target} holds one process, these files have {len(chosen)} ({names}); "
            "name one with --process"
        )
    stream = _Counted(chosen, roles, progress or Silent(), out)
    if target == OWN:
        with event_writer(out) as writer:
            for events in stream:
                writer.append(events)
    else:
        WRITERS[target](out, stream)
    return Converted(target, stream.counts)


def output_format(out: Path, to: str | None) -> str:
    """The format to write; InputError where neither suffix nor name tells."""
    known = (OWN, *WRITERS)
    if to is not None and to not in known:
        raise InputError(
            f"--to {to}: no format that can be written{suggestion(to, known)} ({', '.join(known)})"
        )
    target = to or SUFFIXES.get(out.suffix.lower())
    if target is None:
        raise InputError(
            f"{out}: no format is written to '{out.suffix}'; give {', '.join(SUFFIXES)}, or name "
            f"the format with --to ({', '.join(known)})"
        )
    if not out.parent.is_dir():
        raise InputError(f"{out}: there is no folder {out.parent}")
    return target


class _Counted:
    """The events of all chosen processes, counted and reported as they pass."""

    def __init__(
        self,
        chosen: list[tuple[str, EventSource]],
        roles: Sequence[str],
        progress: Progress,
        out: Path,
    ) -> None:
        self._chosen, self._roles, self._progress, self._out = chosen, roles, progress, out
        self.counts: dict[str, int] = dict.fromkeys((name for name, _ in chosen), 0)

    def __iter__(self) -> Iterator[Events]:
        known = [process.events for _, source in self._chosen for process in source.processes]
        self._progress.start(self._out.name, sum(count or 0 for count in known))
        role = {source.path: source.options.role for _, source in self._chosen}
        for source in _distinct(self._chosen):
            names = [name for name, of in self._chosen if of is source]
            only = names[0] if len(names) == 1 else None
            for events in source.chunks(only):
                if events.process not in names:
                    continue
                self.counts[events.process] += len(events)
                self._progress.update(sum(self.counts.values()))
                yield replace(events, role=role[source.path]) if self._roles else events
        self.counts = {name: count for name, count in self.counts.items() if count}
        if not self.counts:
            raise InputError(f"{self._out}: not written: the files hold no events")


def _sources(
    files: Sequence[Path],
    format_name: str | None,
    options: ReadOptions,
    processes: Sequence[str],
    roles: Sequence[str],
) -> list[EventSource]:
    for role in roles:
        if role not in ROLES:
            raise InputError(f"--role {role}: must be one of {', '.join(ROLES)}")
    if len(roles) not in (0, 1, len(files)):
        raise InputError(f"{len(roles)} roles for {len(files)} files; give one, or one for each")
    names: Sequence[str | None] = processes if len(processes) == len(files) else [None] * len(files)
    given = list(roles) * (len(files) if len(roles) == 1 else 1)
    default = ["background", *["signal"] * (len(files) - 1)]
    return [
        open_events(file, replace(options, process=name, role=role), format_name)
        for file, name, role in zip(files, names, given or default, strict=True)
    ]


def _chosen(
    sources: Sequence[EventSource], processes: Sequence[str]
) -> list[tuple[str, EventSource]]:
    """The processes to write, each with its source; no name twice."""
    found = [(process.name, source) for source in sources for process in source.processes]
    known = [name for name, _ in found]
    for name in processes:
        if name not in known:
            raise InputError(
                f"--process {name}: not in the files{suggestion(name, known)} "
                f"(they hold {', '.join(known)})"
            )
    twice = sorted({name for name in known if known.count(name) > 1})
    if twice:
        raise InputError(
            f"process {', '.join(twice)} is in several files; name the process of each file with "
            "--process"
        )
    return [(name, source) for name, source in found if not processes or name in processes]


def _distinct(chosen: Iterable[tuple[str, EventSource]]) -> list[EventSource]:
    """The sources, each once, in their order."""
    found: list[EventSource] = []
    for _, source in chosen:
        if not any(source is other for other in found):
            found.append(source)
    return found
