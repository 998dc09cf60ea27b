"""Trigger algorithms on towers that are known."""

from __future__ import annotations

import numpy as np
import pytest

from naetrigger.contracts import calo_regions
from naetrigger.contracts.trigger_objects import COLUMNS
from naetrigger.firmware_configs.trigger_scales import to_physical
from naetrigger.training.simulate import calibration, regions
from naetrigger.training.simulate import trigger_objects as t
from naetrigger.training.simulate.towers import ETA_CENTRES, N_ETA, N_PHI

RAW = calibration.uncalibrated()


def empty(n=1):
    return np.zeros((n, N_ETA, N_PHI), np.uint16), np.zeros((n, N_ETA, N_PHI), np.uint16)


def busy(seed, n=3):
    """Towers like those of many collisions."""
    rng = np.random.default_rng(seed)
    em, had = (rng.poisson(0.7, (n, N_ETA, N_PHI)).astype(np.uint16) for _ in range(2))
    for counts in (em, had):
        for event in range(n):
            where = rng.integers(0, N_ETA, 25), rng.integers(0, N_PHI, 25)
            counts[event][where] += rng.integers(8, 300, 25).astype(np.uint16)
    return em, had


def objects(em, had):
    return t.calorimeter_objects(em, had, RAW)


def test_nothing_gives_nothing():
    assert not objects(*empty()).any()


def test_columns():
    assert len(COLUMNS) == 57
    assert COLUMNS[:4] == ("met_pt", "met_eta", "met_phi", "eg1_pt")
    assert (COLUMNS[15], COLUMNS[-1]) == ("mu1_pt", "jet10_phi")


@pytest.mark.parametrize(("row", "column"), [(40, 0), (39, 71), (15, 35), (65, 20)])
def test_one_electromagnetic_tower(row, column):
    em, had = empty()
    em[0, row, column] = 100
    found = objects(em, had)[0]
    eta = round(ETA_CENTRES[row] / t.CALORIMETER_ETA_LSB)
    place = [eta, 2 * column + 1]
    assert found[9].tolist() == [100, *place]
    assert found[1].tolist() == ([100, *place] if abs(ETA_CENTRES[row]) < 2.5 else [0, 0, 0])
    assert found[0].tolist() == [100, 0, (2 * column + 1 + 72) % 144]
    assert not found[2:9].any()
    assert not found[10:].any()


def test_a_hadronic_tower_is_no_egamma_and_a_forward_one_no_missing_et():
    em, had = empty(2)
    had[0, 40, 10] = 100
    em[1, 5, 10] = 100
    found = objects(em, had)
    assert not found[:, 1:5].any()
    assert found[:, 9, 0].tolist() == [100, 100]
    assert found[:, 0, 0].tolist() == [100, 0]


def test_missing_et_of_two_towers_adds_as_vectors():
    em, had = empty()
    had[0, 30, 0], had[0, 50, 18] = 60, 80  # a quarter turn apart
    pt, eta, phi = objects(em, had)[0, 0]
    assert (pt, eta) == (100, 0)
    direction = np.arctan2(-80, -60) + np.pi / 72  # towers are centred half a column on
    assert phi == round(direction / (2 * np.pi / 144)) % 144


@pytest.mark.parametrize("row", [0, 3, 5, 11, 40, 70, 79])
@pytest.mark.parametrize("level", [1, 3, 7])
def test_uniform_pileup_is_taken_away_whole(row, level):
    towers = np.full((N_ETA, N_PHI), level, np.int32)
    assert t.raw_jet(towers, row, 71) == 0
    towers[row, 71] += 90
    assert t.raw_jet(towers, row, 71) == 90


def test_a_second_jet_in_the_donut_is_not_taken_for_pileup():
    towers = np.ones((N_ETA, N_PHI), np.int32)
    towers[40, 20], towers[40, 26] = 91, 500
    assert t.raw_jet(towers, 40, 20) == 90


def test_equal_neighbours_give_one_jet():
    em, had = empty()
    had[0, 40, 71] = had[0, 40, 0] = had[0, 41, 0] = 50
    assert objects(em, had)[0, 9:, 0].tolist() == [150] + [0] * 9


def test_sorted_and_missing_ones_are_zero():
    found = objects(*busy(1, 8))
    for kind in (t.EGAMMA, t.JETS):
        assert np.all(np.diff(found[:, kind, 0].astype(int), axis=1) <= 0)
    gone = found[:, :, 0] == 0
    assert not found[gone].any()


def as_sets(found, kind):
    return [sorted(map(tuple, event[kind].tolist())) for event in found]


