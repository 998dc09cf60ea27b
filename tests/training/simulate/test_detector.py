"""The parametric detector: response, efficiency, cells, and what it cannot see."""

from __future__ import annotations

import numpy as np
import pytest

from naetrigger.training.simulate import detector
from naetrigger.training.simulate.pythia import DarkHadrons, Particles

PION, K_LONG, PHOTON, MUON, ELECTRON = 211, 130, 22, 13, 11
NOTHING = DarkHadrons(*(np.zeros(0, t) for t in (int, float, float, float, bool)))


def particles(pdg_id, pt, eta=0.5, phi=1.0, n=1):
    """n events with one particle each."""
    charge = float(pdg_id in (PION, MUON, ELECTRON))
    eta = np.broadcast_to(np.asarray(eta, float), n)
    return Particles(
        weights=np.ones(n),
        event=np.arange(n),
        pdg_id=np.full(n, pdg_id),
        charge=np.full(n, charge),
        pt=np.full(n, float(pt)),
        eta=eta,
        phi=np.broadcast_to(np.asarray(phi, float), n),
        energy=pt * np.cosh(eta),
        dark_hadrons=NOTHING,
    )


def reconstruct(made, seed=1):
    return detector.reconstruct(made, np.random.default_rng(seed))


def test_log_normal_has_the_mean_and_width_asked_for():
    n = 200_000
    drawn = detector.log_normal(np.full(n, 10.0), np.full(n, 3.0), np.random.default_rng(2))
    assert drawn.min() > 0
    assert drawn.mean() == pytest.approx(10, abs=5 * 3 / np.sqrt(n))
    # The variance of the sample variance of this distribution is about three times a Gaussian's.
    assert drawn.std() == pytest.approx(3, rel=5 * np.sqrt(3 / n))


@pytest.mark.parametrize(
    ("pdg_id", "resolution"),
    [(PHOTON, np.hypot(0.008, np.hypot(0.11 / np.sqrt(60), 0.15 / 60))), (K_LONG, 0.139)],
)
def test_neutral_response_is_unbiased_and_as_wide_as_the_calorimeter(pdg_id, resolution):
    n = 20_000
    # At the centre of a cell of both calorimeters, so that no position error enters.
    seen = reconstruct(particles(pdg_id, 60.0, eta=0.0435 if pdg_id == K_LONG else 0.0174, n=n))
    response = seen.pt * np.cosh(seen.eta) / (60.0 * np.cosh(seen.eta))
    assert len(response) == n
    assert response.mean() == pytest.approx(1, abs=5 * resolution / np.sqrt(n))
    assert response.std() == pytest.approx(resolution, rel=0.05)


def test_track_efficiency_and_recovery_in_the_calorimeter():
    n = 20_000
    made = particles(PION, 20.0, n=n)
    tracked = detector.has_track(made, np.random.default_rng(3))
    assert tracked.mean() == pytest.approx(0.95, abs=5 * np.sqrt(0.95 * 0.05 / n))
    # Every pion of 20 GeV is seen, the lost tracks in the hadronic cells.
    seen = reconstruct(made)
    assert len(np.unique(seen.event)) == pytest.approx(n, abs=10)
    assert np.sum(seen.eta != 0.5) == pytest.approx(0.05 * n, abs=5 * np.sqrt(0.05 * n))


def test_track_resolution():
    n = 20_000
    seen = reconstruct(particles(MUON, 100.0, n=n))
    assert seen.pt.std() / 100 == pytest.approx(np.hypot(0.01, 0.015), rel=0.03)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (particles(PION, 0.4, n=100), "curls up before the calorimeter"),
        (particles(MUON, 50.0, eta=2.7, n=100), "muon outside the tracker"),
        (particles(K_LONG, 50.0, eta=5.1, n=100), "outside the calorimeter"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_seen(made, why):
    assert len(reconstruct(made).pt) == 0, why


def test_soft_photons_are_seldom_seen():
    # Smearing keeps the mean, so a few fluctuate above the threshold of 0.3 GeV.
    assert 0 < len(reconstruct(particles(PHOTON, 0.1, n=1000)).pt) < 100


def test_forward_pion_is_a_deposit():
    seen = reconstruct(particles(PION, 50.0, eta=3.0, n=100))
    assert len(seen.pt) == 100
    assert np.abs(seen.eta - 3.0).max() <= detector.HCAL.d_eta / 2 + 1e-9


@pytest.mark.parametrize("pdg_id", [PHOTON, K_LONG])
def test_deposits_lie_within_half_a_cell(pdg_id):
    calorimeter = detector.ECAL if pdg_id == PHOTON else detector.HCAL
    rng = np.random.default_rng(4)
    eta, phi = rng.uniform(-4.9, 4.9, 2000), rng.uniform(-np.pi, np.pi, 2000)
    seen = reconstruct(particles(pdg_id, 500.0, eta=eta, phi=phi, n=2000))
    assert seen.event.tolist() == list(range(2000))
    d_phi = np.mod(seen.phi - phi + np.pi, 2 * np.pi) - np.pi
    assert np.abs(seen.eta - eta).max() <= calorimeter.d_eta / 2 + 1e-9
    assert np.abs(d_phi).max() <= np.pi / calorimeter.n_phi + 1e-9
    assert np.all(np.abs(seen.phi) <= np.pi)


def test_one_cell_adds_up_within_an_event_only():
    one = particles(PHOTON, 40.0, n=3)
    made = Particles(**{**vars(one), "event": np.array([0, 0, 1]), "weights": np.ones(2)})
    seen = reconstruct(made)
    assert seen.event.tolist() == [0, 1]
    assert seen.pt == pytest.approx([80, 40], rel=0.1)


def test_candidates_come_in_the_order_of_their_events():
    rng = np.random.default_rng(5)
    n = 600
    mixed = Particles(
        weights=np.ones(20),
        event=np.sort(rng.integers(0, 20, n)),
        pdg_id=rng.choice([PION, PHOTON, K_LONG], n),
        charge=np.zeros(n),
        pt=rng.uniform(2, 50, n),
        eta=rng.uniform(-2, 2, n),
        phi=rng.uniform(-3, 3, n),
        energy=np.full(n, 60.0),
        dark_hadrons=NOTHING,
    )
    charged = Particles(**{**vars(mixed), "charge": (mixed.pdg_id == PION).astype(float)})
    event = reconstruct(charged).event
    assert np.all(np.diff(event) >= 0)
    assert set(event.tolist()) == set(range(20))
