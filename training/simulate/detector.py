"""A parametric detector: visible particles in, particle-flow-like candidates out.

Tracks are smeared and sometimes lost; photons, neutral hadrons and charged particles without a
track deposit their energy in calorimeter cells of finite size, which is then smeared. Efficiencies
and resolutions follow the CMS card of Delphes 3 (arXiv:1307.6346), simplified; there is no pile-up,
no magnetic bending and no overlap of deposits with tracks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from naetrigger.training.simulate.particles import Floats, Integers, Particles

TRACKER_ETA = 2.5
CALORIMETER_ETA = 5.0
TRACK_MIN_PT_GEV = 0.5
# A charged particle below this pT curls up in 3.8 T before the calorimeter at 1.3 m.
CALORIMETER_MIN_PT_GEV = 0.75

ELECTRON, MUON, PHOTON = 11, 13, 22


@dataclass(frozen=True)
class Calorimeter:
    """Cells of d_eta x 2 pi / n_phi; resolution sigma^2 = (c E)^2 + s^2 E + n^2 with E in GeV."""

    d_eta: float
    n_phi: int
    constant: float
    stochastic: float
    noise: float
    min_et_gev: float


# Cells: 2 x 2 crystals and one trigger tower of the CMS barrel.
ECAL = Calorimeter(0.0348, 180, constant=0.008, stochastic=0.11, noise=0.15, min_et_gev=0.3)
HCAL = Calorimeter(0.0870, 72, constant=0.050, stochastic=1.0, noise=0.0, min_et_gev=0.8)


@dataclass(frozen=True)
class Candidates:
    """Massless candidates of a batch of events, P of them, in the order of their events.

    event : (P,) index of the event within its batch
    pt : (P,) GeV; eta, phi : (P,)
    """

    event: Integers
    pt: Floats
    eta: Floats
    phi: Floats


def reconstruct(particles: Particles, rng: np.random.Generator) -> Candidates:
    """Tracks, then electromagnetic, then hadronic deposits of every event."""
    species = np.abs(particles.pdg_id)
    tracked = has_track(particles, rng)
    charged = particles.charge != 0
    deposits = (
        ~tracked
        & (np.abs(particles.eta) < CALORIMETER_ETA)
        & (species != MUON)
        & (~charged | (particles.pt > CALORIMETER_MIN_PT_GEV))
    )
    electromagnetic = (species == PHOTON) | (species == ELECTRON)
    parts = [
        tracks(particles, tracked, rng),
        clusters(particles, deposits & electromagnetic, ECAL, rng),
        clusters(particles, deposits & ~electromagnetic, HCAL, rng),
    ]
    event = np.concatenate([part.event for part in parts])
    order = np.argsort(event, kind="stable")
    return Candidates(
        event[order],
        np.concatenate([part.pt for part in parts])[order],
        np.concatenate([part.eta for part in parts])[order],
        np.concatenate([part.phi for part in parts])[order],
    )


def has_track(particles: Particles, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Efficiency 98% for leptons, 95% for hadrons, 85% for hadrons below 1 GeV."""
    lepton = np.isin(np.abs(particles.pdg_id), (ELECTRON, MUON))
    efficiency = np.where(lepton, 0.98, np.where(particles.pt < 1, 0.85, 0.95))
    found: npt.NDArray[np.bool_] = (
        (particles.charge != 0)
        & (np.abs(particles.eta) < TRACKER_ETA)
        & (particles.pt > TRACK_MIN_PT_GEV)
        & (rng.random(len(particles.pt)) < efficiency)
    )
    return found


def tracks(
    particles: Particles, rows: npt.NDArray[np.bool_], rng: np.random.Generator
) -> Candidates:
    """pT resolution 1% (+) 0.015% pT / GeV; directions are taken as exact."""
    pt = particles.pt[rows]
    pt = log_normal(pt, pt * np.hypot(0.01, 1.5e-4 * pt), rng)
    return Candidates(particles.event[rows], pt, particles.eta[rows], particles.phi[rows])


def clusters(
    particles: Particles,
    rows: npt.NDArray[np.bool_],
    calorimeter: Calorimeter,
    rng: np.random.Generator,
) -> Candidates:
    """The energy in each cell, smeared, at the cell's centre."""
    d_phi = 2 * np.pi / calorimeter.n_phi
    offset = int(CALORIMETER_ETA / calorimeter.d_eta) + 1
    n_eta = 2 * offset
    i_eta = np.floor(particles.eta[rows] / calorimeter.d_eta).astype(np.int64) + offset
    i_phi = np.floor(particles.phi[rows] / d_phi).astype(np.int64) % calorimeter.n_phi
    cell = (particles.event[rows] * n_eta + i_eta) * calorimeter.n_phi + i_phi
    cell, deposit = np.unique(cell, return_inverse=True)
    energy: Floats = np.bincount(deposit, particles.energy[rows], len(cell)).astype(np.float64)

    sigma = np.sqrt(
        (calorimeter.constant * energy) ** 2
        + calorimeter.stochastic**2 * energy
        + calorimeter.noise**2
    )
    energy = log_normal(energy, sigma, rng)
    eta = (cell // calorimeter.n_phi % n_eta - offset + 0.5) * calorimeter.d_eta
    phi = (cell % calorimeter.n_phi + 0.5) * d_phi
    pt = energy / np.cosh(eta)
    seen = pt > calorimeter.min_et_gev
    event = cell // (calorimeter.n_phi * n_eta)
    phi = np.where(phi > np.pi, phi - 2 * np.pi, phi)
    return Candidates(event[seen], pt[seen], eta[seen], phi[seen])


def log_normal(mean: Floats, sigma: Floats, rng: np.random.Generator) -> Floats:
    """Positive random numbers of this mean and standard deviation, so smearing adds no bias."""
    s2 = np.log1p((sigma / mean) ** 2)
    smeared: Floats = mean * np.exp(np.sqrt(s2) * rng.standard_normal(len(mean)) - s2 / 2)
    return smeared
