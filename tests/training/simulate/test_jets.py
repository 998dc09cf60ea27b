"""Substructure: answers worked out by hand, and independent implementations of each observable."""

from __future__ import annotations

import itertools
import subprocess
import sys

import fastjet
import numpy as np
import pytest

from naetrigger.training.simulate import jets, shapes
from naetrigger.training.simulate.detector import Candidates
from naetrigger.training.simulate.jets import Jets

THREE = (np.array([100.0, 60.0, 40.0]), np.array([0.0, 0.3, -0.1]), np.array([0.0, 0.1, 0.4]))


def candidates(*events):
    """Candidates from (pt, eta, phi) arrays, one triple an event."""
    return Candidates(
        np.repeat(np.arange(len(events)), [len(pt) for pt, _, _ in events]),
        *(np.concatenate([event[i] for event in events]).astype(float) for i in range(3)),
    )


def as_jets(*constituents):
    """Jets holding exactly these constituents, their axes at the pT-weighted mean direction."""
    eta = [np.average(e, weights=pt) for pt, e, _ in constituents]
    phi = [np.average(p, weights=pt) for pt, _, p in constituents]
    return Jets(
        event=np.arange(len(constituents)),
        pt=np.array([pt.sum() for pt, _, _ in constituents]),
        eta=np.array(eta),
        phi=np.array(phi),
        mass=np.ones(len(constituents)),
        counts=np.array([len(pt) for pt, _, _ in constituents]),
        constituents=candidates(*constituents),
    )


def random_jets(n=40, seed=5):
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        size = rng.integers(3, 80)
        pt = 2 + 80 * rng.pareto(2.0, size)
        radius, angle = 0.7 * rng.random(size), 2 * np.pi * rng.random(size)
        made.append((pt, 0.3 + radius * np.cos(angle), 1.0 + radius * np.sin(angle)))
    return made


def test_ptd_of_known_jets():
    assert shapes.ptd(np.array([7.0])) == pytest.approx(1)
    assert shapes.ptd(np.full(16, 3.0)) == pytest.approx(1 / 4)
    assert shapes.ptd(np.array([3.0, 1.0])) == pytest.approx(np.sqrt(10) / 4)


def test_efp1_of_two_particles_counts_both_orders():
    pt, eta, phi = np.array([3.0, 1.0]), np.array([0.1, 0.4]), np.array([0.2, 0.6])
    assert shapes.efp1(pt, eta, phi) == pytest.approx(2 * 0.75 * 0.25 * 0.5)


def test_efp1_of_three_particles():
    pt, eta, phi = THREE
    z = pt / 200
    by_hand = 2 * (
        z[0] * z[1] * np.sqrt(0.10) + z[0] * z[2] * np.sqrt(0.17) + z[1] * z[2] * np.sqrt(0.25)
    )
    assert shapes.efp1(pt, eta, phi) == pytest.approx(by_hand)


def test_c2_of_two_particles_is_zero():
    assert shapes.c2(np.array([3.0, 1.0]), np.array([0.0, 0.3]), np.zeros(2)) == pytest.approx(0)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_c2_of_equilateral_triangle(beta):
    # e2 = 3 (1/9) d^beta, e3 = (1/27) d^(3 beta)
    side = 0.2
    eta, phi = np.array([0, side, side / 2]), np.array([0, 0, side * np.sqrt(3) / 2])
    assert shapes.c2(np.ones(3), eta, phi, beta) == pytest.approx(side**beta / 3)


def test_c2_of_three_particles_from_its_definition():
    pt, eta, phi = THREE
    theta = {
        (i, j): np.hypot(eta[i] - eta[j], phi[i] - phi[j]) ** 0.5
        for i, j in itertools.combinations(range(3), 2)
    }
    e2 = sum(pt[i] * pt[j] * t for (i, j), t in theta.items())
    e3 = np.prod(pt) * np.prod(list(theta.values()))
    assert shapes.c2(pt, eta, phi) == pytest.approx(e3 * pt.sum() / e2**2)


def test_c2_is_undefined_for_one_direction():
    assert np.isnan(shapes.c2(np.ones(3), np.full(3, 0.2), np.full(3, 0.1)))


def test_axes_of_two_particles():
    # Weights pT^2 = 9 : 1, so the variance is 0.9 x 0.1 x distance^2.
    major, minor = shapes.axes(np.array([3.0, 1.0]), np.array([0.1, 0.4]), np.array([0.2, 0.6]))
    assert major == pytest.approx(0.3 * 0.5)
    assert minor == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("angle", [0.0, 0.4, 2.0])
def test_axes_of_a_rotated_cross(angle):
    arms = np.array([[0.4, -0.4, 0, 0], [0, 0, 0.1, -0.1]])
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    major, minor = shapes.axes(np.full(4, 5.0), *(rotation @ arms))
    assert (major, minor) == pytest.approx((0.4 / np.sqrt(2), 0.1 / np.sqrt(2)))


