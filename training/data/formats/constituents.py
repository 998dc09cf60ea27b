"""Jets as lists of constituents, and what is made of them: images or substructure inputs.

Both are those of naetrigger.training.simulate and need the extra `generate` (FastJet).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import HARDWARE_UNIT
from naetrigger.training.data.formats.format import as_float32

if TYPE_CHECKING:
    from naetrigger.training.simulate.jets import Jets

Floats = npt.NDArray[np.float64]
VIEWS = ("images", "substructure")
MIN_CONSTITUENTS = 3  # of a jet whose tau_3 means anything


@dataclass(frozen=True)
class Layout:
    """Columns and units of a view."""

    columns: tuple[str, ...]
    units: tuple[str, ...]
    context_columns: tuple[str, ...]
    context_units: tuple[str, ...]


@dataclass(frozen=True)
class JetTable:
    """What was made of jets: rows (M,) of those that are kept, values (M, F), context (M, C)."""

    rows: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]
    context: npt.NDArray[np.float32]


def layout(view: str) -> Layout:
    """The columns of a view. Raises MissingExtra."""
    from naetrigger.training.simulate import images, jets

    if view == "images":
        units = (HARDWARE_UNIT,) * len(images.COLUMNS)
        return Layout(images.COLUMNS, units, images.CONTEXT_COLUMNS, images.CONTEXT_UNITS)
    return Layout(jets.COLUMNS, jets.UNITS, jets.CONTEXT_COLUMNS, jets.CONTEXT_UNITS)


def jets_of_rows(pt: Floats, eta: Floats, phi: Floats) -> Jets:
    """One jet a row of zero-padded tables (N, P) of massless constituents, in GeV."""
    from naetrigger.training.simulate.detector import Candidates
    from naetrigger.training.simulate.jets import Jets

    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    x, y, z, energy = (q.sum(axis=1) for q in (px, py, pz, pt * np.cosh(eta)))
    jet_pt = np.hypot(x, y)
    there = pt > 0
    return Jets(
        event=np.arange(len(pt)),
        pt=jet_pt,
        eta=np.arcsinh(np.divide(z, jet_pt, out=np.zeros_like(z), where=jet_pt > 0)),
        phi=np.arctan2(y, x),
        mass=np.sqrt(np.maximum(energy**2 - x**2 - y**2 - z**2, 0)),
        counts=there.sum(axis=1),
        constituents=Candidates(np.nonzero(there)[0], pt[there], eta[there], phi[there]),
    )


def jet_table(view: str, jets: Jets) -> JetTable:
    """The view of every jet; jets with fewer than 3 constituents, or with an observable that is
    not defined for them, are left out."""
    from naetrigger.training.simulate import images as image
    from naetrigger.training.simulate.jets import substructure

    rows = np.flatnonzero(jets.counts >= MIN_CONSTITUENTS)
    if not len(rows):
        columns = layout(view)
        shapes = ((0, len(columns.columns)), (0, len(columns.context_columns)))
        return JetTable(rows, *(np.zeros(shape, np.float32) for shape in shapes))
    kept = jets.select(jets.counts >= MIN_CONSTITUENTS)
    observed = substructure(kept)
    defined = np.isfinite(observed.values).all(axis=1) & np.isfinite(observed.context).all(axis=1)
    values, context = as_float32(observed.values), as_float32(observed.context)
    if view == "images":
        values, context = as_float32(image.images(kept)), as_float32(image.context(observed))
    return JetTable(rows[defined], values[defined], context[defined])


def check(quantities: dict[str, Floats], path: Path, first_row: int) -> None:
    """Refuse NaN anywhere and negative pt or E in zero-padded tables (N, P), by their names.

    Raises InputError naming row, quantity and constituent.
    """
    for name, table in quantities.items():
        bad = ~np.isfinite(table)
        if name in ("pt", "E"):
            bad |= table < 0
        if bad.any():
            row, place = np.argwhere(bad)[0]
            raise InputError(
                f"{path}: row {first_row + row}: {name} of constituent {place} is "
                f"{table[row, place]}; {int(bad.sum())} values of {name} are NaN, infinite or "
                "negative: remove or repair these rows"
            )
