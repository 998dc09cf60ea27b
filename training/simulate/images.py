"""Jet images of 40 x 40 pixels, prepared as in Finke et al. (arXiv:2104.09051).

A jet's constituents are moved so that their pT-weighted centroid is the origin, turned so that the
principal axis of the pT-weighted covariance lies along eta, flipped so that the halves with more
pT have positive eta and phi, and summed into pixels: integers in units of 2^-12 of the jet's scalar
pT sum, truncated as hardware would, so that an image never sums to more than one.
"""

from __future__ import annotations

import numpy as np

from naetrigger.training.simulate.jets import COLUMNS as JET_COLUMNS
from naetrigger.training.simulate.jets import Jets, Substructure
from naetrigger.training.simulate.particles import Floats, Integers, around

N_PIXELS = 40
HALF_WIDTH = 0.8
ONE = 4096
MIN_PT_GEV, MAX_PT_GEV, MAX_ETA = 550.0, 650.0, 2.0

COLUMNS = tuple(f"pix_{row:02d}_{column:02d}" for row in range(40) for column in range(40))
CONTEXT_COLUMNS = ("jet_pt", "jet_eta", "jet_mass", "msd", "tau32")
CONTEXT_UNITS = ("GeV", "1", "GeV", "GeV", "1")


def images(jets: Jets) -> Integers:
    """Pixels of every jet, shape (N, 1600), 0 to 4095; row = eta, column = phi.

    What lies beyond the edges, at 0.8, is left out.
    """
    jet = np.repeat(np.arange(len(jets)), jets.counts)
    pt = jets.constituents.pt / sums(jets.constituents.pt, jet)[jet]
    phi = around(jets.constituents.phi, jets.phi[jet])
    eta, phi = upright(pt, jets.constituents.eta, phi, jet)
    size = 2 * HALF_WIDTH / N_PIXELS
    row = np.floor((eta + HALF_WIDTH) / size).astype(np.int64)
    column = np.floor((phi + HALF_WIDTH) / size).astype(np.int64)
    inside = (row >= 0) & (row < N_PIXELS) & (column >= 0) & (column < N_PIXELS)
    pixel = (jet * N_PIXELS + row) * N_PIXELS + column
    filled = np.bincount(pixel[inside], pt[inside], len(jets) * N_PIXELS**2)
    # A sum of shares may end a rounding below the whole number it stands for.
    counts = np.floor(filled * ONE + 1e-9).astype(np.int64)
    pixels: Integers = np.minimum(counts, ONE - 1).reshape(-1, N_PIXELS**2)
    return pixels


def upright(share: Floats, eta: Floats, phi: Floats, jet: Integers) -> tuple[Floats, Floats]:
    """Centred, turned and flipped directions of all constituents.

    share : pT over the sum of the jet, (P,); jet : (P,) index of each constituent's jet
    """
    eta = eta - sums(share * eta, jet)[jet]
    phi = phi - sums(share * phi, jet)[jet]
    ee, pp, ep = (sums(share * a, jet) for a in (eta * eta, phi * phi, eta * phi))
    angle = (0.5 * np.arctan2(2 * ep, ee - pp))[jet]
    along = eta * np.cos(angle) + phi * np.sin(angle)
    across = phi * np.cos(angle) - eta * np.sin(angle)
    return along * heavier_side(share, along, jet), across * heavier_side(share, across, jet)


def heavier_side(share: Floats, x: Floats, jet: Integers) -> Floats:
    """+1 for constituents of jets with at least as much pT at x > 0 as at x < 0, else -1."""
    return np.where(sums(share * np.sign(x), jet) >= 0, 1.0, -1.0)[jet]


def sums(x: Floats, jet: Integers) -> Floats:
    """Sum of x over the constituents of every jet, shape (N,)."""
    total: Floats = np.bincount(jet, x).astype(np.float64)
    return total


def context(observed: Substructure) -> Floats:
    """CONTEXT_COLUMNS of every jet, shape (N, 5)."""
    tau2, tau3, msd = (observed.values[:, JET_COLUMNS.index(c)] for c in ("tau2", "tau3", "msd"))
    tau32 = tau3 / np.maximum(tau2, 1e-9)
    return np.column_stack([observed.context[:, :3], msd, tau32])