def test_c2_and_soft_drop_agree_with_fastjet_contrib():
    made = random_jets(200)
    parts = candidates(*made)
    sequence = fastjet.ClusterSequence(
        jets.momenta(parts, [len(pt) for pt, _, _ in made]),
        fastjet.JetDefinition(fastjet.cambridge_algorithm, jets.RECLUSTERING_RADIUS),
    )
    c2 = sequence.exclusive_jets_energy_correlator(njets=1, beta=0.5, func="c2")
    groomed = sequence.exclusive_jets_softdrop_grooming(
        njets=1, beta=0.0, symmetry_cut=0.1, R0=jets.RADIUS
    )
    observed = jets.substructure(as_jets(*made)).values
    np.testing.assert_allclose(observed[:, jets.COLUMNS.index("c2")], c2.to_numpy(), rtol=1e-5)
    # A single massless constituent is left where grooming goes all the way: sqrt of rounding.
    np.testing.assert_allclose(
        observed[:, jets.COLUMNS.index("msd")],
        groomed.msoftdrop.to_numpy(),
        rtol=1e-5,
        atol=1e-3,
    )


def test_tau_of_three_separate_particles():
    # The best axes lie on particles (beta = 1: a weighted median). One axis: on the hardest.
    # Two: the softest, 0.412 from the hardest and 0.5 from the other, joins the hardest.
    pt, _, _ = THREE
    observed = jets.substructure(as_jets(THREE))
    norm = pt.sum() * 0.8
    tau1 = observed.context[0, jets.CONTEXT_COLUMNS.index("tau1")]
    tau2, tau3 = observed.values[0, :2]
    # fjcontrib's search stops once the axes move by less than 1e-4.
    assert tau1 == pytest.approx((60 * np.sqrt(0.10) + 40 * np.sqrt(0.17)) / norm, rel=1e-3)
    assert tau2 == pytest.approx(40 * np.sqrt(0.17) / norm, rel=1e-3)
    assert tau3 == pytest.approx(0, abs=1e-5)


def test_tau_falls_with_the_number_of_axes_and_is_near_the_best_axes():
    made = random_jets()
    observed = jets.substructure(as_jets(*made))
    tau1, (tau2, tau3) = observed.context[:, 3], observed.values[:, :2].T
    assert np.all(tau1 >= tau2)
    assert np.all(tau2 >= tau3)
    assert np.all(tau3 >= 0)
    # Axes restricted to particle directions can be searched in full. Free axes can do better; the
    # one-pass search ends in a local minimum, which may lie above the best restricted pair.
    for (pt, eta, phi), found in zip(made, tau2, strict=True):
        distance = np.hypot(eta[:, None] - eta, phi[:, None] - phi)
        restricted = min(
            np.sum(pt * np.minimum(distance[i], distance[j]))
            for i, j in itertools.combinations(range(len(pt)), 2)
        )
        assert 0.7 < found * pt.sum() * 0.8 / restricted < 1.5 or len(pt) < 6


def four_vector(pt, eta, phi):
    return pt * np.array([np.cosh(eta), np.cos(phi), np.sin(phi), np.sinh(eta)])


def rapidity_phi(p):
    return np.array([0.5 * np.log((p[0] + p[3]) / (p[0] - p[3])), np.arctan2(p[2], p[1])])


def soft_drop_by_declustering(pt, eta, phi, z_cut=0.1):
    """Cambridge/Aachen by brute force, then undo the last merging until z > z_cut."""
    pieces = [(four_vector(*one), None) for one in zip(pt, eta, phi, strict=True)]
    while len(pieces) > 1:
        at = [rapidity_phi(p) for p, _ in pieces]
        i, j = min(
            itertools.combinations(range(len(pieces)), 2),
            key=lambda pair: np.sum((at[pair[0]] - at[pair[1]]) ** 2),
        )
        merged = (pieces[i][0] + pieces[j][0], (pieces[i], pieces[j]))
        pieces = [piece for k, piece in enumerate(pieces) if k not in (i, j)] + [merged]
    node = pieces[0]
    while node[1] is not None:
        soft, hard = sorted(node[1], key=lambda piece: np.hypot(piece[0][1], piece[0][2]))
        pts = [np.hypot(piece[0][1], piece[0][2]) for piece in (soft, hard)]
        if pts[0] / sum(pts) > z_cut:
            break
        node = hard
    p = node[0]
    return np.sqrt(max(p[0] ** 2 - np.sum(p[1:] ** 2), 0))


def test_soft_drop_mass_agrees_with_declustering():
    made = random_jets(30, seed=6)
    msd = jets.substructure(as_jets(*made)).values[:, jets.COLUMNS.index("msd")]
    expected = [soft_drop_by_declustering(*jet) for jet in made]
    np.testing.assert_allclose(msd, expected, rtol=1e-5, atol=1e-2)
    assert np.sum(msd > 1) > 10


