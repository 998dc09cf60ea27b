"""naetrigger's own HDF5 layout; naetrigger.contracts.events documents it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import (
    FORMAT,
    Events,
    open_events_file,
    process_names,
    read_group,
)
from naetrigger.training.data.formats.format import (
    Description,
    ProcessSummary,
    ReadOptions,
    reading,
)
from naetrigger.training.data.formats.hdf5_file import recognised, slices


class NaeTrigger:
    """The format as the registry knows it."""

    title = "naetrigger events (HDF5)"
    views: tuple[str, ...] = ()

    def recognise(self, path: Path) -> bool:
        return recognised(path, lambda file: file.attrs.get("format") == FORMAT)

    def describe(self, path: Path, options: ReadOptions) -> Description:
        with reading(path, self.title), open_events_file(path) as file:
            names = process_names(file)
            if not names:
                raise InputError(f"{path}: holds no process")
            empty = [read_group(file[name], slice(0, 0)) for name in names]
            first = empty[0]
            return Description(
                processes=tuple(
                    ProcessSummary(name, events.role, len(file[name]["values"]))
                    for name, events in zip(names, empty, strict=True)
                ),
                columns=first.columns,
                units=first.units,
                context_columns=first.context_columns,
                context_units=first.context_units,
                attributes={
                    key: value.item() if isinstance(value, np.generic) else value
                    for key, value in file.attrs.items()
                    if key not in ("format", "version", "processes")
                },
            )

    def chunks(self, path: Path, options: ReadOptions, size: int) -> Iterator[Events]:
        with reading(path, self.title), open_events_file(path) as file:
            for name in process_names(file):
                if options.only not in (None, name):
                    continue
                group = file[name]
                n_rows, n_columns = group["values"].shape
                for rows in slices(n_rows, size, n_columns):
                    yield read_group(group, rows)
