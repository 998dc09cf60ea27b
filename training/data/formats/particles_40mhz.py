"""The HDF5 layout of the data set for anomaly detection at 40 MHz (Govorkova et al.,
arXiv:2107.02157).

``Particles`` (N, 19, 4): pt [GeV], eta, phi [rad], class; row 0 missing ET (class 1), 1 to 4
electrons (2), 5 to 8 muons (3), 9 to 18 jets (4), each hardest first, absent ones zero.
``Particles_Names`` and ``Particles_Classes`` name the last axis and the classes; ``EvtId`` (N,)
numbers events where it is there. ``Particles`` of an integer type holds hardware integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events
from naetrigger.contracts.hdf5 import streamed_hdf5
from naetrigger.contracts.trigger_objects import COLUMNS, HARDWARE_UNITS, KINDS, OBJECTS, UNITS
from naetrigger.training.data.formats import objects
from naetrigger.training.data.formats.format import (
    Description,
    ReadOptions,
    as_float32,
    row_ids,
    single_process,
)
from naetrigger.training.data.formats.hdf5_file import (
    numbers,
    opened,
    recognised,
    slices,
    texts,
    unsigned_ids,
)

FIELDS = ("Pt", "Eta", "Phi", "Class")
CLASS_NAMES = ("MET_class_1", "Four_Ele_class_2", "Four_Mu_class_3", "Ten_Jet_class_4")
CHUNK_ROWS = 8192  # 5 MB: what stays in the cache is checked twice as fast
CLASSES = np.array([i + 1 for i, kind in enumerate(KINDS) for _ in range(kind.count)])


class Particles40MHz:
    """The format as the registry knows it."""

    title = "particles of the 40-MHz anomaly data set (HDF5)"
    views: tuple[str, ...] = ()

    def recognise(self, path: Path) -> bool:
        return recognised(path, lambda file: "Particles" in file)

    def describe(self, path: Path, options: ReadOptions) -> Description:
        with opened(path) as file:
            particles = _particles(file, path)
            hardware = particles.dtype.kind in "iu"
            notes = ["event ids from EvtId" if "EvtId" in file else "event ids are row numbers"]
            if hardware:
                notes.append("Particles holds integers: read as hardware integers")
            if options.sort_objects:
                notes.append("objects are sorted by pt within their kind")
            return Description(
                processes=single_process(path, options, len(particles)),
                columns=COLUMNS,
                units=HARDWARE_UNITS if hardware else UNITS,
                notes=tuple(notes),
            )

    def chunks(self, path: Path, options: ReadOptions, size: int) -> Iterator[Events]:
        with opened(path) as file:
            particles = _particles(file, path)
            ids = file.get("EvtId")
            if ids is not None and len(ids) != len(particles):
                raise InputError(f"{path}: {len(ids)} EvtId for {len(particles)} events")
            units = HARDWARE_UNITS if particles.dtype.kind in "iu" else UNITS
            for rows in slices(len(particles), min(size, CHUNK_ROWS)):
                table = particles[rows]
                check_classes(table, path, rows.start)
                values = np.ascontiguousarray(table[:, :, :3])
                if options.sort_objects:
                    values = objects.hardest_first(values)
                objects.check(values, path, rows.start)
                yield Events(
                    process=options.process or path.stem,
                    role=options.role,
                    columns=COLUMNS,
                    values=as_float32(values.reshape(len(values), -1)),
                    weights=np.ones(len(values)),
                    event_ids=row_ids(rows.start, len(values))
                    if ids is None
                    else unsigned_ids(ids, rows, path),
                    units=units,
                    attributes={"source": path.name},
                )


def write(path: Path, chunks: Iterable[Events]) -> None:
    """Write events of one process; hardware integers become physical values."""
    with streamed_hdf5(path) as file:
        file["Particles_Names"] = list(FIELDS)
        file["Particles_Classes"] = list(CLASS_NAMES)
        shape = (len(OBJECTS), len(FIELDS))
        options = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
        particles = file.create_dataset(
            "Particles",
            (0, *shape),
            "f8",
            maxshape=(None, *shape),
            chunks=(1000, *shape),
            **options,
        )
        ids = file.create_dataset("EvtId", (0,), "u8", maxshape=(None,), chunks=(8192,), **options)
        for events in chunks:
            table = _with_classes(objects.physical_objects(events))
            start = len(particles)
            for dataset, data in ((particles, table), (ids, events.event_ids)):
                dataset.resize(start + len(table), axis=0)
                dataset[start:] = data


def _with_classes(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(N, 19, 3) -> (N, 19, 4); absent objects have class 0, missing ET is always there."""
    present = values[:, :, 0] > 0
    present[:, 0] = True
    return np.concatenate([values, np.where(present, CLASSES, 0)[:, :, None]], axis=2)


def _particles(file: h5py.File, path: Path) -> h5py.Dataset:
    particles = numbers(file, "Particles", path)
    expected = (len(OBJECTS), len(FIELDS))
    if particles.shape[1:] != expected:
        raise InputError(
            f"{path}: dataset 'Particles' must have shape (N, 19, 4), got {particles.shape}"
        )
    names = texts(file["Particles_Names"][()]) if "Particles_Names" in file else list(FIELDS)
    if [name.casefold() for name in names] != [name.casefold() for name in FIELDS]:
        raise InputError(
            f"{path}: Particles_Names must be {', '.join(FIELDS)}, got {', '.join(names)}"
        )
    classes = texts(file["Particles_Classes"][()]) if "Particles_Classes" in file else []
    for name in classes:
        stem, _, code = name.rpartition("_class_")
        known = {known.rpartition("_class_")[0].casefold(): known[-1] for known in CLASS_NAMES}
        if known.get(stem.casefold(), code) != code:
            raise InputError(
                f"{path}: Particles_Classes says '{name}', expected {', '.join(CLASS_NAMES)}"
            )
    return particles


def check_classes(table: npt.NDArray[Any], path: Path, first_row: int) -> None:
    """Refuse a row of Particles, (N, 19, 4), whose class codes are not those of its place."""
    codes = table[:, :, 3]
    wrong = codes != CLASSES
    if not wrong.any():
        return
    wrong &= (codes != 0) | (table[:, :, :3] != 0).any(axis=2)  # class 0 is fine for an absent one
    if wrong.any():
        row, place = np.argwhere(wrong)[0]
        raise InputError(
            f"{path}: {int(wrong.sum())} objects have a class that does not belong to their place, "
            f"the first in row {first_row + row}, {OBJECTS[place]}: expected {CLASSES[place]}, got "
            f"{codes[row, place]:g}; are the objects in another order?"
        )