def test_soft_drop_removes_a_soft_particle_and_keeps_two_hard_ones():
    eta, phi = np.array([0, 0.2, 0.7]), np.zeros(3)
    jet = (np.array([100.0, 80.0, 5.0]), eta, phi)
    msd = jets.substructure(as_jets(jet)).values[0, -1]
    assert msd == pytest.approx(np.sqrt(2 * 100 * 80 * (np.cosh(0.2) - 1)), rel=1e-5)


def test_subjets_further_apart_than_the_radius_stay_in_the_jet():
    jet = (np.array([100.0, 90.0, 80.0]), np.array([-0.7, 0.7, 0.69]), np.zeros(3))
    msd = jets.substructure(as_jets(jet)).values[0, -1]
    assert msd == pytest.approx(soft_drop_by_declustering(*jet), rel=1e-5)
    assert msd > 100


def test_observables_do_not_depend_on_phi():
    made = random_jets(10)
    turned = [
        (pt, eta, np.mod(phi + np.pi - 1.0 + np.pi, 2 * np.pi) - np.pi) for pt, eta, phi in made
    ]
    here, there = as_jets(*made), as_jets(*turned)
    there = Jets(**{**vars(there), "phi": here.phi + np.pi - 1.0})
    before, after = jets.substructure(here), jets.substructure(there)
    # The one-pass axes stop within their own accuracy of the minimum.
    np.testing.assert_allclose(after.values, before.values, rtol=1e-3, atol=1e-6)


def blob(pt, eta, phi, n=5):
    """n particles of one pT sum around a direction."""
    step = np.linspace(-0.1, 0.1, n)
    return np.full(n, pt / n), eta + step, np.mod(phi + step[::-1] + np.pi, 2 * np.pi) - np.pi


def joined(*blobs):
    return tuple(np.concatenate(parts) for parts in zip(*blobs, strict=True))


def test_cluster_finds_the_jets_of_each_event_hardest_first():
    first = joined(blob(250, 0, 0), blob(900, 1, np.pi))
    second = joined(blob(400, -1, 2))
    found = jets.cluster(candidates(first, second))
    assert found.event.tolist() == [0, 0, 1]
    # Vector sums of spread particles fall short of the scalar sum by about spread^2 / 2.
    assert found.pt == pytest.approx([900, 250, 400], rel=5e-3)
    assert found.eta == pytest.approx([1, 0, -1], abs=5e-3)
    assert found.counts.tolist() == [5, 5, 5]
    for (pt, _, phi), jet_pt in zip(found.each(), found.pt, strict=True):
        assert pt.sum() == pytest.approx(jet_pt, rel=5e-3)
        assert np.abs(phi).max() < 0.11


@pytest.mark.parametrize(
    "event", [blob(190, 0, 0), blob(500, 2.7, 0), blob(500, 0, 0, n=2)], ids=["pt", "eta", "size"]
)
def test_cluster_refuses_jets_outside_the_selection(event):
    kept = blob(500, 0.5, 1)
    assert len(jets.cluster(candidates(event, kept))) == 1


def test_jet_mass_of_two_clumps():
    # m^2 = 2 pT1 pT2 (cosh d_eta - cos d_phi) of two tight clumps.
    narrow = tuple(
        np.concatenate(x)
        for x in zip(
            (np.full(2, 100.0), np.full(2, 0.0), np.array([0.0, 1e-4])),
            (np.full(2, 50.0), np.full(2, 0.4), np.array([0.3, 0.3001])),
            strict=True,
        )
    )
    found = jets.cluster(candidates(narrow))
    assert found.mass[0] == pytest.approx(
        np.sqrt(2 * 200 * 100 * (np.cosh(0.4) - np.cos(0.3))), rel=1e-3
    )


def test_select_keeps_the_constituents_of_the_kept_jets():
    made = random_jets(6)
    some = as_jets(*made).select(np.array([False, True, False, False, True, True]))
    expected = [made[1], made[4], made[5]]
    assert some.constituents.event.tolist() == np.repeat([0, 1, 2], some.counts).tolist()
    for (pt, eta, _), (expected_pt, expected_eta, _) in zip(some.each(), expected, strict=True):
        np.testing.assert_array_equal(pt, expected_pt)
        np.testing.assert_array_equal(eta, expected_eta)


def test_nothing_is_printed_on_standard_output():
    code = (
        "import numpy as np\n"
        "from naetrigger.training.simulate import jets\n"
        "from naetrigger.training.simulate.detector import Candidates\n"
        "jets.cluster(Candidates(np.zeros(3, int), np.full(3, 90.0), np.zeros(3), np.zeros(3)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
