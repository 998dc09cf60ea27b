"""Pythia 8 events as flat numpy arrays of particles."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError, MissingExtra, NaetriggerError
from naetrigger.training.simulate.processes import DARK_HADRONS, DARK_MATTER

try:
    # A path left by another Pythia points to data of the wrong version; every init would fail.
    os.environ.pop("PYTHIA8DATA", None)
    import awkward as ak
    import pythia8mc
except ModuleNotFoundError as error:
    raise MissingExtra(str(error.name), "generate") from error

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

BEAMS = ("Beams:eCM=13000",)
NEUTRINOS = (12, 14, 16)
MAX_SEED = 900_000_000  # Pythia's own limit


@dataclass(frozen=True)
class DarkHadrons:
    """Dark hadrons at their production, P of them, in the order of their events.

    event : (P,) index of the event within its batch
    pt : (P,) GeV; eta, phi : (P,)
    invisible : (P,) decayed to stable dark matter
    """

    event: Integers
    pt: Floats
    eta: Floats
    phi: Floats
    invisible: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Particles:
    """Visible final-state particles of a batch of events, P of them, in the order of their events.

    weights : (n_events,) event weights as Pythia gives them
    event : (P,) index of the event within the batch
    pdg_id, charge : (P,), charge in units of e
    pt, energy : (P,) GeV; eta, phi : (P,)
    dark_hadrons : empty unless the process has a hidden sector
    """

    weights: Floats
    event: Integers
    pdg_id: Integers
    charge: Floats
    pt: Floats
    eta: Floats
    phi: Floats
    energy: Floats
    dark_hadrons: DarkHadrons

    @property
    def n_events(self) -> int:
        return len(self.weights)


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
        event = np.repeat(np.arange(len(counts)), counts)
        first = np.repeat(np.cumsum(counts) - counts, counts)
        pdg_id = ak.to_numpy(flat.id).astype(np.int64)
        momentum = {
            name: ak.to_numpy(flat.p[name]).astype(np.float64) for name in ("px", "py", "pz", "e")
        }
        species = np.abs(pdg_id)

        visible = (ak.to_numpy(flat.status) > 0) & ~np.isin(species, NEUTRINOS + DARK_MATTER)
        pt, eta, phi = pt_eta_phi(momentum, visible)
        is_dark = np.isin(species, DARK_HADRONS)
        dark_pt, dark_eta, dark_phi = pt_eta_phi(momentum, is_dark)
        daughter = first[is_dark] + ak.to_numpy(flat.daughter1)[is_dark]
        return Particles(
            weights=ak.to_numpy(events.info.weights[:, 0]).astype(np.float64),
            event=event[visible],
            pdg_id=pdg_id[visible],
            charge=self._charges(pdg_id[visible]),
            pt=pt,
            eta=eta,
            phi=phi,
            energy=momentum["e"][visible],
            dark_hadrons=DarkHadrons(
                event=event[is_dark],
                pt=dark_pt,
                eta=dark_eta,
                phi=dark_phi,
                invisible=np.isin(species[daughter], DARK_MATTER),
            ),
        )

    def cross_section_mb(self) -> float:
        """Estimate from the events made so far, in millibarn, leading order."""
        return float(self._pythia.infoPython().sigmaGen())

    def _charges(self, pdg_id: Integers) -> Floats:
        ids, index = np.unique(pdg_id, return_inverse=True)
        charges = [self._pythia.particleData.charge(int(i)) for i in ids]
        return np.asarray(charges, dtype=np.float64)[index]


def version() -> str:
    """The version of the installed Pythia, such as 8.317.2."""
    return importlib.metadata.version("pythia8mc")


def pt_eta_phi(momentum: dict[str, Any], rows: Any) -> tuple[Floats, Floats, Floats]:
    """Transverse momentum, pseudorapidity and azimuth of the chosen rows."""
    px, py, pz = (momentum[name][rows] for name in ("px", "py", "pz"))
    pt = np.hypot(px, py)
    return pt, np.arcsinh(pz / np.maximum(pt, 1e-9)), np.arctan2(py, px)
