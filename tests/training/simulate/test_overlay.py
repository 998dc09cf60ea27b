"""Overlay: no energy is lost, and weighted crossings are natural ones."""

from __future__ import annotations

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.training.simulate import overlay, towers
from naetrigger.training.simulate.pool import read_pool

from . import toy_pool


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return read_pool(toy_pool.write(tmp_path_factory.mktemp("toy") / "pool.h5.xz"))


def dense(pool, crossings):
    n = len(crossings.weights)
    em, had = (np.zeros((n, towers.N_ETA, towers.N_PHI), np.float32) for _ in range(2))
    overlay.add_collisions(pool, crossings, em, had)
    return em, had


def drawn(pool, n=300, mean=50.0, fraction=0.5, seed=1):
    return overlay.draw_crossings(pool, np.full(n, mean), fraction, np.random.default_rng(seed))


def test_energy_is_conserved_exactly(toy):
    crossings = drawn(toy)
    em, had = dense(toy, crossings)
    for towers_, pool_et in ((em, toy.em), (had, toy.had)):
        of_event = np.add.reduceat(np.append(pool_et, 0), toy.first[:-1]).astype(np.float64)
        of_event[np.diff(toy.first) == 0] = 0
        expected = np.bincount(crossings.crossing, of_event[crossings.pool_event], 300)
        assert np.array_equal(towers_.astype(np.float64).sum(axis=(1, 2)), expected)


def test_turning_and_mirroring_collisions_does_so_to_the_towers(toy):
    crossings = drawn(toy, n=20)
    em, had = dense(toy, crossings)
    turned = overlay.Crossings(**{**vars(crossings), "turn": (crossings.turn + 13) % 72})
    assert np.array_equal(dense(toy, turned)[0], np.roll(em, 13, axis=2))
    mirrored = overlay.Crossings(**{**vars(crossings), "flip": ~crossings.flip})
    assert np.array_equal(dense(toy, mirrored)[1], had[:, ::-1])


def test_muons_turn_with_their_collision(toy):
    event = toy.first_event[2]
    one = overlay.Crossings(
        crossing=np.array([0, 1]),
        pool_event=np.array([event, event]),
        turn=np.array([0, 5]),
        flip=np.array([False, True]),
        n_pileup=np.array([1, 1]),
        mean_pileup=np.ones(2),
        weights=np.ones(2),
    )
    crossing, muons = overlay.collision_muons(toy, one)
    assert crossing.tolist() == [0, 0, 1, 1]
    assert np.array_equal(muons[2:, 1], -muons[:2, 1])
    assert muons[2:, 2] - muons[:2, 2] == pytest.approx(5 * 2 * np.pi / 72)
    assert np.array_equal(muons[2:, 0], muons[:2, 0])


def counts_of(pool, crossings):
    """Collisions of each stratum in each crossing, counted anew, shape (B, S)."""
    stratum = np.searchsorted(pool.first_event, crossings.pool_event, side="right") - 1
    n, s = len(crossings.weights), len(pool.strata)
    return np.bincount(crossings.crossing * s + stratum, minlength=n * s).reshape(n, s)


def test_weights_are_the_ratio_of_poisson_probabilities(toy):
    crossings = drawn(toy, n=20_000, mean=30.0, fraction=0.4)
    n = counts_of(toy, crossings)
    expected = 30.0 * toy.probabilities
    sampling = 0.6 + 0.4 * (0.5 * n[:, 1] / expected[1] + 0.5 * n[:, 2] / expected[2])
    assert crossings.weights == pytest.approx(1 / sampling)
    assert crossings.weights.max() <= 1 / 0.6
    assert np.array_equal(crossings.n_pileup, n.sum(axis=1))


@pytest.mark.parametrize("mean", [5.0, 50.0, 400.0])
def test_weighted_crossings_are_poisson(toy, mean):
    """Known answers for every stratum, for two at once, and for the same one twice."""
    crossings = drawn(toy, n=200_000, mean=mean, fraction=0.5, seed=7)
    w, n = crossings.weights, counts_of(toy, crossings)
    expected = mean * toy.probabilities
    one = 1 - np.exp(-expected)
    twice = one - expected * np.exp(-expected)
    known = [
        (np.ones(len(w)), 1.0),
        (n[:, 1] > 0, one[1]),
        (n[:, 2] > 0, one[2]),
        (n[:, 1] > 1, twice[1]),
        ((n[:, 1] > 0) & (n[:, 2] > 0), one[1] * one[2]),
        (n[:, 0], expected[0]),
        (crossings.n_pileup, mean),
    ]
    for what, answer in known:
        each = w * what
        error = each.std() / np.sqrt(len(w))
        assert each.mean() == pytest.approx(answer, abs=5 * error)


def test_a_rare_stratum_gains_precision(toy):
    natural, sampled = (drawn(toy, 50_000, 50.0, f) for f in (0.0, 0.5))
    error = []
    for crossings in (natural, sampled):
        each = crossings.weights * (counts_of(toy, crossings)[:, 2] > 0)
        error.append(each.std())
    assert np.all(natural.weights == 1)
    assert error[1] < error[0] / 5


def test_forgetting_the_weights_would_be_seen(toy):
    crossings = drawn(toy, 20_000)
    rare = counts_of(toy, crossings)[:, 2] > 0
    assert rare.mean() > 20 * (1 - np.exp(-50 * 1e-4))


def test_no_pileup(toy):
    crossings = drawn(toy, 50, mean=0.0)
    assert not crossings.n_pileup.any()
    assert np.all(crossings.weights == 1)
    assert np.all(overlay.hardest_collision(toy, crossings) == -1)


def test_hardest_collision(toy):
    crossings = drawn(toy, 500)
    hardest = overlay.hardest_collision(toy, crossings)
    for b in range(500):
        here = crossings.pool_event[crossings.crossing == b]
        assert hardest[b] in here
        assert toy.hardness[hardest[b]] == toy.hardness[here].max()


def test_effective_pool_events():
    assert overlay.effective_pool_events(np.ones(6), np.array([0, 1, 2, 0, 1, 2])) == 3
    assert overlay.effective_pool_events(np.array([1.0, 1e-9]), np.array([5, 6])) == pytest.approx(
        1
    )
    assert overlay.effective_pool_events(np.ones(2), np.array([-1, -1])) == 0


def test_mean_pileup_varies_and_is_clipped():
    drawn_means = overlay.PileUp(50, 10, 35, 80).draw(20_000, np.random.default_rng(1))
    assert drawn_means.min() == 35
    assert drawn_means.max() <= 80
    assert np.median(drawn_means) == pytest.approx(50, abs=0.5)
    assert np.all(overlay.PileUp(30, 0, 0, 99).draw(5, np.random.default_rng(1)) == 30)


@pytest.mark.parametrize("bad", [(50, -1, 20, 80), (50, 1, 60, 80), (50, 1, -2, 80), (2, 1, 3, 1)])
def test_impossible_pileup_is_refused(bad):
    with pytest.raises(InputError, match="pile-up"):
        overlay.PileUp(*bad)


def test_impossible_fraction_is_refused(toy):
    with pytest.raises(InputError, match="rare_fraction"):
        drawn(toy, fraction=1.0)
