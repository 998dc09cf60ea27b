"""Files of scores: HDF5 by process, or one parquet table; docs/scoring.md shows both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError, MissingExtra, unwritable
from naetrigger.contracts.hdf5 import streamed_hdf5
from naetrigger.contracts.regular_file import require_regular
from naetrigger.contracts.whole_file import whole_file

FORMAT = "naetrigger-scores"
VERSION = 1
HDF5_SUFFIXES = (".h5", ".hdf5")
PARQUET_SUFFIX = ".parquet"
BATCH = 65536
# Of integers alone: floats take five times as long to pack, and hardly shrink.
PACKED = {"compression": "gzip", "compression_opts": 1, "shuffle": True}

Attributes = Mapping[str, str | int | float]


@dataclass(frozen=True)
class ScoredRows:
    """Rows of one process: scores, float64 of a teacher or int64 of a student, ids and weights."""

    process: str
    scores: npt.NDArray[Any]
    event_ids: npt.NDArray[np.uint64]
    weights: npt.NDArray[np.float64]

    def cut(self, rows: slice) -> ScoredRows:
        """Some of the rows."""
        return ScoredRows(self.process, self.scores[rows], self.event_ids[rows], self.weights[rows])

    def columns(self, scale: float | None) -> dict[str, npt.NDArray[Any]]:
        """As written: `score`, and of a student `score_hw` with score = scale * score_hw."""
        own = {"event_ids": self.event_ids, "weights": self.weights}
        if scale is None:
            return {**own, "score": self.scores}
        return {**own, "score_hw": self.scores, "score": scale * self.scores}


def check_output(path: Path, force: bool, source: Path | None = None) -> None:
    """Refuse a place that scores cannot be written to, before anything is scored.

    source : the file that is to be scored, which no --force replaces
    """
    if path.suffix not in (*HDF5_SUFFIXES, PARQUET_SUFFIX):
        raise InputError(
            f"{path}: scores are written as {', '.join(HDF5_SUFFIXES)} or {PARQUET_SUFFIX}; "
            "choose such a name with --out"
        )
    if path.suffix == PARQUET_SUFFIX and find_spec("pyarrow") is None:
        raise MissingExtra("pyarrow", "readers")
    if path.exists():
        require_regular(path)
        if source is not None and source.exists() and path.samefile(source):
            raise InputError(f"{path}: is the file to be scored; choose another with --out")
    if path.exists() and not force:
        raise InputError(f"{path}: exists already; choose another with --out, or say --force")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder; make it, or choose another with --out")


def write_scores(
    path: Path, rows: Iterable[ScoredRows], attributes: Attributes, scale: float | None
) -> None:
    """Write one file, whole or not at all; the rows of one process come together.

    scale : of a student's integers; None: the scores are a teacher's
    """
    attributes = {"format": FORMAT, "version": VERSION, **attributes}
    write = _write_parquet if path.suffix == PARQUET_SUFFIX else _write_hdf5
    write(path, _batches(rows), attributes, scale)


def _batches(rows: Iterable[ScoredRows]) -> Iterator[ScoredRows]:
    """The same rows, BATCH at a time, so that a file's bytes do not depend on how they came."""
    for process, parts in groupby(rows, key=lambda part: part.process):
        waiting: list[ScoredRows] = []
        for part in parts:
            waiting.append(part)
            while sum(len(w.scores) for w in waiting) >= BATCH:
                whole = _joined(process, waiting)
                yield whole.cut(slice(BATCH))
                waiting = [whole.cut(slice(BATCH, None))]
        if sum(len(w.scores) for w in waiting):
            yield _joined(process, waiting)


def _joined(process: str, parts: list[ScoredRows]) -> ScoredRows:
    columns = [
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("scores", "event_ids", "weights")
    ]
    return ScoredRows(process, *columns)


def _write_hdf5(
    path: Path, rows: Iterable[ScoredRows], attributes: Attributes, scale: float | None
) -> None:
    with streamed_hdf5(path) as file:
        file.attrs.update(attributes)
        names: list[str] = []
        for part in rows:
            if part.process not in names:
                names.append(part.process)
                file.create_group(part.process).attrs["process"] = part.process
            for name, values in part.columns(scale).items():
                _append(file[part.process], name, values)
        file.attrs["processes"] = names


def _append(group: h5py.Group, name: str, values: npt.NDArray[Any]) -> None:
    if name not in group:
        how = PACKED if values.dtype.kind in "iu" else {}
        group.create_dataset(name, (0,), values.dtype, maxshape=(None,), chunks=(BATCH,), **how)
    dataset = group[name]
    start = len(dataset)
    dataset.resize(start + len(values), axis=0)
    dataset[start:] = values


def _write_parquet(
    path: Path, rows: Iterable[ScoredRows], attributes: Attributes, scale: float | None
) -> None:
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    metadata = {name: str(value) for name, value in attributes.items()}
    with whole_file(path) as partial:
        writer = None
        try:
            for part in rows:
                process = arrow.array([part.process]).dictionary_encode()
                names = process.take(arrow.array(np.zeros(len(part.scores), np.int8)))
                columns = part.columns(scale)
                columns["event_id"] = columns.pop("event_ids")
                columns["weight"] = columns.pop("weights")
                table = arrow.table({"process": names, **columns}).replace_schema_metadata(metadata)
                writer = writer or parquet.ParquetWriter(partial, table.schema)
                writer.write_table(table)
        except OSError as error:
            raise unwritable(path, error) from error
        finally:
            if writer is not None:
                writer.close()
