"""The tower grid: where particles arrive, what they leave, and how it is read."""

from __future__ import annotations

import numpy as np
import pytest

from naetrigger.training.simulate import towers
from naetrigger.training.simulate.particles import Particles

PION, K_LONG, PHOTON, MUON, ELECTRON = 211, 130, 22, 13, 11


def particles(pdg_id, pt, eta=0.5, phi=1.0, charge=0.0):
    """One particle an event."""
    pt, eta, phi = (np.atleast_1d(np.asarray(x, float)) for x in (pt, eta, phi))
    n = max(len(pt), len(eta), len(phi))
    pt, eta, phi = (np.broadcast_to(x, n) for x in (pt, eta, phi))
    return Particles(
        weights=np.ones(n),
        event=np.arange(n),
        pdg_id=np.full(n, pdg_id),
        charge=np.full(n, float(charge)),
        pt=pt,
        eta=eta,
        phi=phi,
        energy=pt * np.cosh(eta),
    )


def test_grid_is_that_of_the_trigger():
    assert towers.N_ETA == 80
    assert towers.END_CENTRAL - towers.FIRST_CENTRAL == 56
    assert np.allclose(towers.ETA_EDGES, -towers.ETA_EDGES[::-1])
    assert towers.ETA_EDGES[towers.FIRST_CENTRAL] == -3.0
    assert np.all(np.diff(towers.ETA_EDGES) > 0)


@pytest.mark.parametrize(
    ("pdg_id", "em"), [(PHOTON, 1.0), (ELECTRON, 1.0), (PION, 0.3), (K_LONG, 0.3)]
)
def test_neutral_energy_arrives_where_it_points(pdg_id, em):
    left = towers.deposit(particles(pdg_id, 40.0, eta=0.0435, phi=np.pi / 72))
    assert left.tower.tolist() == [40 * 72 + 0]
    assert left.em.tolist() == pytest.approx([40 * em])
    assert left.had.tolist() == pytest.approx([40 * (1 - em)])


@pytest.mark.parametrize(
    "lost", [particles(MUON, 50.0), particles(PHOTON, 50.0, eta=5.3), particles(PHOTON, 1e-4)]
)
def test_muons_and_the_beam_pipe_leave_nothing(lost):
    assert len(towers.deposit(lost).tower) == 0


def step_along_the_field(pt, eta, phi, charge, steps=200_000):
    """The point where a track leaves the cylinder, by small straight steps."""
    x = y = z = 0.0
    direction, ds = phi, 4.0 / steps
    for _ in range(steps):
        x += ds * np.cos(direction)
        y += ds * np.sin(direction)
        z += ds * np.sinh(eta)
        direction -= charge * 0.3 * towers.FIELD_T / pt * ds
        if np.hypot(x, y) > towers.BARREL_RADIUS_M or abs(z) > towers.ENDCAP_Z_M:
            break
    return np.arcsinh(z / np.hypot(x, y)), np.arctan2(y, x)


@pytest.mark.parametrize(
    ("pt", "eta", "charge"), [(1.0, 0.3, 1), (5.0, -1.0, -1), (0.9, 2.0, 1), (0.5, 1.7, -1)]
)
def test_helix_ends_where_small_steps_do(pt, eta, charge):
    expected = step_along_the_field(pt, eta, 0.4, charge, 40_000)
    found = towers.impact(*(np.array([x]) for x in (pt, eta, 0.4, float(charge))))
    d_phi = (found[1][0] - expected[1] + np.pi) % (2 * np.pi) - np.pi
    assert found[0][0] == pytest.approx(expected[0], abs=2e-3)
    assert d_phi == pytest.approx(0, abs=2e-3)


def test_straight_tracks_and_hard_ones_do_not_move():
    eta, phi = towers.impact(*(np.array(x) for x in ([1.0, 1e6], [0.7, 0.7], [2.0, 2.0], [0, 1.0])))
    assert eta == pytest.approx(0.7, abs=1e-5)
    assert phi == pytest.approx(2.0, abs=1e-5)


def test_reading_keeps_the_mean_less_half_a_step():
    n, et = 4000, 20.0
    em = np.zeros((n, towers.N_ETA, towers.N_PHI), np.float32)
    em[:, 40, 7] = em[:, 2, 3] = et
    em_counts, had_counts = towers.digitise(em, em, np.random.default_rng(1))
    for counts, part in ((em_counts, 0), (had_counts, 1)):
        for row, column, where in ((40, 7, 0), (2, 3, 2)):
            energy = et * np.cosh(towers.ETA_CENTRES[row])
            c, s, noise = towers.RESOLUTION[where + part]
            sigma = np.sqrt((c * energy) ** 2 + s**2 * energy + noise**2) / energy * et
            seen = counts[:, row, column] * towers.LSB_GEV
            assert seen.mean() == pytest.approx(et - 0.25, abs=5 * sigma / np.sqrt(n))
            assert seen.std() == pytest.approx(np.hypot(sigma, 0.144), rel=0.1)
    assert em_counts.sum() == em_counts[:, 40, 7].sum() + em_counts[:, 2, 3].sum()


def test_a_tower_can_overflow_only_to_the_largest_count():
    em = np.zeros((1, towers.N_ETA, towers.N_PHI), np.float32)
    em[0, 30, 30] = 1e6
    counts, _ = towers.digitise(em, np.zeros_like(em), np.random.default_rng(1))
    assert counts.max() == towers.MAX_COUNT