@pytest.mark.parametrize("turn", [1, 7, 18, 71])
def test_turning_the_towers_turns_the_objects_exactly(turn):
    em, had = busy(2)
    found, turned = objects(em, had), objects(np.roll(em, turn, 2), np.roll(had, turn, 2))
    expected = found.copy()
    there = found[:, :, 0] > 0
    expected[there, 2] = (found[there, 2] + 2 * turn) % 144
    # The last of the list may be one of several equal ones: it is chosen by its place.
    for kind, last in ((slice(0, 1), 1), (t.EGAMMA, 3), (t.JETS, 9)):
        assert np.array_equal(turned[:, kind, 0], expected[:, kind, 0])
        assert as_sets(turned[:, kind][:, :last], slice(None)) == as_sets(
            expected[:, kind][:, :last], slice(None)
        )


def test_mirroring_the_towers_mirrors_the_objects():
    em, had = busy(3)
    # Without equal towers: of these the one with the larger row wins.
    em[em > 20] += np.arange(np.sum(em > 20)).astype(np.uint16)
    found, mirrored = objects(em, had), objects(em[:, ::-1], had[:, ::-1])
    expected = found.copy()
    expected[:, :, 1] *= -1
    assert np.array_equal(mirrored[:, 0], expected[:, 0])
    assert as_sets(mirrored, slice(9, 14)) == as_sets(expected, slice(9, 14))


def test_hardware_limits():
    em, had = empty()
    em[0, 40, 10] = 60_000
    found = objects(em, had)[0]
    assert (found[0, 0], found[1, 0], found[9, 0]) == (4095, 511, 2047)


def test_isolation_and_ring_density():
    em, had = empty()
    em[0] += 1
    em[0, 40, 10] = 100
    assert objects(em, had)[0, 1, 0] == 114  # 3 x 5 towers; the ring is as full as the cone
    had[0, 42, 13] = 60
    assert objects(em, had)[0, 1, 0] == 0


def test_muons():
    n = 20_000
    event = np.repeat(np.arange(n), 2)
    true = np.tile([[40.0, 1.0, -0.5], [2.0, 0.0, 0.0]], (n, 1))  # the second is too soft
    found = t.muon_objects(event, true, n, np.random.default_rng(5))
    seen = found[:, 0, 0] > 0
    assert seen.mean() == pytest.approx(0.92, abs=5 * np.sqrt(0.92 * 0.08 / n))
    ratio = np.log(found[seen, 0, 0] * 0.5 / 40)
    assert ratio.mean() == pytest.approx(0, abs=5 * 0.2 / np.sqrt(n))
    assert ratio.std() == pytest.approx(0.2, rel=0.03)
    assert set(found[seen, 0, 1]) == {round(1.0 / 0.010875)}
    assert set(found[seen, 0, 2]) == {round(-0.5 * 576 / (2 * np.pi)) % 576}
    assert not found[:, 1:].any()


def test_four_hardest_muons_in_order():
    n = 500
    event = np.repeat(np.arange(n), 5)
    pt = np.tile([5.0, 80.0, 20.0, 240.0, 4.0], n)
    muons = np.stack([pt, pt / 200, np.ones(5 * n)], axis=1)
    found = t.muon_objects(event, muons, n, np.random.default_rng(8))
    assert np.all(np.diff(found[:, :, 0].astype(int), axis=1) <= 0)
    eta = found[:, 0, 1] * t.MUON_ETA_LSB
    assert np.mean(np.abs(eta - 1.2) < 0.01) == pytest.approx(0.92, abs=0.06)  # the 240 GeV one
    assert found[:, 0, 0].max() <= t.MAX_MUON


def test_physical_values():
    hardware = np.zeros((1, 19, 3), np.int16)
    hardware[0, 9] = 81, -27, 143
    hardware[0, 5] = 9, 100, 288
    values = to_physical(hardware.reshape(-1, 57)).reshape(-1, 19, 3)[0]
    assert values[9] == pytest.approx([40.5, -27 * 0.0435, -2 * np.pi / 144])
    assert values[5] == pytest.approx([4.5, 1.0875, -np.pi])
    assert not values[[0, 1, 6, 10]].any()


def test_regions_are_sums_of_sixteen_towers():
    counts = np.random.default_rng(1).integers(0, 20, (2, N_ETA, N_PHI))
    found = regions.regions(counts)
    assert found.shape == (2, 18, 14)
    for phi, eta in ((0, 0), (17, 13), (5, 9)):
        block = counts[1, 12 + 4 * eta : 16 + 4 * eta, 4 * phi : 4 * phi + 4]
        assert found[1, phi, eta] == block.sum()
    assert found.sum() == counts[:, 12:68].sum()


def test_regions_clip_at_ten_bits():
    counts = np.zeros((1, N_ETA, N_PHI), np.int64)
    counts[0, 12, 0], counts[0, 16, 0] = 1023, 1024 + 70_000
    found = regions.regions(counts)
    assert found[0, 0, 0] == found[0, 0, 1] == 1023
    assert len(calo_regions.COLUMNS) == 252
    assert calo_regions.COLUMNS[14] == "reg_01_00"
