"""Monitoring: distances against scipy, acceptance where there is one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance
from torch import Tensor

from naetrigger.training.langevin import sample
from naetrigger.training.monitor import Recorder, feature_distances
from naetrigger.training.settings import Langevin


def quadratic(x: Tensor) -> Tensor:
    return x.square().sum(dim=1)


def test_distances_are_scipys() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 80, 3)) * np.array([1.0, 3.0, 0.2])
    got = feature_distances(torch.from_numpy(x), torch.from_numpy(y + 0.5))
    expected = [wasserstein_distance(x[:, i], y[:, i] + 0.5) / x[:, i].std() for i in range(3)]
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    with pytest.raises(ValueError, match="one shape"):
        feature_distances(torch.from_numpy(x), torch.from_numpy(y[:40]))


def test_a_constant_feature_counts_in_its_own_units() -> None:
    apart = feature_distances(torch.ones(5, 1), torch.ones(5, 1) * 1.5)
    assert apart.tolist() == [0.5]


@pytest.mark.parametrize("metropolis", [False, True])
def test_the_ends_are_those_of_sample(metropolis: bool) -> None:
    chain = Langevin(metropolis=metropolis, boundary="none", noise=0.8, temperature=1.0)
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(1))
    g, h = (torch.Generator().manual_seed(2) for _ in range(2))
    recorder = Recorder()
    ends = recorder(quadratic, x, chain, g)
    metrics = recorder.metrics(x, ends)
    assert torch.equal(ends, sample(quadratic, x, chain, h))
    assert metrics["feature_distance"] == feature_distances(x, ends).max().item()
    assert ("acceptance" in metrics) == metropolis
    assert 0 < metrics.get("acceptance", 0.5) < 1
