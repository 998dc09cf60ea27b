"""DataFrames that pandas stored in HDF5, read in slices without pandas.

pandas and PyTables unpickle what such a file holds in its attributes, so a file from elsewhere
could run any code. Here the names of columns, which pandas keeps as a pickled list, are only
disassembled: a list of texts and whole numbers is understood, anything else refused.

Both layouts are read: ``fixed`` (axis0, block0_items, block0_values ...) and ``table`` (one
compound dataset ``table`` with fields values_block_0 ...).
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.training.data.formats.hdf5_file import texts

LIST_OPCODES = {
    *("PROTO", "FRAME", "MARK", "LIST", "EMPTY_LIST", "APPEND", "APPENDS", "STOP"),
    *("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"),
}
ITEM_OPCODES = {
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"),
}


@dataclass(frozen=True)
class _Block:
    """Some columns: all of a dataset, or one field of it."""

    columns: tuple[str, ...]
    dataset: h5py.Dataset
    field: str | None = None

    def read(self, rows: slice) -> npt.NDArray[Any]:
        data = self.dataset[rows]
        table = np.asarray(data if self.field is None else data[self.field])
        return table.reshape(len(table), -1)


@dataclass(frozen=True)
class DataFrame:
    """A stored DataFrame: its columns in the file's order, and its number of rows."""

    name: str
    columns: tuple[str, ...]
    n_rows: int
    _blocks: tuple[_Block, ...]

    def read(self, rows: slice) -> npt.NDArray[np.float64]:
        """Some rows, shape (N, columns)."""
        names = [name for block in self._blocks for name in block.columns]
        parts = [block.read(rows) for block in self._blocks]
        table = np.concatenate(parts, axis=1).astype(np.float64, copy=False)
        if table.shape[1] != len(names):
            raise InputError(f"'{self.name}': {len(names)} names for {table.shape[1]} columns")
        place = {name: i for i, name in enumerate(names)}
        order = [place[name] for name in self.columns]
        return table if order == list(range(len(names))) else table[:, order]


def stored_frame(file: h5py.File) -> DataFrame | None:
    """The first DataFrame of a file; None where there is none."""
    for name, group in file.items():
        if not isinstance(group, h5py.Group):
            continue
        if isinstance(group.get("table"), h5py.Dataset):
            return _table_frame(name, group)
        if "axis0" in group and "block0_values" in group:
            return _fixed_frame(name, group)
    return None


def _fixed_frame(name: str, group: h5py.Group) -> DataFrame:
    blocks = []
    for i in range(int(group.attrs["nblocks"])):
        items, values = group[f"block{i}_items"], group[f"block{i}_values"]
        if values.dtype.kind not in "iufb":
            raise InputError(f"'{name}': columns {', '.join(texts(items)[:5])} hold no numbers")
        blocks.append(_Block(tuple(texts(items)), values))
    return DataFrame(name, tuple(texts(group["axis0"])), len(group["axis1"]), tuple(blocks))


def _table_frame(name: str, group: h5py.Group) -> DataFrame:
    table = group["table"]
    blocks = []
    for field in table.dtype.names or ():
        if field == "index":
            continue
        if table.dtype[field].base.kind not in "iufb":
            raise InputError(f"'{name}': field '{field}' holds {table.dtype[field]}, no numbers")
        columns = pickled_list(table.attrs[f"{field}_kind"])
        blocks.append(_Block(columns, table, field))
    columns = tuple(column for block in blocks for column in block.columns)
    return DataFrame(name, columns, len(table), tuple(blocks))


def pickled_list(content: Any) -> tuple[str, ...]:
    """The items of a pickled flat list of texts and whole numbers, none of it executed."""
    items = []
    for opcode, argument, _ in pickletools.genops(bytes(content)):
        if opcode.name in ITEM_OPCODES:
            items.append(str(argument))
        elif opcode.name not in LIST_OPCODES:
            raise InputError(f"names of columns are no plain list (pickle opcode {opcode.name})")
    return tuple(items)
