"""Trigger objects in a table: checked, sorted, and taken from Events in the order of a layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.contracts.events import HARDWARE_UNIT, Events
from naetrigger.contracts.trigger_objects import (
    COLUMNS,
    KIND_OF_OBJECT,
    KINDS,
    OBJECTS,
    UNITS,
)
from naetrigger.firmware_configs.trigger_scales import to_hardware, to_physical

# Whether each object but the first is of the kind of the one before.
_SAME_KIND = np.array([KIND_OF_OBJECT[i] is KIND_OF_OBJECT[i - 1] for i in range(1, len(OBJECTS))])


def check(objects: npt.NDArray[Any], path: Path, first_row: int) -> None:
    """Refuse what no list of trigger objects can hold.

    objects : (N, 19, 3), pt, eta, phi. Raises InputError with the row of the file and the object:
    NaN or infinite, negative pt, an absent object (pt 0) with eta or phi, or pt that rises.
    """
    with np.errstate(all="ignore"):
        finite = np.isfinite(objects.sum())  # one pass where all is well
    if not finite:
        bad = ~np.isfinite(objects).all(axis=2)
        _refuse(bad, "hold NaN or infinity", "remove or repair these rows", path, first_row)
    pt = np.ascontiguousarray(objects[:, :, 0])
    _refuse(pt < 0, "have negative pt", "remove or repair these rows", path, first_row)
    absent = (pt == 0) & ((objects[:, :, 1] != 0) | (objects[:, :, 2] != 0))
    _refuse(absent, "have pt 0 but eta or phi", "absent objects are all zero", path, first_row)
    rising = np.zeros(pt.shape, bool)
    rising[:, 1:] = (pt[:, 1:] > pt[:, :-1]) & _SAME_KIND
    remedy = "sort them: data.sort_objects: true in a recipe, --sort-objects of data convert"
    _refuse(rising, "are harder than the one before", remedy, path, first_row)


def hardest_first(objects: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Objects (N, 19, 3) sorted by falling pt within each kind, equal ones in their order."""
    ordered = objects.copy()
    start = 0
    for kind in KINDS:
        part = objects[:, start : start + kind.count]
        order = np.argsort(-part[:, :, 0].astype(np.float64), axis=1, kind="stable")
        ordered[:, start : start + kind.count] = np.take_along_axis(part, order[:, :, None], axis=1)
        start += kind.count
    return ordered


def physical_objects(events: Events) -> npt.NDArray[np.float64]:
    """GeV, 1, rad of the 57 columns of events, shape (N, 19, 3)."""
    values, hardware = _columns(events)
    physical = to_physical(values) if hardware else values
    return physical.reshape(-1, len(OBJECTS), 3).astype(np.float64)


def hardware_objects(events: Events) -> npt.NDArray[np.int64]:
    """Hardware integers of the 57 columns of events, shape (N, 19, 3)."""
    values, hardware = _columns(events)
    integers = values if hardware else to_hardware(values)
    if not np.array_equal(integers, np.rint(integers)):
        raise InputError(f"{events.process}: unit 'hw', but not all values are whole numbers")
    return integers.reshape(-1, len(OBJECTS), 3).astype(np.int64)


def _columns(events: Events) -> tuple[npt.NDArray[np.float32], bool]:
    """The 57 columns, and whether they are hardware integers."""
    known = (*events.columns, *events.context_columns)
    for name in COLUMNS:
        if name not in known:
            raise InputError(
                f"{events.process}: no column '{name}'; this format holds trigger objects (met_pt "
                f"... jet10_phi){suggestion(name, known)}"
            )
    values = events.values
    if events.columns != COLUMNS:
        values = np.stack([events.column(name) for name in COLUMNS], axis=1)
    units = {events.unit_of(name) for name in COLUMNS}
    if units == {HARDWARE_UNIT}:
        return values, True
    if tuple(events.unit_of(name) for name in COLUMNS) != UNITS:
        stated = ", ".join(sorted(unit or "unknown" for unit in units))
        raise InputError(
            f"{events.process}: units of trigger objects must be GeV, 1, rad or all 'hw', got "
            f"{stated}; where a file states none, say --units physical or --units hw"
        )
    return values, False


def _refuse(bad: npt.NDArray[np.bool_], what: str, remedy: str, path: Path, first_row: int) -> None:
    if bad.any():
        row, place = np.argwhere(bad)[0]
        raise InputError(
            f"{path}: {int(bad.sum())} objects {what}, the first in row {first_row + row}, "
            f"{OBJECTS[place]}; {remedy}"
        )
