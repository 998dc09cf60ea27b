"""Shapes of one jet from its constituents, compiled: EFP1, C2, axes, pTD, soft-drop mass.

With z_i = pT_i / sum pT and dR_ij the distance of constituents i and j in (eta, phi):

EFP1          sum_ij z_i z_j dR_ij, the energy flow polynomial of one edge (arXiv:1712.07124)
C2            e3 e1 / e2^2 with e_n summed over n-tuples of dR^beta (arXiv:1305.0007)
axes          sqrt of the eigenvalues of the pT^2-weighted (eta, phi) covariance, and
pTD           sqrt(sum pT^2) / sum pT (both CMS-PAS-JME-13-002)
soft-drop m   Cambridge/Aachen, undone until min(pT) / sum(pT) > z_cut (arXiv:1402.2657, beta = 0)

FastJet contrib computes C2 and the soft-drop mass as well; through its Python interface soft drop
alone takes longer than all else here together (benchmarks/simulation_speed.py).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from naetrigger.training.simulate.particles import Floats, Integers

C2_BETA = 0.5
SOFT_DROP_Z_CUT = 0.1
COLUMNS = ("efp1", "c2", "axis_major", "axis_minor", "ptd", "msd")

_compiled: Any = numba.njit(cache=True, boundscheck=False)


def shapes(pt: Floats, eta: Floats, phi: Floats, counts: Integers) -> Floats:
    """COLUMNS of every jet, shape (N, 6).

    pt, eta, phi : massless constituents of jet after jet, each (sum of counts,); phi continuous
        within a jet
    counts : (N,) constituents of each jet
    """
    result = np.empty((len(counts), len(COLUMNS)))
    _fill(result, pt, eta, phi, counts)
    return result


@_compiled
def _fill(result, pt, eta, phi, counts):  # type: ignore[no-untyped-def]
    end = 0
    for jet in range(len(counts)):
        start, end = end, end + counts[jet]
        p, e, f = pt[start:end], eta[start:end], phi[start:end]
        result[jet, 0] = efp1(p, e, f)
        result[jet, 1] = c2(p, e, f)
        result[jet, 2], result[jet, 3] = axes(p, e, f)
        result[jet, 4] = ptd(p)
        result[jet, 5] = soft_drop_mass(p, e, f)


@_compiled
def efp1(pt, eta, phi):  # type: ignore[no-untyped-def]
    """sum_ij z_i z_j dR_ij; constituents of shape (P,), as in the functions below."""
    total = 0.0
    for i in range(len(pt)):
        for j in range(i):
            total += pt[i] * pt[j] * np.hypot(eta[i] - eta[j], phi[i] - phi[j])
    return 2 * total / pt.sum() ** 2


@_compiled
def c2(pt, eta, phi, beta=C2_BETA):  # type: ignore[no-untyped-def]
    """e3 e1 / e2^2; NaN when e2 is zero."""
    n = len(pt)
    theta = np.empty((n, n))
    e2 = e3 = 0.0
    for i in range(n):
        for j in range(i):
            d2 = (eta[i] - eta[j]) ** 2 + (phi[i] - phi[j]) ** 2
            theta[i, j] = d2 ** (beta / 2)
            e2 += pt[i] * pt[j] * theta[i, j]
    for i in range(n):
        for j in range(i):
            third = 0.0
            for k in range(j):
                third += pt[k] * theta[i, k] * theta[j, k]
            e3 += pt[i] * pt[j] * theta[i, j] * third
    return e3 * pt.sum() / e2**2 if e2 > 0 else np.nan


@_compiled
def axes(pt, eta, phi):  # type: ignore[no-untyped-def]
    """Major and minor width of the jet in (eta, phi)."""
    weight = pt**2 / np.sum(pt**2)
    d_eta, d_phi = eta - np.sum(weight * eta), phi - np.sum(weight * phi)
    ee, pp = np.sum(weight * d_eta**2), np.sum(weight * d_phi**2)
    mean, half = (ee + pp) / 2, np.hypot((ee - pp) / 2, np.sum(weight * d_eta * d_phi))
    return np.sqrt(mean + half), np.sqrt(max(mean - half, 0.0))


@_compiled
def ptd(pt):  # type: ignore[no-untyped-def]
    """sqrt(sum pT^2) / sum pT: 1 for one constituent, 1/sqrt(P) for P equal ones."""
    return np.sqrt(np.sum(pt**2)) / pt.sum()


@_compiled
def soft_drop_mass(pt, eta, phi, z_cut=SOFT_DROP_Z_CUT):  # type: ignore[no-untyped-def]
    """Mass of the groomed jet in GeV; distances in rapidity and phi, four-momenta added."""
    momentum, first, second = cambridge_aachen(pt, eta, phi)
    node = len(momentum) - 1
    while first[node] >= 0:
        a, b = first[node], second[node]
        pt_a = np.hypot(momentum[a, 0], momentum[a, 1])
        pt_b = np.hypot(momentum[b, 0], momentum[b, 1])
        if min(pt_a, pt_b) > z_cut * (pt_a + pt_b):
            break
        node = a if pt_a > pt_b else b
    px, py, pz, energy = momentum[node]
    return np.sqrt(max(energy**2 - px**2 - py**2 - pz**2, 0.0))


@_compiled
def cambridge_aachen(pt, eta, phi):  # type: ignore[no-untyped-def]
    """The tree of the closest pairs merged first, the last node its root.

    Returns four-momenta (2P - 1, 4) as px, py, pz, E and the two children of each node, -1 for
    constituents. Every node keeps its nearest neighbour, so a merging costs O(P), seldom O(P^2).
    """
    n = len(pt)
    momentum = np.empty((2 * n - 1, 4))
    y, f = np.empty(2 * n - 1), np.empty(2 * n - 1)
    first, second = np.full(2 * n - 1, -1), np.full(2 * n - 1, -1)
    momentum[:n, 0], momentum[:n, 1] = pt * np.cos(phi), pt * np.sin(phi)
    momentum[:n, 2], momentum[:n, 3] = pt * np.sinh(eta), pt * np.cosh(eta)
    y[:n], f[:n] = eta, phi
    active = np.arange(n)
    near, distance = np.empty(2 * n - 1, np.int64), np.empty(2 * n - 1)
    for i in range(n):
        near[i], distance[i] = _nearest(i, active, n, y, f)
    for node in range(n, 2 * n - 1):
        left = 2 * n - node  # active nodes
        best = 0
        for position in range(left):
            if distance[active[position]] < distance[active[best]]:
                best = position
        a = active[best]
        b = near[a]
        first[node], second[node] = a, b
        momentum[node] = momentum[a] + momentum[b]
        px, py, pz, energy = momentum[node]
        y[node] = 0.5 * np.log((energy + pz) / (energy - pz))
        f[node] = np.arctan2(py, px)
        kept = 0
        for position in range(left):
            if active[position] != a and active[position] != b:
                active[kept] = active[position]
                kept += 1
        active[kept] = node
        for position in range(kept + 1):
            i = active[position]
            if i == node or near[i] == a or near[i] == b:
                near[i], distance[i] = _nearest(i, active, kept + 1, y, f)
            else:
                d = _distance2(i, node, y, f)
                if d < distance[i]:
                    near[i], distance[i] = node, d
    return momentum, first, second


@_compiled
def _nearest(i, active, size, y, f):  # type: ignore[no-untyped-def]
    near, distance = -1, np.inf
    for position in range(size):
        j = active[position]
        if j != i:
            d = _distance2(i, j, y, f)
            if d < distance:
                near, distance = j, d
    return near, distance


@_compiled
def _distance2(i, j, y, f):  # type: ignore[no-untyped-def]
    turn = abs(f[i] - f[j]) % (2 * np.pi)
    return (y[i] - y[j]) ** 2 + min(turn, 2 * np.pi - turn) ** 2
