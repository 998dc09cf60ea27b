"""The scales of the columns that trigger hardware is known to send, by their names.

Trigger objects (`jet1_pt`), calorimeter regions (`reg_00_00`) and pixels of jet images
(`pix_00_00`), and which columns of one quantity belong together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.calo_regions import ET_LSB, MAX_ET
from naetrigger.contracts.events import HARDWARE_UNIT
from naetrigger.contracts.trigger_objects import COLUMNS, KINDS, ObjectKind
from naetrigger.firmware_configs.scale import Scale

REGION = Scale(unit="GeV", lsb=ET_LSB, bits=MAX_ET.bit_length())
PIXEL = Scale(unit="1", lsb=2.0**-12, bits=12)

_OBJECT = re.compile(r"(?P<kind>[A-Za-z]+)(?P<number>\d*)_(?P<quantity>pt|eta|phi)")
_CELL = re.compile(r"(?P<prefix>[A-Za-z][A-Za-z0-9]*)_\d+_\d+")


def trigger_scale(column: str) -> Scale | None:
    """The scale of a column, or None for a name that is not known."""
    if cell := _CELL.fullmatch(column):
        return {"reg": REGION, "pix": PIXEL}.get(cell["prefix"])
    found = _OBJECT.fullmatch(column)
    kinds = {name: kind for kind in KINDS for name in kind.objects}
    if not found or column.rpartition("_")[0] not in kinds:
        return None
    return _object_scale(kinds[column.rpartition("_")[0]], found["quantity"])


def trigger_scales(columns: Iterable[str]) -> dict[str, Scale]:
    """The scales of those columns that have a known one."""
    known = ((column, trigger_scale(column)) for column in columns)
    return {column: scale for column, scale in known if scale is not None}


def scales_to_derive(
    columns: Iterable[str], units: Iterable[str], assumed: str | None = None
) -> dict[str, Scale]:
    """The known scales of columns that a trigger sends: hardware integers and trigger objects.

    units : of the columns; an object counts in its physical unit too, as hardware would digitise it
    assumed : what columns are that state no unit, "hw" or "physical"; None: nobody knows
    """
    known = {}
    for column, stated in zip(columns, units, strict=True):
        scale = trigger_scale(column)
        if scale is None:
            continue
        physical = scale.unit if object_of(column) else None
        unit = stated or {"hw": HARDWARE_UNIT, "physical": physical}.get(assumed or "")
        if unit is not None and unit in (HARDWARE_UNIT, physical):
            known[column] = scale
    return known


def to_physical(integers: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Trigger objects in hardware integers, shape (N, 57), as GeV, 1, rad."""
    columns = np.asarray(integers).T
    scales = trigger_scales(COLUMNS).values()
    values = [scale.physical(n) for scale, n in zip(scales, columns, strict=True)]
    return np.stack(values, axis=1).astype(np.float32)


def to_hardware(physical: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Trigger objects in GeV, 1, rad, shape (N, 57), as the hardware digitises them."""
    columns = np.asarray(physical).T
    scales = trigger_scales(COLUMNS).values()
    values = [scale.integers(x) for scale, x in zip(scales, columns, strict=True)]
    return np.stack(values, axis=1).astype(np.float32)


def group_of(column: str) -> str:
    """What shares one spread with others: jet_pt of jet1_pt, reg of reg_03_11; else itself."""
    if cell := _CELL.fullmatch(column):
        return cell["prefix"]
    if found := _OBJECT.fullmatch(column):
        return f"{found['kind']}_{found['quantity']}"
    return column


def object_of(column: str) -> tuple[str, int] | None:
    """(jet, 3) of jet3_pt; number 0 where there is one of a kind; None for other columns."""
    found = _OBJECT.fullmatch(column)
    return (found["kind"], int(found["number"] or 0)) if found else None


def _object_scale(kind: ObjectKind, quantity: str) -> Scale:
    pt_lsb, eta_lsb, phi_lsb = (float(lsb) for lsb in kind.lsb)
    if quantity == "pt":
        return Scale(unit="GeV", lsb=pt_lsb, bits=kind.pt_bits)
    if quantity == "phi":
        bits = (kind.phi_steps - 1).bit_length()
        return Scale(unit="rad", lsb=phi_lsb, bits=bits, period=kind.phi_steps)
    if kind.eta_bits == 0:  # missing ET has none: always 0
        return Scale(lsb=eta_lsb, bits=1, round="nearest")
    return Scale(lsb=eta_lsb, bits=kind.eta_bits, signed=True, round="nearest")
