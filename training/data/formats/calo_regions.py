"""Calorimeter regions as the calorimeter trigger's anomaly detection stores them (HDF5).

``CaloRegions`` (N, 18, 14) or (N, 252), phi then eta: ET of each region as a hardware integer of 10
bits; ``AcceptanceFlag`` (N,) where it is there. Newer files call the regions ``et``, with
``tauBits`` and ``egBits`` of the same shape, of which each event's number is kept as context.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from naetrigger.contracts.calo_regions import COLUMNS, N_ETA, N_PHI
from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import HARDWARE_UNIT, Events
from naetrigger.contracts.hdf5 import streamed_hdf5
from naetrigger.training.data.formats.format import (
    Description,
    ReadOptions,
    as_float32,
    row_ids,
    single_process,
)
from naetrigger.training.data.formats.hdf5_file import numbers, opened, recognised, slices

REGIONS = ("CaloRegions", "et")
UNITS = (HARDWARE_UNIT,) * len(COLUMNS)
CONTEXT = {"AcceptanceFlag": "acceptance", "tauBits": "n_tau_bits", "egBits": "n_eg_bits"}
LARGEST = 2**16 - 1


class CaloRegions:
    """The format as the registry knows it."""

    title = "calorimeter regions (HDF5)"
    views: tuple[str, ...] = ()

    def recognise(self, path: Path) -> bool:
        return recognised(path, lambda file: _name(file) is not None)

    def describe(self, path: Path, options: ReadOptions) -> Description:
        with opened(path) as file:
            regions, context = _datasets(file, path)
            return Description(
                processes=single_process(path, options, len(regions)),
                columns=COLUMNS,
                units=UNITS,
                context_columns=tuple(context),
                context_units=("1",) * len(context),
                notes=("event ids are row numbers",),
            )

    def chunks(self, path: Path, options: ReadOptions, size: int) -> Iterator[Events]:
        with opened(path) as file:
            regions, context = _datasets(file, path)
            for rows in slices(len(regions), size, len(COLUMNS)):
                count = rows.stop - rows.start
                values = regions[rows].reshape(count, len(COLUMNS))
                _check(values, path, rows.start)
                per_event = [data[rows].reshape(count, -1).sum(axis=1) for data in context.values()]
                yield Events(
                    process=options.process or path.stem,
                    role=options.role,
                    columns=COLUMNS,
                    values=as_float32(values),
                    weights=np.ones(count),
                    event_ids=row_ids(rows.start, count),
                    context_columns=tuple(context),
                    context=as_float32(np.reshape(per_event, (len(context), count)).T),
                    units=UNITS,
                    context_units=("1",) * len(context),
                    attributes={"source": path.name},
                )


def write(path: Path, chunks: Iterable[Events]) -> None:
    """Write the regions of one process as CaloRegions (N, 18, 14)."""
    with streamed_hdf5(path) as file:
        regions = file.create_dataset(
            "CaloRegions",
            (0, N_PHI, N_ETA),
            "u2",
            maxshape=(None, N_PHI, N_ETA),
            chunks=(512, N_PHI, N_ETA),
            compression="gzip",
            shuffle=True,
        )
        for events in chunks:
            values = np.stack([events.column(name) for name in COLUMNS], axis=1)
            _check(values, path, len(regions))
            start = len(regions)
            regions.resize(start + len(values), axis=0)
            regions[start:] = values.reshape(-1, N_PHI, N_ETA).astype(np.uint16)


def _name(file: h5py.File) -> str | None:
    for name in REGIONS:
        if isinstance(file.get(name), h5py.Dataset):
            return name
    return None


def _datasets(file: h5py.File, path: Path) -> tuple[h5py.Dataset, dict[str, h5py.Dataset]]:
    """The regions, and the context columns with the dataset of each; lengths checked."""
    regions = numbers(file, _name(file) or REGIONS[0], path)
    shapes = ((N_PHI, N_ETA), (N_PHI, N_ETA, 1), (N_PHI * N_ETA,))
    if regions.shape[1:] not in shapes:
        raise InputError(
            f"{path}: dataset '{regions.name.strip('/')}' must have shape (N, {N_PHI}, {N_ETA}), "
            f"phi then eta, or (N, {len(COLUMNS)}), got {regions.shape}"
        )
    context = {
        column: numbers(file, name, path) for name, column in CONTEXT.items() if name in file
    }
    for column, data in context.items():
        if len(data) != len(regions) or (column == "acceptance" and data.size != len(data)):
            raise InputError(
                f"{path}: dataset '{data.name.strip('/')}' of shape {data.shape} does not go with "
                f"{len(regions)} events"
            )
    return regions, context


def _check(values: npt.NDArray[Any], path: Path, first_row: int) -> None:
    bad = ~((values >= 0) & (values <= LARGEST))
    if values.dtype.kind == "f":
        bad |= np.rint(values) != values
    if bad.any():
        row, place = np.argwhere(bad)[0]
        raise InputError(
            f"{path}: {int(bad.sum())} regions are no hardware integers from 0 to {LARGEST}, the "
            f"first in row {first_row + row}, {COLUMNS[place]}: {values[row, place]}"
        )
