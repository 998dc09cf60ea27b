"""Trigger towers: particles leave their energy on the grid of the CMS calorimeter trigger.

80 rows in eta (28 towers a side up to |eta| = 3, then 12 forward rows up to 5.19) times 72 columns
of 5 degrees in phi. Particles fly along a helix in 3.8 T to the barrel (r = 1.29 m) or the endcap
(z = 3.17 m). Resolutions are those of the CMS card of Delphes 3 (arXiv:1307.6346), drawn from a
log-normal distribution as Delphes does; each tower is then truncated to the 0.5 GeV steps of the
trigger. Material, showers wider than a tower, and electronic noise are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from naetrigger.training.simulate.particles import Floats, Integers, Particles

Counts = npt.NDArray[np.uint16]

N_PHI = 72
FORWARD_ROWS = 12  # a side
_CENTRAL_EDGES = [0.087 * i for i in range(21)]
_ENDCAP_EDGES = [1.830, 1.930, 2.043, 2.172, 2.322, 2.500, 2.650, 3.000]
_FORWARD_EDGES = [
    3.139,
    3.314,
    3.489,
    3.664,
    3.839,
    4.013,
    4.191,
    4.363,
    4.538,
    4.716,
    4.889,
    5.191,
]
_EDGES = np.array(_CENTRAL_EDGES + _ENDCAP_EDGES + _FORWARD_EDGES)
ETA_EDGES: Floats = np.concatenate([-_EDGES[::-1], _EDGES[1:]])
ETA_CENTRES: Floats = (ETA_EDGES[1:] + ETA_EDGES[:-1]) / 2
N_ETA = len(ETA_CENTRES)
N_TOWERS = N_ETA * N_PHI
FIRST_CENTRAL, END_CENTRAL = FORWARD_ROWS, N_ETA - FORWARD_ROWS  # rows with |eta| < 3

FIELD_T = 3.8
BARREL_RADIUS_M = 1.29
ENDCAP_Z_M = 3.17
FORWARD_ETA = 3.0

ELECTRON, MUON, PHOTON = 11, 13, 22
HADRON_EM_SHARE = 0.3  # ECAL is 1.1 interaction lengths deep; about what a test beam sees
LSB_GEV = 0.5
MAX_COUNT = 2**16 - 1

# sigma^2 = (constant E)^2 + stochastic^2 E + noise^2, in GeV: central EM, central hadronic,
# forward EM, forward hadronic.
RESOLUTION: Floats = np.array(
    [[0.008, 0.11, 0.15], [0.050, 1.50, 0.0], [0.107, 2.08, 0.0], [0.110, 2.80, 0.0]]
)
_COSH = np.cosh(ETA_CENTRES)


@dataclass(frozen=True)
class Deposits:
    """Transverse energies left by the particles of a batch of events, D of them.

    event : (D,) index of the event within its batch
    tower : (D,) row * 72 + column
    em, had : (D,) GeV, in the electromagnetic and the hadronic part
    """

    event: Integers
    tower: Integers
    em: Floats
    had: Floats


def deposit(particles: Particles) -> Deposits:
    """Where and how the particles' energy arrives; muons and what leaves by the beam pipe are lost.

    Transverse energy is E / cosh(eta) at the point of impact.
    """
    species = np.abs(particles.pdg_id)
    seen = (species != MUON) & (particles.pt > 1e-3)
    eta, phi = impact(
        particles.pt[seen], particles.eta[seen], particles.phi[seen], particles.charge[seen]
    )
    inside = np.abs(eta) < ETA_EDGES[-1]
    eta, phi = eta[inside], phi[inside]
    et = particles.energy[seen][inside] / np.cosh(eta)
    share = electromagnetic_share(particles.pdg_id[seen][inside])
    return Deposits(particles.event[seen][inside], tower_of(eta, phi), et * share, et * (1 - share))


def impact(pt: Floats, eta: Floats, phi: Floats, charge: Floats) -> tuple[Floats, Floats]:
    """Direction from the origin of the point where a helix from the origin meets the calorimeter.

    pt in GeV, charge in units of e, arrays of one shape. A track of transverse radius rho has
    turned by 2k when its chord is 2 rho sin(k); it meets the barrel where that is 1.29 m, unless
    it has arrived at |z| = 3.17 m before. Beyond |eta| = 3 only phi changes: the forward
    calorimeter stands outside the field.
    """
    bent = charge != 0
    curvature = 0.3 * FIELD_T * np.abs(charge) / np.maximum(pt, 1e-3)  # 1 / rho in 1/m
    diameter = 2 / np.where(bent, curvature, 1.0)
    slope = np.maximum(np.abs(np.sinh(eta)), 1e-6)
    k_endcap = ENDCAP_Z_M / (diameter * slope)
    k_barrel = np.where(
        diameter > BARREL_RADIUS_M, np.arcsin(np.minimum(BARREL_RADIUS_M / diameter, 1)), np.inf
    )
    k = np.where(bent, np.minimum(k_endcap, k_barrel), 0.0)
    chord = np.maximum(np.abs(diameter * np.sin(k)), 1e-9)
    # k counts half turns beyond pi; its chord points backwards then, which sin's sign says.
    turn = np.where(np.sin(k) < 0, k + np.pi, k)
    z = np.minimum(diameter * k * slope, ENDCAP_Z_M)
    at_calorimeter = np.sign(eta) * np.arcsinh(z / chord)
    moves = bent & (np.abs(eta) < FORWARD_ETA)
    return np.where(moves, at_calorimeter, eta), phi - np.sign(charge) * turn


def electromagnetic_share(pdg_id: Integers) -> Floats:
    """Part of the energy left in the electromagnetic calorimeter: its mean, for hadrons."""
    species = np.abs(pdg_id)
    return np.where((species == PHOTON) | (species == ELECTRON), 1.0, HADRON_EM_SHARE)


def tower_of(eta: Floats, phi: Floats) -> Integers:
    """Flat tower index, row * 72 + column; |eta| must be below 5.191."""
    row = np.clip(np.searchsorted(ETA_EDGES, eta, side="right") - 1, 0, N_ETA - 1)
    column = np.floor(np.mod(phi, 2 * np.pi) * (N_PHI / (2 * np.pi))).astype(np.int64) % N_PHI
    return row * N_PHI + column


def digitise(
    em: npt.NDArray[Any], had: npt.NDArray[Any], rng: np.random.Generator
) -> tuple[Counts, Counts]:
    """True transverse energies, shape (B, 80, 72) GeV, to what the trigger reads in 0.5 GeV steps.

    Every non-empty tower is smeared, keeping its mean, and truncated: below 0.5 GeV it reads zero.
    """
    return _digitise(em, 0, rng), _digitise(had, 1, rng)


def _digitise(et: npt.NDArray[Any], part: int, rng: np.random.Generator) -> Counts:
    counts = np.empty(et.shape, np.uint16)
    _smear(et.reshape(-1, N_TOWERS), counts.reshape(-1, N_TOWERS), RESOLUTION[part::2], _COSH, rng)
    return counts


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _smear(et: Any, counts: Any, resolution: Any, cosh: Any, rng: Any) -> None:
    """Log-normal of the given mean and sigma: exp(s z - s^2 / 2), s^2 = log(1 + (sigma / E)^2)."""
    for event in range(et.shape[0]):
        for tower in range(N_TOWERS):
            counts[event, tower] = 0
            if et[event, tower] <= 0:
                continue
            row = tower // N_PHI
            central = FIRST_CENTRAL <= row < END_CENTRAL
            constant, stochastic, noise = resolution[0 if central else 1]
            energy = et[event, tower] * cosh[row]
            variance = (constant * energy) ** 2 + stochastic**2 * energy + noise**2
            s2 = np.log1p(variance / energy**2)
            factor = np.exp(np.sqrt(s2) * rng.standard_normal() - s2 / 2)
            steps = et[event, tower] * factor / LSB_GEV
            counts[event, tower] = min(int(steps), MAX_COUNT)
