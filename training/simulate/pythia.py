"""Pythia 8 events as flat numpy arrays of particles."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from naetrigger.contracts.errors import InputError, MissingExtra, NaetriggerError
from naetrigger.training.simulate.dark_sector import DARK_HADRONS, DARK_MATTER
from naetrigger.training.simulate.particles import (
    DarkHadrons,
    Floats,
    Integers,
    Mask,
    Particles,
    TopQuarks,
)

try:
    # A path left by another Pythia points to data of the wrong version; every init would fail.
    os.environ.pop("PYTHIA8DATA", None)
    import awkward as ak
    import pythia8mc
except ModuleNotFoundError as error:
    raise MissingExtra(str(error.name), "generate") from error

BEAMS = ("Beams:eCM=13000",)
NEUTRINOS = (12, 14, 16)
TOP, W_BOSON = 6, 24
MAX_SEED = 900_000_000  # Pythia's own limit


@dataclass(frozen=True)
class Record:
    """Whole event records of a batch, flattened; P entries.

    event : (P,) index of the event; first : (P,) row of the first entry of the same event
    daughters : first and last daughter of each entry, counted within its event; 0 for none
    """

    event: Integers
    first: Integers
    pdg_id: Integers
    daughters: tuple[Integers, ...]
    momentum: dict[str, Floats]

    def daughter(self, rows: Integers, which: int) -> Integers:
        """Rows of the first (0) or last (1) daughter of each entry."""
        found: Integers = self.first[rows] + self.daughters[which][rows]
        return found


class EventGenerator:
    """Pythia 8 set up with a list of commands and a seed (1 to 900 000 000)."""

    def __init__(self, commands: Sequence[str], seed: int) -> None:
        if not 1 <= seed <= MAX_SEED:
            raise InputError(f"Pythia seed: must be in 1..{MAX_SEED}, got {seed}")
        self._pythia = pythia8mc.Pythia("", False)
        technical = ("Print:quiet=on", "Random:setSeed=on", f"Random:seed={seed}")
        refused = [
            command
            for command in (*technical, *BEAMS, *commands)
            if not self._pythia.readString(command)
        ]
        if refused:
            raise InputError(f"Pythia {version()} does not know: {'; '.join(refused)}")
        if not self._pythia.init():
            raise NaetriggerError(
                f"Pythia {version()} could not be initialised with: {'; '.join(commands)}"
            )

    def batch(self, n_events: int) -> Particles:
        """The next events; Pythia drops the few it cannot complete."""
        events = self._pythia.nextBatch(n_events)
        record, counts = events.prt, ak.to_numpy(ak.num(events.prt.id))
        flat = ak.flatten(record)
        made = Record(
            event=np.repeat(np.arange(len(counts)), counts),
            first=np.repeat(np.cumsum(counts) - counts, counts),
            pdg_id=ak.to_numpy(flat.id).astype(np.int64),
            daughters=tuple(
                ak.to_numpy(flat[name]).astype(np.int64) for name in ("daughter1", "daughter2")
            ),
            momentum={
                name: ak.to_numpy(flat.p[name]).astype(np.float64)
                for name in ("px", "py", "pz", "e")
            },
        )
        species = np.abs(made.pdg_id)
        visible = (ak.to_numpy(flat.status) > 0) & ~np.isin(species, NEUTRINOS + DARK_MATTER)
        pt, eta, phi = pt_eta_phi(made.momentum, visible)
        return Particles(
            weights=ak.to_numpy(events.info.weights[:, 0]).astype(np.float64),
            event=made.event[visible],
            pdg_id=made.pdg_id[visible],
            charge=self._charges(made.pdg_id[visible]),
            pt=pt,
            eta=eta,
            phi=phi,
            energy=made.momentum["e"][visible],
            dark_hadrons=dark_hadrons(made),
            top_quarks=top_quarks(made),
        )

    def cross_section_mb(self) -> float:
        """Estimate from the events made so far, in millibarn, leading order."""
        return float(self._pythia.infoPython().sigmaGen())

    def _charges(self, pdg_id: Integers) -> Floats:
        ids, index = np.unique(pdg_id, return_inverse=True)
        charges = [self._pythia.particleData.charge(int(i)) for i in ids]
        return np.asarray(charges, dtype=np.float64)[index]


def dark_hadrons(record: Record) -> DarkHadrons:
    """All dark hadrons of a batch."""
    is_dark: Mask = np.isin(np.abs(record.pdg_id), DARK_HADRONS)
    pt, eta, phi = pt_eta_phi(record.momentum, is_dark)
    daughter = record.daughter(np.flatnonzero(is_dark), 0)
    invisible = np.isin(np.abs(record.pdg_id[daughter]), DARK_MATTER)
    return DarkHadrons(record.event[is_dark], pt, eta, phi, invisible)


def top_quarks(record: Record) -> TopQuarks:
    """The tops of a batch whose W decays to quarks."""
    species = np.abs(record.pdg_id)
    tops = np.flatnonzero(species == TOP)
    tops = tops[species[record.daughter(tops, 0)] != TOP]  # the last copy of each, which decays
    pair = np.stack([record.daughter(tops, 0), record.daughter(tops, 1)])
    w_first = species[pair[0]] == W_BOSON
    w, down = np.where(w_first, pair[0], pair[1]), np.where(w_first, pair[1], pair[0])
    while len(w) and (copied := species[record.daughter(w, 0)] == W_BOSON).any():
        w = np.where(copied, record.daughter(w, 0), w)
    quarks = np.stack([down, record.daughter(w, 0), record.daughter(w, 1)], axis=1)
    quarks = quarks[species[quarks[:, 1]] < TOP]
    _, eta, phi = pt_eta_phi(record.momentum, quarks)
    return TopQuarks(record.event[quarks[:, 0]], eta, phi)


def version() -> str:
    """The version of the installed Pythia, such as 8.317.2."""
    return importlib.metadata.version("pythia8mc")


def pt_eta_phi(momentum: dict[str, Any], rows: Any) -> tuple[Floats, Floats, Floats]:
    """Transverse momentum, pseudorapidity and azimuth of the chosen rows."""
    px, py, pz = (momentum[name][rows] for name in ("px", "py", "pz"))
    pt = np.hypot(px, py)
    return pt, np.arcsinh(pz / np.maximum(pt, 1e-9)), np.arctan2(py, px)
