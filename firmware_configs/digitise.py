"""Physical values become hardware integers, once, before anything learns from them.

Columns of unit `hw` are checked and taken as they are; all others are brought to their scale. What
saturates is counted. Objects must be sorted by falling pT, as hardware sends them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import HARDWARE_UNIT, Events
from naetrigger.contracts.fixed_point import Integers
from naetrigger.firmware_configs.scale import Scale
from naetrigger.firmware_configs.trigger_scales import object_of

SAME_UNITS = ({"", "1"},)

Units = Literal["physical", "hw"]


@dataclass(frozen=True)
class Digitised:
    """Events whose columns with a scale are hardware integers.

    saturated : column -> values beyond the range, set to its end; columns with none are left out
    sorted_rows : events whose objects were brought into order
    """

    events: Events
    saturated: dict[str, int]
    sorted_rows: int = 0


def digitise(
    events: Events,
    scales: Mapping[str, Scale],
    *,
    assumed: Units | None = None,
    sort_objects: bool = False,
) -> Digitised:
    """The events with every value column of `scales` as hardware integers, its unit `hw`.

    assumed : what columns are that state no unit
    sort_objects : bring objects into the order of falling pT instead of refusing the events

    Raises InputError for a column whose unit is neither its scale's nor `hw`, a negative value of
    an unsigned quantity, an integer column that holds fractions or leaves its range, and objects
    that are not sorted.
    """
    values = np.array(events.values)
    units = list(events.units) or [""] * len(events.columns)
    saturated = {}
    for i, column in enumerate(events.columns):
        if column not in scales:
            continue
        scale = scales[column]
        if _is_hardware(events.process, column, units[i], scale, assumed):
            _check_integers(events.process, column, values[:, i], scale)
        else:
            whole = _integers(events.process, column, values[:, i], scale)
            if beyond := int(scale.beyond(whole).sum()):
                saturated[column] = beyond
            values[:, i] = scale.fitted(whole)
        units[i] = HARDWARE_UNIT
    _clear_missing(events.columns, values, scales)
    result = replace(events, values=values, units=tuple(units))
    disordered = _disordered(result, scales)
    if disordered.any() and not sort_objects:
        raise InputError(_order_message(result, scales, disordered))
    if disordered.any():
        result = replace(result, values=sorted_objects(result.columns, values, scales))
    return Digitised(result, saturated, int(disordered.sum()))


def _clear_missing(
    columns: tuple[str, ...], values: npt.NDArray[np.float32], scales: Mapping[str, Scale]
) -> None:
    """An object with less pT than one step is a missing one: zero in all its columns."""
    for column in columns:
        name = column.removesuffix("_pt")
        if name == column or not object_of(column) or column not in scales:
            continue
        missing = values[:, columns.index(column)] == 0
        for quantity in ("eta", "phi"):
            if (own := f"{name}_{quantity}") in columns and own in scales:
                values[missing, columns.index(own)] = 0


def physical(events: Events, scales: Mapping[str, Scale]) -> Events:
    """The events with every hardware integer of `scales` as n * lsb in its physical unit."""
    values = np.array(events.values)
    units = list(events.units) or [""] * len(events.columns)
    for i, column in enumerate(events.columns):
        if column in scales and units[i] == HARDWARE_UNIT:
            values[:, i] = scales[column].physical(values[:, i])
            units[i] = scales[column].unit
    return replace(events, values=values, units=tuple(units))


def _is_hardware(process: str, column: str, unit: str, scale: Scale, assumed: Units | None) -> bool:
    where = f"{process}: column '{column}'"
    if unit == HARDWARE_UNIT:
        return True
    if assumed is not None and not unit:
        return assumed == "hw"
    if unit == scale.unit:
        return False
    if not unit:
        raise InputError(
            f"{where}: states no unit, and its input spec counts steps of {scale.lsb:g} "
            f"{scale.unit}; say data.units: physical or data.units: hw (hardware integers); "
            "--units on the command line"
        )
    raise InputError(
        f"{where}: has unit '{unit}', its input spec expects '{scale.unit}' or 'hw' (hardware "
        "integers); convert the file, or correct the unit"
    )


def _integers(process: str, column: str, x: npt.NDArray[np.float32], scale: Scale) -> Integers:
    where = f"{process}: column '{column}'"
    bad = ~np.isfinite(x)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"{where}: row {row} holds {x[row]}; remove or repair such rows")
    if not scale.signed and scale.period is None and np.any(x < 0):
        row = int(np.argmax(x < 0))
        raise InputError(
            f"{where}: holds {np.count_nonzero(x < 0)} negative values, the first in row {row} "
            f"({x[row]:g}); the hardware integer is unsigned"
        )
    return scale.nearest(x)


def _check_integers(process: str, column: str, x: npt.NDArray[np.float32], scale: Scale) -> None:
    wrong = ~((x == np.floor(x)) & (x >= scale.low) & (x <= scale.high))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{process}: column '{column}': hardware integers are whole numbers from {scale.low} "
            f"to {scale.high}, row {row} holds {x[row]:g} ({np.count_nonzero(wrong)} such rows)"
        )


def _groups(columns: tuple[str, ...], scales: Mapping[str, Scale]) -> dict[str, list[list[int]]]:
    """kind -> for every object in the order of its number, the places of its columns, pt first."""
    groups: dict[str, dict[int, list[int]]] = {}
    for place, column in enumerate(columns):
        found = object_of(column)
        if found and column in scales:
            columns_of_one = groups.setdefault(found[0], {}).setdefault(found[1], [])
            columns_of_one.insert(0 if column.endswith("_pt") else len(columns_of_one), place)
    return {
        kind: [members[number] for number in sorted(members)]
        for kind, members in groups.items()
        if len(members) > 1 and all(columns[m[0]].endswith("_pt") for m in members.values())
    }


def _disordered(events: Events, scales: Mapping[str, Scale]) -> npt.NDArray[np.bool_]:
    """Rows in which an object has more pT than the one before it."""
    wrong = np.zeros(len(events), bool)
    for members in _groups(events.columns, scales).values():
        pt = events.values[:, [places[0] for places in members]]
        wrong |= (np.diff(pt, axis=1) > 0).any(axis=1)
    return wrong


def _order_message(
    events: Events, scales: Mapping[str, Scale], disordered: npt.NDArray[np.bool_]
) -> str:
    row = int(np.argmax(disordered))
    for members in _groups(events.columns, scales).values():
        pt = events.values[row, [places[0] for places in members]]
        rises = np.flatnonzero(np.diff(pt) > 0)
        if len(rises):
            first, second = (events.columns[members[rises[0] + k][0]] for k in (0, 1))
            return (
                f"{events.process}: objects are not sorted by falling pT in "
                f"{np.count_nonzero(disordered)} events, the first in row {row}: {first} is "
                f"{pt[rises[0]]:g}, {second} is {pt[rises[0] + 1]:g} (hardware integers); sort "
                "them, or say data.sort_objects: true"
            )
    raise AssertionError("a disordered row has no rising pair")


def sorted_objects(
    columns: tuple[str, ...], values: npt.NDArray[np.float32], scales: Mapping[str, Scale]
) -> npt.NDArray[np.float32]:
    """Values (N, F) with the objects of each kind in the order of falling pT; ties keep theirs.

    Whole objects move, with all their columns NAME_...; InputError where one has other columns than
    the next.
    """
    ordered = values.copy()
    for members in _groups(columns, scales).values():
        names = [columns[places[0]].removesuffix("_pt") for places in members]
        places = _all_columns(columns, names)
        order = np.argsort(-values[:, [own[0] for own in members]], axis=1, kind="stable")
        for of_one_quantity in places.T:
            moved = np.take_along_axis(values[:, of_one_quantity], order, axis=1)
            ordered[:, of_one_quantity] = moved
    return ordered


def _all_columns(columns: tuple[str, ...], names: list[str]) -> npt.NDArray[np.int64]:
    """Places of all columns NAME_QUANTITY, shape (objects, quantities), quantities alike."""
    found = [
        {c.removeprefix(f"{name}_"): i for i, c in enumerate(columns) if c.startswith(f"{name}_")}
        for name in names
    ]
    for name, own in zip(names, found, strict=True):
        if own.keys() != found[0].keys():
            differ = ", ".join(sorted(own.keys() ^ found[0].keys()))
            raise InputError(
                f"objects {names[0]} and {name} cannot be sorted: only one of them has a column of "
                f"{differ}; leave it out, or sort the objects in the file"
            )
    return np.array([[own[quantity] for quantity in found[0]] for own in found])
