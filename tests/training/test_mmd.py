"""MMD against a double loop, an exact value, and its law under equality."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from naetrigger.training.mmd import median_bandwidth, mmd_squared


def by_loops(x: np.ndarray, y: np.ndarray, h2: float) -> float:
    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.exp(-np.sum((a - b) ** 2) / (2 * h2)))

    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return xx + yy - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (7, 11)])
def test_it_is_the_double_sum(n: int, m: int) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(n, 3)), rng.normal(size=(m, 3)) + 0.5
    got = mmd_squared(torch.from_numpy(x), torch.from_numpy(y), 0.7)
    assert got.item() == pytest.approx(by_loops(x, y, 0.7), rel=1e-12)


def test_between_two_normals_it_has_its_exact_value() -> None:
    """For N(0, 1) and N(d, 1): 2 h / sqrt(h^2 + 2) (1 - exp(-d^2 / (2 (h^2 + 2))))."""
    g = torch.Generator().manual_seed(2)
    x = torch.randn(3000, 1, generator=g, dtype=torch.float64)
    y = torch.randn(3000, 1, generator=g, dtype=torch.float64) + 1.5
    h2, d2 = 1.3, 1.5**2
    exact = 2 * (h2 / (h2 + 2)) ** 0.5 * (1 - np.exp(-d2 / (2 * (h2 + 2))))
    assert mmd_squared(x, y, h2).item() == pytest.approx(exact, rel=0.05)


def test_of_equal_distributions_it_is_zero_on_average() -> None:
    g = torch.Generator().manual_seed(3)
    values = []
    for _ in range(200):
        x, y = torch.randn(2, 20, 2, generator=g, dtype=torch.float64)
        values.append(mmd_squared(x, y, 1.0).item())
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0  # a biased estimator would not go there


def test_bandwidth_is_the_median_squared_distance() -> None:
    y = torch.tensor([[0.0], [1.0], [3.0]])
    assert median_bandwidth(y).item() == 4.0  # of 1, 9, 4
