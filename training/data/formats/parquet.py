"""Parquet: one process a file, named columns of numbers; read by row groups.

As in CSV, the columns of weights and event ids are taken out where they are present. Files written
here also keep process, role, units and what is context, in the metadata of schema and fields.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError, MissingExtra
from naetrigger.contracts.events import ROLES, Events
from naetrigger.contracts.whole_file import whole_file
from naetrigger.training.data.formats.format import (
    CHUNK_VALUES,
    Description,
    ReadOptions,
    as_float32,
    head,
    reading,
    row_ids,
    single_process,
)

MAGIC = b"PAR1"
PANDAS_INDEX = "__index_level_"  # row labels that pandas stored beside the columns


class Parquet:
    """The format as the registry knows it."""

    title = "parquet"
    views: tuple[str, ...] = ()

    def recognise(self, path: Path) -> bool:
        return head(path, len(MAGIC)) == MAGIC

    def describe(self, path: Path, options: ReadOptions) -> Description:
        file = _opened(path)
        layout = _Layout(file.schema_arrow, path, options)
        taken = {options.weight_column: "weights", options.event_id_column: "event ids"}
        found = [name for name in file.schema_arrow.names if name in taken]
        return Description(
            processes=single_process(path, layout.options, file.metadata.num_rows),
            columns=layout.columns,
            units=layout.units(layout.columns),
            context_columns=layout.context_columns,
            context_units=layout.units(layout.context_columns),
            notes=tuple(f"{taken[name]} from column '{name}'" for name in found),
        )

    def chunks(self, path: Path, options: ReadOptions, size: int) -> Iterator[Events]:
        file = _opened(path)
        layout = _Layout(file.schema_arrow, path, options)
        names = file.schema_arrow.names
        row = 0
        with reading(path, self.title):
            rows = max(1, min(size, CHUNK_VALUES // len(names)))
            for batch in file.iter_batches(batch_size=rows):
                yield layout.events(batch, row)
                row += len(batch)


def write(path: Path, chunks: Iterable[Events]) -> None:
    """Write events of one process, chunk by chunk."""
    arrow, parquet = _pyarrow(), _pyarrow(".parquet")
    writer = None
    with whole_file(path) as partial:
        try:
            for events in chunks:
                table = arrow.table(_arrays(arrow, events), schema=_schema(arrow, events))
                if writer is None:
                    writer = parquet.ParquetWriter(partial, table.schema, compression="zstd")
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()
        if writer is None:
            raise InputError(f"{path}: no events to write")


class _Layout:
    """What the columns of one file are, by its schema."""

    def __init__(self, schema: Any, path: Path, options: ReadOptions) -> None:
        self.path = path
        stated = schema.metadata or {}
        role = _text(stated.get(b"role"))
        self.options = replace(
            options,
            process=options.process or _text(stated.get(b"process")),
            role=role if role in ROLES else options.role,
        )
        special = (options.weight_column, options.event_id_column)
        fields = [
            schema.field(i)
            for i in range(len(schema))
            if schema.names[i] not in special and not schema.names[i].startswith(PANDAS_INDEX)
        ]
        twice = sorted({n for n in schema.names if schema.names.count(n) > 1})
        if twice:
            raise InputError(f"{path}: columns named twice: {', '.join(twice)}")
        metadata = {field.name: field.metadata or {} for field in fields}
        self._units = {
            n: m.get(b"unit", b"").decode("utf-8", "replace") for n, m in metadata.items()
        }
        context = {name for name, m in metadata.items() if m.get(b"use") == b"context"}
        self.columns = tuple(field.name for field in fields if field.name not in context)
        self.context_columns = tuple(field.name for field in fields if field.name in context)
        if not self.columns:
            raise InputError(f"{path}: holds no columns of values")

    def units(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Units of columns; () where none is stated."""
        units = tuple(self._units[name] for name in names)
        return units if any(units) else ()

    def events(self, batch: Any, row: int) -> Events:
        """One batch of rows as events."""
        options, count = self.options, len(batch)
        names = batch.schema.names
        weights, ids = np.ones(count), row_ids(row, count)
        if options.weight_column in names:
            weights = self._numbers(batch, options.weight_column).astype(np.float64)
        if options.event_id_column in names:
            ids = self._ids(batch, options.event_id_column)
        return Events(
            process=options.process or self.path.stem,
            role=options.role,
            columns=self.columns,
            values=self._table(batch, self.columns),
            weights=weights,
            event_ids=ids,
            context_columns=self.context_columns,
            context=self._table(batch, self.context_columns),
            units=self.units(self.columns),
            context_units=self.units(self.context_columns),
            attributes={"source": self.path.name},
        )

    def _table(self, batch: Any, names: tuple[str, ...]) -> npt.NDArray[np.float32]:
        table = np.zeros((len(batch), len(names)), np.float32)
        for i, name in enumerate(names):
            table[:, i] = as_float32(self._numbers(batch, name))
        return table

    def _numbers(self, batch: Any, name: str) -> npt.NDArray[Any]:
        column = batch.column(name).to_numpy(zero_copy_only=False)  # null becomes NaN
        if column.dtype.kind not in "iufb":
            kind = batch.schema.field(name).type
            raise InputError(f"{self.path}: column '{name}' holds {kind}, expected numbers")
        return np.asarray(column)

    def _ids(self, batch: Any, name: str) -> npt.NDArray[np.uint64]:
        ids = self._numbers(batch, name)
        if ids.dtype.kind not in "iu" or (ids.size and ids.min() < 0):
            raise InputError(
                f"{self.path}: column '{name}' must hold whole numbers from 0 to 2**64-1"
            )
        return ids.astype(np.uint64)


def _text(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", "replace")


def _arrays(arrow: Any, events: Events) -> list[Any]:
    tables = (*events.values.T, *events.context.T, events.weights, events.event_ids)
    return [arrow.array(np.ascontiguousarray(column)) for column in tables]


def _schema(arrow: Any, events: Events) -> Any:
    context = set(events.context_columns)
    fields = [
        arrow.field(
            name,
            arrow.float32(),
            metadata={
                "unit": events.unit_of(name),
                "use": "context" if name in context else "input",
            },
        )
        for name in (*events.columns, *events.context_columns)
    ]
    fields += [arrow.field("weight", arrow.float64()), arrow.field("event_id", arrow.uint64())]
    return arrow.schema(fields, metadata={"process": events.process, "role": events.role})


def _opened(path: Path) -> Any:
    parquet = _pyarrow(".parquet")
    with reading(path, "parquet"):
        return parquet.ParquetFile(path)


def _pyarrow(part: str = "") -> Any:
    try:
        return importlib.import_module(f"pyarrow{part}")
    except ModuleNotFoundError as error:
        raise MissingExtra("pyarrow", "readers") from error
