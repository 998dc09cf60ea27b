"""Writing event files of any size: blocks of rows go to disk as they come.

The layout is that of :mod:`events`; only a block of each process is ever in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import FORMAT, HARDWARE_UNIT, VERSION, Events
from naetrigger.contracts.hdf5 import streamed_hdf5

ROWS_PER_BLOCK = 16384
# Integers of one column are alike, so tables of up to so many columns are packed by column: a tenth
# smaller. Images, mostly zeros, pack better by row.
PACKED_COLUMNS = 512
COMPRESSION = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
ARRAYS = ("values", "weights", "event_ids", "context")


class EventWriter:
    """Appends rows to the processes of one file; made by :func:`event_writer`."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._processes: dict[str, _Process] = {}

    def append(self, events: Events) -> None:
        """Add rows; the first ones of a process settle its columns, units, role and attributes.

        All-hardware rows are stored as 16-bit integers, signed or unsigned as all rows need;
        InputError for one that fits neither.
        """
        if events.process not in self._processes:
            self._processes[events.process] = _Process(self._file, events)
        self._processes[events.process].append(events)

    def describe(self, process: str, attributes: Mapping[str, str | int | float]) -> None:
        """Add attributes to a process that are known when its rows are."""
        self._file[process].attrs.update(attributes)

    def finish(self) -> None:
        """Write the rows that are still waiting for a full block."""
        for process in self._processes.values():
            process.flush(everything=True)
        self._file.attrs["processes"] = list(self._processes)


@contextmanager
def event_writer(path: Path, attributes: Mapping[str, str] | None = None) -> Iterator[EventWriter]:
    """A writer for one file, which appears whole or not at all.

    Raises EnvironmentProblem where the disk is full, InputError where the file cannot be made.
    """
    with streamed_hdf5(path) as file:
        file.attrs.update({"format": FORMAT, "version": VERSION, **(attributes or {})})
        writer = EventWriter(file)
        yield writer
        writer.finish()


class _Process:
    """The datasets of one process, and the rows waiting for the next block."""

    def __init__(self, file: h5py.File, first: Events) -> None:
        self._first = first
        self._group = file.create_group(first.process)
        self._group.attrs.update({**first.attributes, "role": first.role})
        self._group.attrs["process"] = first.process
        self._integers = bool(first.units) and set(first.units) == {HARDWARE_UNIT}
        self._waiting: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in ARRAYS}
        self._rows = 0
        self._range = (0, 0)  # of all integers so far
        for name in ARRAYS:
            rows = getattr(first, name)[:0]
            integers = name == "values" and self._integers
            self._create(name, rows.shape[1:], np.dtype(np.int16) if integers else rows.dtype)
        for name, columns, units in (
            ("values", first.columns, first.units),
            ("context", first.context_columns, first.context_units),
        ):
            self._group[name].attrs["columns"] = list(columns)
            if units:
                self._group[name].attrs["units"] = list(units)

    def _create(self, name: str, rest: tuple[int, ...], kind: np.dtype[Any]) -> h5py.Dataset:
        by_column = name == "values" and kind.kind in "iu" and rest[0] <= PACKED_COLUMNS
        return self._group.create_dataset(
            name,
            shape=(0, *rest),
            maxshape=(None, *(n or None for n in rest)),  # HDF5 has no chunks without columns
            dtype=kind,
            chunks=(ROWS_PER_BLOCK, *(1 if by_column else max(n, 1) for n in rest)),
            **COMPRESSION,
        )

    def _store_values_as(self, kind: np.dtype[Any]) -> None:
        """Values written so far go into a dataset of another type, block by block."""
        self._group.move("values", "before")
        before = self._group["before"]
        after = self._create("values", before.shape[1:], kind)
        after.attrs.update(before.attrs)
        after.resize(len(before), axis=0)
        for start in range(0, len(before), ROWS_PER_BLOCK):
            after[start : start + ROWS_PER_BLOCK] = before[start : start + ROWS_PER_BLOCK]
        del self._group["before"]

    def append(self, events: Events) -> None:
        for what in ("role", "columns", "context_columns", "units", "context_units"):
            if getattr(events, what) != getattr(self._first, what):
                raise InputError(
                    f"{events.process}: {what} changed from {getattr(self._first, what)} to "
                    f"{getattr(events, what)} within one file"
                )
        for name in ARRAYS:
            self._waiting[name].append(self._stored(name, getattr(events, name)))
        self._rows += len(events)
        self.flush()

    def flush(self, everything: bool = False) -> None:
        """Write all full blocks, or all rows."""
        rows = self._rows if everything else self._rows // ROWS_PER_BLOCK * ROWS_PER_BLOCK
        if not rows:
            return
        for name in ARRAYS:
            waiting = np.concatenate(self._waiting[name])
            dataset = self._group[name]
            start = len(dataset)
            dataset.resize(start + rows, axis=0)
            dataset[start:] = waiting[:rows]
            self._waiting[name] = [waiting[rows:]]
        self._rows -= rows

    def _stored(self, name: str, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The rows in the type they are stored in."""
        if name != "values" or not self._integers or not rows.size:
            return rows
        bad = np.argwhere((rows != np.floor(rows)) | (rows < -(2**15)) | (rows >= 2**16))
        if len(bad):
            row, column = bad[0]
            raise InputError(
                f"{self._first.process}: column '{self._first.columns[column]}' is in hardware "
                f"units and holds {rows[row, column]}; expected a whole number of 16 bits"
            )
        self._range = min(self._range[0], int(rows.min())), max(self._range[1], int(rows.max()))
        kind = self._integer_type()
        if self._group["values"].dtype != kind:
            self._store_values_as(kind)
        return rows.astype(kind)

    def _integer_type(self) -> np.dtype[Any]:
        """The type of 16 bits that holds all values so far."""
        low, high = self._range
        for kind in (np.int16, np.uint16):
            if low >= np.iinfo(kind).min and high <= np.iinfo(kind).max:
                return np.dtype(kind)
        raise InputError(
            f"{self._first.process}: hardware integers from {low} to {high} do not go into 16 "
            "bits, neither signed nor unsigned"
        )
