"""The pool file: what is read is what was written, and damage is noticed."""

from __future__ import annotations

import lzma

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.training.simulate import pool, towers

from . import toy_pool


@pytest.fixture
def path(tmp_path):
    return toy_pool.write(tmp_path / "pool.h5.xz")


def test_read_is_what_was_written(path):
    read = pool.read_pool(path)
    assert [s.name for s in read.strata] == ["soft", "rare", "rarer"]
    assert len(read) == 59
    assert read.first_event.tolist() == [0, 40, 52, 59]
    assert read.strata[1].commands == ("a=b",)
    assert read.attributes["label"] == "toy"
    assert len(read.sha256) == 64
    for number, part in enumerate(toy_pool.parts()):
        start, stop = read.first_event[number : number + 2]
        rows = slice(read.first[start], read.first[stop])
        for stored, true in ((read.em[rows], part.em), (read.had[rows], part.had)):
            # Off by less than a step in every event.
            most = 2 * part.stratum.step_gev * part.stratum.n_events
            assert stored.sum() == pytest.approx(true.sum(), abs=most)
        assert set(read.tower[rows]) <= set(part.tower)
    assert np.array_equal(read.muons, toy_pool.parts()[2].muons.astype(np.float32))
    assert np.diff(read.first_muon)[-7:].tolist() == [2] * 7
    assert read.first[1] == 0  # an event without towers


def test_large_energies_and_gaps_survive(tmp_path):
    part = toy_pool.stratum_events("only", 1.0, 50, 200.0, 9)
    pool.write_pool(tmp_path / "p.h5.xz", [part], {}, 1)
    read = pool.read_pool(tmp_path / "p.h5.xz")
    step = pool.tower_steps(0.625)
    dense = np.zeros((50, towers.N_TOWERS))
    event = np.repeat(np.arange(50), np.diff(read.first))
    dense[event, read.tower] = read.em
    assert np.all(np.abs(dense[part.event, part.tower] - part.em) < step[part.tower])
    assert dense.max() > 255


def test_writing_twice_gives_the_same_bytes(tmp_path):
    one, two = (toy_pool.write(tmp_path / f"{n}.h5.xz").read_bytes() for n in "ab")
    assert one == two
    assert toy_pool.write(tmp_path / "c.h5.xz", seed=5).read_bytes() != one


@pytest.mark.parametrize("mean", [0.07, 0.4, 1.0, 3.3])
def test_rounding_is_unbiased_and_stretches_keep_their_sum(mean):
    rng = np.random.default_rng(1)
    n_events, n = 4000, 30
    et = np.tile(rng.exponential(mean, n), n_events)
    event = np.repeat(np.arange(n_events), n)
    steps = pool.rounded(et, event, rng).reshape(n_events, n)
    true = et.reshape(n_events, n)
    assert np.all(np.abs(steps - true) < 1)
    assert np.all(np.abs((steps - true).cumsum(axis=1)) < 1)
    # A tower is rounded up with a probability: its variance is at most 1/4.
    assert np.abs((steps - true).mean(axis=0)).max() < 5 * 0.5 / np.sqrt(n_events)


def test_curve_visits_every_tower_once_in_blocks():
    position = pool.curve()
    assert np.array_equal(np.sort(position), np.arange(towers.N_TOWERS))
    row, column = np.divmod(np.argsort(position), towers.N_PHI)
    block = row // 4 * 18 + column // 4
    assert np.all(block.reshape(-1, 16) == block[::16, None])
    assert np.mean(np.abs(np.diff(row)) + np.abs(np.diff(column)) == 1) > 0.9


@pytest.mark.parametrize("where", [100, -100, "middle"])
def test_a_changed_byte_is_noticed(path, where):
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if where == "middle" else where] ^= 0x10
    path.write_bytes(content)
    pool.read_pool.cache_clear()
    with pytest.raises(InputError, match=r"damaged|truncated"):
        pool.read_pool(path)


@pytest.mark.parametrize("cut", [0, 10, 500, -1])
def test_a_truncated_file_is_noticed(path, cut):
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"truncated|damaged"):
        pool.read_pool(path)


def test_something_else_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        pool.read_pool(tmp_path / "none.h5.xz")
    other = tmp_path / "other.h5.xz"
    other.write_bytes(lzma.compress(b"not HDF5"))
    with pytest.raises(InputError, match="layout"):
        pool.read_pool(other)
    other.write_bytes(toy_pool.write(tmp_path / "p.h5.xz").read_bytes() + b"more")
    pool.read_pool.cache_clear()
    with pytest.raises(InputError, match="follows"):
        pool.read_pool(other)


@pytest.mark.parametrize("probability", [0.5, -0.1])
def test_strata_must_cover_all_collisions(tmp_path, probability):
    part = toy_pool.stratum_events("only", probability, 5, 1.0, 1)
    pool.write_pool(tmp_path / "p.h5.xz", [part], {}, 1)
    with pytest.raises(InputError, match="sum to"):
        pool.read_pool(tmp_path / "p.h5.xz")


def test_shipped_pool():
    assert pool.SHIPPED.stat().st_size < 5e6
    pool.read_pool.cache_clear()
    shipped = pool.read_pool()
    by_name = {stratum.name: stratum for stratum in shipped.strata}
    assert by_name["soft"].n_events >= 50_000
    assert shipped.probabilities.sum() == pytest.approx(1)
    assert "Pythia" in str(shipped.attributes["generator"])
    assert "never collision data" in str(shipped.attributes["label"])
    # Strata apart by muons: those without hold none above 4 GeV in acceptance.
    event = np.repeat(np.arange(len(shipped)), np.diff(shipped.first_muon))
    stratum = np.searchsorted(shipped.first_event, event, side="right") - 1
    matters = (shipped.muons[:, 0] > 4) & (np.abs(shipped.muons[:, 1]) < 2.4)
    for number, one in enumerate(shipped.strata):
        here = stratum == number
        if one.name.endswith("_mu"):
            assert len(np.unique(event[here & matters])) == one.n_events
        elif f"{one.name}_mu" in by_name:
            assert not np.any(here & matters)
