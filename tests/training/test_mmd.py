"""MMD against a double loop, an exact value, and its law under equality."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from naetrigger.training.mmd import mmd_squared, prior_bandwidth


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


@pytest.mark.parametrize("spherical", [False, True])
@pytest.mark.parametrize("size", [2, 3, 16])
def test_bandwidth_is_the_median_squared_distance_of_draws(size: int, spherical: bool) -> None:
    g = torch.Generator().manual_seed(4)
    x, y = torch.randn(2, 100_000, size, generator=g, dtype=torch.float64)
    if spherical:
        x, y = (z / z.norm(dim=1, keepdim=True) for z in (x, y))
    median = (x - y).square().sum(dim=1).median().item()
    assert prior_bandwidth(size, spherical) == pytest.approx(median, rel=0.02)


def test_of_samples_far_from_zero_it_keeps_its_digits_and_its_gradient() -> None:
    g = torch.Generator().manual_seed(5)
    x, y = torch.randn(2, 40, 3, generator=g, dtype=torch.float64)
    results = []
    for shift in (0.0, 1e6):
        moved = (x + shift).requires_grad_()
        value = mmd_squared(moved, y + shift, 1.0)
        results.append((value.detach(), *torch.autograd.grad(value, moved)))
    for near, far in zip(*results, strict=True):
        torch.testing.assert_close(far, near, rtol=1e-6, atol=1e-9)  # 1e6 leaves ten digits
    far = mmd_squared(x.float() + 1000, y.float() + 1000, 1.0)
    assert far.item() == pytest.approx(results[0][0].item(), abs=1e-4)  # of inputs 1e-4 apart


def test_its_memory_does_not_grow_with_the_dimensions() -> None:
    """No tensor of it has more values than there are pairs, which makes wide latents cheap."""
    largest = 0

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            nonlocal largest
            result = func(*args, **(kwargs or {}))
            largest = max(largest, result.numel())
            return result

    x = torch.randn(50, 20, generator=torch.Generator().manual_seed(6))
    with Watch():
        mmd_squared(x, x, 1.0)
    assert largest == 50 * 50
