"""Densities in the plane and the measures of the jet images, against known answers."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from naetrigger.validation.efficiency import scored

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def load():
    """Modules of the folder benchmarks, by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module


@pytest.fixture(scope="module")
def toys(load):
    return load("toy_densities")


@pytest.fixture(scope="module")
def jets(load):
    return load("jet_measures")


@pytest.mark.parametrize("name", ["8 Gaussians", "S-curve", "rings"])
def test_density_integrates_to_one_and_has_the_moments_of_its_samples(toys, name):
    toy = toys.TOYS[name]
    grid = toys.cell_centres()
    p = toy.density(grid)
    cell = (2 * toys.BOX / toys.CELLS) ** 2
    assert p.sum() * cell == pytest.approx(1, abs=1e-3)  # the tails beyond the box
    drawn = toy.sample(40_000, np.random.default_rng(1))
    second = (p[:, None] * grid**2).sum(axis=0) / p.sum()
    assert (drawn**2).mean(axis=0) == pytest.approx(second, rel=0.03)  # 4 sigma of 40 000


def test_divergence_of_two_gaussians_is_known(toys):
    grid = toys.cell_centres()
    narrow, wide = (toys.normalised(-(grid**2).sum(axis=1) / (2 * s**2)) for s in (0.3, 0.5))
    known = 2 * np.log(0.5 / 0.3) + 0.3**2 / 0.5**2 - 1  # two dimensions
    assert toys.divergence(narrow, wide) == pytest.approx(known, abs=1e-6)
    assert toys.divergence(narrow, narrow) == 0
    assert toys.divergence(wide, narrow) > toys.divergence(narrow, wide)  # not symmetric


def test_measures_of_a_coin_and_of_a_perfect_tagger(jets):
    rng = np.random.default_rng(2)
    coin = jets.measures(
        scored(rng.uniform(size=20_000)), scored(rng.uniform(size=20_000)), replicas=20
    )
    assert coin.auc == pytest.approx(0.5, abs=4 * coin.error)
    assert coin.rejection == pytest.approx((10, 10 / 3, 2), rel=0.1)
    assert coin.significance == pytest.approx(1, abs=0.3)  # the noise of the smallest e_B kept
    assert coin.low_rate == pytest.approx(jets.LOW / 2, rel=0.1)
    perfect = jets.measures(scored(np.zeros(500)), scored(np.ones(500)), replicas=2)
    assert perfect.rejection == (500, 500, 500)  # as many as there are to reject
    assert perfect.low_rate == pytest.approx(1)
    assert perfect.significance == pytest.approx(1)  # no cut keeps few background events
