"""Jet images: known jets, sums, and what may not change them."""

from __future__ import annotations

import numpy as np
import pytest

from naetrigger.training.simulate import images
from naetrigger.training.simulate.detector import Candidates
from naetrigger.training.simulate.jets import Jets, Substructure


def as_jets(*constituents):
    """Jets of (pt, eta, phi) arrays, their axes at the pT-weighted mean direction."""
    counts = np.array([len(pt) for pt, _, _ in constituents])
    pt, eta, phi = (
        np.concatenate([np.asarray(jet[i], float) for jet in constituents]) for i in range(3)
    )
    return Jets(
        event=np.arange(len(counts)),
        pt=np.array([np.sum(pt) for pt, _, _ in constituents]),
        eta=np.array([np.average(e, weights=pt) for pt, e, _ in constituents]),
        phi=np.array([np.average(f, weights=pt) for pt, _, f in constituents]),
        mass=np.ones(len(counts)),
        counts=counts,
        constituents=Candidates(np.repeat(np.arange(len(counts)), counts), pt, eta, phi),
    )


def image(pt, eta, phi):
    return images.images(as_jets((pt, eta, phi)))[0].reshape(40, 40)


def random_jet(rng, size=30):
    pt = 1 + 50 * rng.pareto(2.0, size)
    radius, angle = 0.4 * rng.random(size), 2 * np.pi * rng.random(size)
    return pt, 0.3 + 1.3 * radius * np.cos(angle), 1.0 + 0.5 * radius * np.sin(angle)


@pytest.fixture(scope="module")
def random_jets():
    rng = np.random.default_rng(8)
    return [random_jet(rng) for _ in range(100)]


def test_two_particles_lie_along_eta_the_harder_side_up():
    # 3 : 1, 0.4 apart along phi: at 0.1 and -0.3 from the centroid.
    picture = image([30, 10], [0.0, 0.0], [0.2, 0.6])
    rows, columns = np.nonzero(picture)
    # 0.1 is (0.1 + 0.8) / 0.04 = 22.5; the axis itself lies at the edge of two columns.
    assert rows.tolist() == [12, 22]
    assert set(columns.tolist()) <= {19, 20}
    assert picture[22].sum() == 3072
    assert picture[12].sum() == 1024


def test_one_particle_fills_one_pixel_and_saturates():
    picture = image([50.0], [0.7], [3.0])
    assert picture.max() == 4095
    assert np.count_nonzero(picture) == 1


def test_particles_beyond_the_edge_are_left_out():
    picture = image([50.0, 50.0, 1.0], [0.0, 0.2, 1.5], [0.0, 0.0, 0.0])
    assert np.count_nonzero(picture) == 2


def test_images_never_sum_to_more_than_one_and_lose_little(random_jets):
    made = images.images(as_jets(*random_jets))
    sums = made.sum(axis=1)
    assert made.min() >= 0
    assert sums.max() <= 4096
    # Each of at most 30 filled pixels loses less than one unit, and nothing lies beyond the edge.
    assert sums.min() > 4096 - 31


def moved(made, expected):
    """Part of the pT that is in other pixels, mean over images."""
    return np.abs(made - expected).sum(axis=1).mean() / 2 / 4096


@pytest.mark.parametrize("angle", [0.3, np.pi / 2, 2.0, np.pi])
def test_turning_a_jet_about_its_axis_changes_nothing(random_jets, angle):
    turned = []
    for pt, eta, phi in random_jets:
        x, y = eta - np.average(eta, weights=pt), phi - np.average(phi, weights=pt)
        turned.append(
            (
                pt,
                0.5 + x * np.cos(angle) - y * np.sin(angle),
                -1.0 + x * np.sin(angle) + y * np.cos(angle),
            )
        )
    before, after = images.images(as_jets(*random_jets)), images.images(as_jets(*turned))
    # Exact but for constituents that rounding takes over the edge of a pixel.
    assert moved(after, before) < 1e-3


@pytest.mark.parametrize(("eta_sign", "phi_sign"), [(-1, 1), (1, -1), (-1, -1)])
def test_mirrored_jets_look_the_same(random_jets, eta_sign, phi_sign):
    mirrored = [(pt, eta_sign * eta, phi_sign * phi) for pt, eta, phi in random_jets]
    before, after = images.images(as_jets(*random_jets)), images.images(as_jets(*mirrored))
    assert moved(after, before) < 1e-3


def test_a_jet_across_phi_pi_is_in_one_piece(random_jets):
    pt, eta, phi = random_jets[0]
    across = (pt, eta, phi + np.pi - 1.0)
    wrapped = as_jets(across)
    members = wrapped.constituents
    there = Jets(
        **{
            **vars(wrapped),
            "constituents": Candidates(
                members.event,
                members.pt,
                members.eta,
                np.mod(members.phi + np.pi, 2 * np.pi) - np.pi,
            ),
        }
    )
    assert moved(images.images(there), images.images(as_jets(random_jets[0]))) < 1e-3


def test_another_jet_is_another_image(random_jets):
    made = images.images(as_jets(*random_jets))
    assert moved(made[1:], made[:-1]) > 0.3


def test_images_of_many_jets_are_those_of_each_alone(random_jets):
    made = images.images(as_jets(*random_jets))
    alone = np.concatenate([images.images(as_jets(jet)) for jet in random_jets[:10]])
    np.testing.assert_array_equal(made[:10], alone)


def test_the_principal_axis_lies_along_eta(random_jets):
    made = images.images(as_jets(*random_jets)).reshape(-1, 40, 40)
    centres = (np.arange(40) - 19.5) * 0.04
    along = (made.sum(axis=2) * centres**2).sum(axis=1)
    across = (made.sum(axis=1) * centres**2).sum(axis=1)
    assert np.mean(along > across) > 0.98


def test_context_by_hand():
    observed = Substructure(
        values=np.array([[0.4, 0.1, 0, 0, 0, 0, 0, 173.0], [0.0, 0.0, 0, 0, 0, 0, 0, 1.0]]),
        context=np.array([[600, 0.5, 180, 0.6], [555, -1, 20, 0.1]], float),
    )
    assert images.context(observed)[0] == pytest.approx([600, 0.5, 180, 173, 0.25])
    assert np.isfinite(images.context(observed)).all()
