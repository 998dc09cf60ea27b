"""Which jets of an event belong to a sample."""

from __future__ import annotations

import numpy as np

from naetrigger.training.simulate.jets import RADIUS, Jets
from naetrigger.training.simulate.particles import (
    DarkHadrons,
    Floats,
    Mask,
    Particles,
    TopQuarks,
    around,
)
from naetrigger.training.simulate.process import Process

MIN_DARK_PT_FRACTION = 0.5


def select(found: Jets, particles: Particles, process: Process) -> Jets:
    """The jets that show what the process is about."""
    if process.dark_jets_only:
        dark = dark_pt_fraction(found, particles.dark_hadrons)
        found = found.select(dark > MIN_DARK_PT_FRACTION)
    if process.top_jets_only:
        found = found.select(holds_top(found, particles.top_quarks))
    return found


def leading(found: Jets, min_pt_gev: float, max_pt_gev: float, max_eta: float) -> Jets:
    """The hardest jet of each event, where it lies within the ranges."""
    first = np.diff(found.event, prepend=-1) != 0
    inside = (found.pt >= min_pt_gev) & (found.pt < max_pt_gev) & (np.abs(found.eta) < max_eta)
    return found.select(first & inside)


def dark_pt_fraction(found: Jets, dark_hadrons: DarkHadrons) -> Floats:
    """Scalar pT sum of the dark hadrons within R of each jet's axis over the jet's pT, shape (N,).

    It exceeds 1 where dark hadrons decay invisibly.
    """
    fraction = np.zeros(len(found))
    for jet, event in enumerate(found.event):
        rows = slice(*np.searchsorted(dark_hadrons.event, [event, event + 1]))
        d_phi = around(dark_hadrons.phi[rows], found.phi[jet])
        near = np.hypot(dark_hadrons.eta[rows] - found.eta[jet], d_phi) < RADIUS
        fraction[jet] = dark_hadrons.pt[rows][near].sum() / found.pt[jet]
    return fraction


def holds_top(found: Jets, tops: TopQuarks) -> Mask:
    """Jets with all three quarks of one top within R of the axis, shape (N,)."""
    holds = np.zeros(len(found), np.bool_)
    for jet, event in enumerate(found.event):
        rows = slice(*np.searchsorted(tops.event, [event, event + 1]))
        d_phi = around(tops.phi[rows], found.phi[jet])
        near = np.hypot(tops.eta[rows] - found.eta[jet], d_phi) < RADIUS
        holds[jet] = near.all(axis=1).any()
    return holds
