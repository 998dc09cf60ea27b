"""Particles of generated events as flat numpy arrays: what generators make and detectors see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


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
    invisible: Mask


@dataclass(frozen=True)
class TopQuarks:
    """Top quarks that decay to three quarks, T of them, in the order of their events.

    event : (T,) index of the event within its batch
    eta, phi : (T, 3), directions of the b and of the two quarks from the W, before they radiate
    """

    event: Integers
    eta: Floats
    phi: Floats


NO_DARK_HADRONS = DarkHadrons(
    np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, np.bool_)
)
NO_TOP_QUARKS = TopQuarks(np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros((0, 3)))


@dataclass(frozen=True)
class Particles:
    """Visible final-state particles of a batch of events, P of them, in the order of their events.

    weights : (n_events,) event weights as the generator gives them
    event : (P,) index of the event within the batch
    pdg_id, charge : (P,), charge in units of e
    pt, energy : (P,) GeV; eta, phi : (P,)
    dark_hadrons : empty unless the process has a hidden sector
    top_quarks : empty unless the process has hadronic tops
    """

    weights: Floats
    event: Integers
    pdg_id: Integers
    charge: Floats
    pt: Floats
    eta: Floats
    phi: Floats
    energy: Floats
    dark_hadrons: DarkHadrons = NO_DARK_HADRONS
    top_quarks: TopQuarks = NO_TOP_QUARKS

    @property
    def n_events(self) -> int:
        return len(self.weights)


def around(phi: Floats, centre: Floats | float) -> Floats:
    """phi - centre in [-pi, pi)."""
    turned: Floats = np.mod(phi - centre + np.pi, 2 * np.pi) - np.pi
    return turned
