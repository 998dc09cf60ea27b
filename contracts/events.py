"""Events: input values, weights, ids and context of one process, and their HDF5 layout.

Layout (``format = "naetrigger-events"``, version 1): one group a process, holding

=============  ==============  ====================================================
dataset        shape, type     what
=============  ==============  ====================================================
``values``     (N, F) float32  inputs; attributes ``columns`` and, where known, ``units``
``weights``    (N,) float64    event weights, positive
``event_ids``  (N,) uint64     jets or objects of one event share their id
``context``    (N, C) float32  what no model sees (jet pT ...); attributes as of values
=============  ==============  ====================================================

``values`` may be stored as integers of up to 16 bits, which a float32 holds exactly. A unit is
``GeV``, ``rad``, ``1`` for pure numbers, ``hw`` for integers as the trigger hardware has them, or
empty where the file does not say.

Attributes of the file: ``format``, ``version``, and ``processes`` (their order; may be left out).
Group attributes: ``role`` (background or signal), ``process``, and the source's own: commands,
seeds, generator, cross-section, citation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.contracts.hdf5 import require_contained, write_hdf5

FORMAT = "naetrigger-events"
VERSION = 1
ROLES = ("background", "signal")
SPLITS = ("train", "validation", "test")
HARDWARE_UNIT = "hw"
STORED_TYPES = ("float32", "float64", "int8", "uint8", "int16", "uint16")


@dataclass(frozen=True)
class Events:
    """Events of one process.

    values : (N, F), one column per name in `columns`, in `units` (() where they are not known)
    weights : (N,), positive
    event_ids : (N,) uint64; rows of one event share their id
    context : (N, C), quantities no model sees, named by `context_columns`
    """

    process: str
    role: str
    columns: tuple[str, ...]
    values: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float64]
    event_ids: npt.NDArray[np.uint64]
    context_columns: tuple[str, ...] = ()
    context: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)
    units: tuple[str, ...] = ()
    context_units: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise InputError(f"{self.process}: role is one of {', '.join(ROLES)}, not {self.role}")
        n = len(self.values)
        if self.context.size == 0 and not self.context_columns:
            object.__setattr__(self, "context", np.zeros((n, 0), np.float32))
        shapes = {
            "values": (self.values.shape, (n, len(self.columns))),
            "weights": (self.weights.shape, (n,)),
            "event_ids": (self.event_ids.shape, (n,)),
            "context": (self.context.shape, (n, len(self.context_columns))),
        }
        for name, (got, expected) in shapes.items():
            if got != expected:
                raise InputError(f"{self.process}: {name} must have shape {expected}, got {got}")
        for what, units, columns in (
            ("units", self.units, self.columns),
            ("context_units", self.context_units, self.context_columns),
        ):
            if units and len(units) != len(columns):
                raise InputError(f"{self.process}: {len(units)} {what} for {len(columns)} columns")

    def __len__(self) -> int:
        return len(self.values)

    def column(self, name: str) -> npt.NDArray[np.float32]:
        """One column of values or context by its name."""
        if name in self.columns:
            return self.values[:, self.columns.index(name)]
        if name in self.context_columns:
            return self.context[:, self.context_columns.index(name)]
        known = (*self.columns, *self.context_columns)
        raise InputError(
            f"{self.process}: no column '{name}'{suggestion(name, known)} (has {', '.join(known)})"
        )

    def unit_of(self, name: str) -> str:
        """The unit of one column of values or context; empty where it is not known."""
        self.column(name)  # says that there is none, and what is near
        known = dict(zip(self.context_columns, self.context_units, strict=False))
        known |= dict(zip(self.columns, self.units, strict=False))
        return known.get(name, "")

    def select(self, rows: npt.NDArray[Any] | slice) -> Events:
        """The rows of a mask, an index array or a slice."""
        return replace(
            self,
            values=self.values[rows],
            weights=self.weights[rows],
            event_ids=self.event_ids[rows],
            context=self.context[rows],
        )

    def check(self, source: str = "", place: Callable[[int], str] = "row {}".format) -> Events:
        """Refuse NaN, infinity, and weights that are not positive, naming row and column.

        place : where one of these rows stands in its source, in words
        """
        where = f"{source}: {self.process}" if source else self.process
        if len(self) == 0:
            raise InputError(f"{where}: holds no events")
        bad = np.argwhere(~np.isfinite(self.values))
        if len(bad):
            row, column = bad[0]
            raise InputError(
                f"{where}: {len(bad)} values are NaN or infinite, the first in "
                f"{place(int(row))}, column '{self.columns[column]}'; remove or repair these rows"
            )
        bad_weights = np.flatnonzero(~(np.isfinite(self.weights) & (self.weights > 0)))
        if len(bad_weights):
            row = bad_weights[0]
            raise InputError(
                f"{where}: {len(bad_weights)} weights are not positive and finite, the first in "
                f"{place(int(row))} ({self.weights[row]}); events of zero weight are to be "
                "left out"
            )
        return self


def is_process_name(name: str) -> bool:
    """Whether a process can be called so: a group of that name lies at the top of a file."""
    return (
        0 < len(name) <= 200 and name not in (".", "..") and "/" not in name and name.isprintable()
    )


def concatenated(parts: Sequence[Events]) -> Events:
    """Events of one process in one piece; at least one part, all with the same columns."""
    first = parts[0]
    if len(parts) == 1:
        return first
    return replace(
        first,
        values=np.concatenate([part.values for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        event_ids=np.concatenate([part.event_ids for part in parts]),
        context=np.concatenate([part.context for part in parts]),
    )


def split_of(event_ids: npt.NDArray[np.uint64], fractions: tuple[float, float, float]) -> Any:
    """Index into SPLITS for each id, by a hash of the id alone; shape (N,) int8.

    So a split never depends on order or sample size, and rows of one event stay together.
    """
    uniform = hashed(event_ids, 1).astype(np.float64) / 2.0**64
    return np.searchsorted(np.cumsum(fractions[:2]), uniform, side="right").astype(np.int8)


def hashed(event_ids: npt.NDArray[np.uint64], stream: int) -> npt.NDArray[np.uint64]:
    """The `stream`-th number that splitmix64 (Steele et al. 2014) gives for each id; shape (N,)."""
    step = np.uint64(stream * 0x9E3779B97F4A7C15 % 2**64)
    z = event_ids.astype(np.uint64) + step
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))


def write_events(
    path: Path, events: Iterable[Events], attributes: Mapping[str, str] | None = None
) -> None:
    """Write one HDF5 file, whole or not at all."""

    def fill(file: h5py.File) -> None:
        file.attrs.update({"format": FORMAT, "version": VERSION, **(attributes or {})})
        names = []
        for sample in events:
            names.append(sample.process)
            _write_group(file, sample)
        file.attrs["processes"] = names

    write_hdf5(path, fill)


def _write_group(file: h5py.File, sample: Events) -> None:
    group = file.create_group(sample.process)
    group.attrs.update({**sample.attributes, "role": sample.role})
    group.attrs["process"] = sample.process
    for name in ("values", "weights", "event_ids", "context"):
        data = getattr(sample, name)
        if name == "values" and sample.units and set(sample.units) == {HARDWARE_UNIT}:
            data = as_stored_integers(data)
        options = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
        group.create_dataset(name, data=data, **(options if data.size else {}))
    group["values"].attrs["columns"] = list(sample.columns)
    group["context"].attrs["columns"] = list(sample.context_columns)
    for name, units in (("values", sample.units), ("context", sample.context_units)):
        if units:
            group[name].attrs["units"] = list(units)


def as_stored_integers(values: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    """Whole numbers as int16 or uint16, whichever holds all; unchanged where none does."""
    whole = values.astype(np.int64)
    if not np.array_equal(whole, values):
        return values
    for kind in (np.int16, np.uint16):
        limits = np.iinfo(kind)
        if whole.size and whole.min() >= limits.min and whole.max() <= limits.max:
            return whole.astype(kind)
    return values


def read_events(path: Path, processes: Iterable[str] | None = None) -> list[Events]:
    """Read the named processes (default: all, in the file's order), checked."""
    with open_events_file(path) as file:
        names = list(processes if processes is not None else process_names(file))
        for name in names:
            if name not in file:
                raise InputError(
                    f"{path}: no process '{name}'{suggestion(name, file)} (has {', '.join(file)})"
                )
        return [read_group(file[name]).check(str(path)) for name in names]


@contextmanager
def open_events_file(path: Path) -> Iterator[h5py.File]:
    """The file, its format and version checked; what goes wrong inside becomes an InputError."""
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT:
                raise InputError(f"{path}: not a {FORMAT} file (attribute 'format' is missing)")
            if int(file.attrs["version"]) != VERSION:
                raise InputError(
                    f"{path}: layout version {file.attrs['version']}, this program reads {VERSION}"
                )
            require_contained(file, path)
            yield file
    except OSError as error:
        if not path.exists():
            raise InputError(f"{path}: no such file") from error
        raise InputError(
            f"{path}: truncated or not HDF5 ({error}); fetch or write the file again"
        ) from error
    except (KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise InputError(f"{path}: not the documented layout ({error})") from error


def process_names(file: h5py.File) -> list[str]:
    """The processes in the order they were written; a file that lists none is read by name."""
    return [str(name) for name in file.attrs.get("processes", list(file))]


def read_group(group: h5py.Group, rows: slice = slice(None)) -> Events:
    """Some rows of one process, unchecked; inside :func:`open_events_file`."""
    columns = group["values"].attrs["columns"]
    context_columns = group["context"].attrs.get("columns", [])
    if group["values"].dtype.name not in STORED_TYPES:
        raise TypeError(f"{group.name}: values are stored as {group['values'].dtype}")
    attributes = {
        key: value.item() if isinstance(value, np.generic) else value
        for key, value in group.attrs.items()
        if key not in ("role", "process")
    }
    ids = group["event_ids"][rows]
    if ids.dtype.kind not in "iu" or (ids.size and ids.min() < 0):
        raise TypeError(f"{group.name}: event_ids must be whole numbers from 0, got {ids.dtype}")
    for name in ("weights", "context"):
        if group[name].dtype.kind not in "iuf":
            raise TypeError(f"{group.name}: {name} are stored as {group[name].dtype}")
    values = np.asarray(group["values"][rows], dtype=np.float32)
    return Events(
        process=group.name.strip("/"),
        role=str(group.attrs["role"]),
        columns=tuple(str(c) for c in columns),
        values=values,
        weights=np.asarray(group["weights"][rows], dtype=np.float64),
        event_ids=ids.astype(np.uint64),
        context_columns=tuple(str(c) for c in context_columns),
        context=np.asarray(group["context"][rows], dtype=np.float32).reshape(
            len(values), len(context_columns)
        ),
        attributes=attributes,
        units=tuple(str(u) for u in group["values"].attrs.get("units", ())),
        context_units=tuple(str(u) for u in group["context"].attrs.get("units", ())),
    )
