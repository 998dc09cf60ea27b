"""The auction with its exact finish against scipy's solver, where ties and bad prices are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import linear_sum_assignment

from naetrigger.training import assignment as module
from naetrigger.training.assignment import assignment

COMPILED = module._compiled_auction
Costs = npt.NDArray[np.float64]


def squared_distances(n: int, seed: int, scale: float = 1.0, offset: float = 0.0) -> Costs:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 4)), rng.normal(size=(n, 4)) * 0.7 + offset
    return scale * ((x[:, None] - y[None]) ** 2).sum(-1)


def least(costs: Costs) -> float:
    return float(costs[linear_sum_assignment(costs)].sum())


def total(costs: Costs, match: npt.NDArray[np.int64]) -> float:
    assert sorted(match) == list(range(len(costs)))
    return float(costs[np.arange(len(costs)), match].sum())


@pytest.fixture(params=["compiled", "numba"], autouse=True)
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every law here holds for the compiled auction and for numba's alike."""
    if request.param == "numba":
        monkeypatch.setattr(module, "_compiled_auction", lambda: None)
    return str(request.param)


@pytest.mark.parametrize("n", [1, 2, 3, 63, 64, 65, 200, 512])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_the_cost_is_the_least(n: int, scale: float) -> None:
    costs = squared_distances(n, seed=n, scale=scale)
    match = assignment(costs)
    assert match is not None
    assert total(costs, match) == pytest.approx(least(costs), rel=1e-12)


def test_the_assignment_is_that_of_scipy_where_it_is_unique() -> None:
    for seed in range(10):
        costs = squared_distances(150, seed, offset=0.5 * seed)
        match = assignment(costs)
        assert match is not None
        assert np.array_equal(match, linear_sum_assignment(costs)[1])


def test_costs_of_any_kind() -> None:
    rng = np.random.default_rng(1)
    skewed = rng.exponential(size=(100, 100)) ** 4
    ties = rng.integers(0, 3, size=(100, 100)).astype(np.float64)
    for costs in (skewed, ties, np.zeros((9, 9)), np.ones((9, 9)), np.eye(70)):
        match = assignment(costs)
        assert match is None or total(costs, match) == pytest.approx(least(costs), rel=1e-12)
    assert assignment(skewed) is not None


@pytest.mark.parametrize("epsilon", [1e-2, 1e-4])
def test_the_finish_repairs_what_a_coarse_auction_leaves(
    epsilon: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LAST_EPSILON", epsilon)
    repaired = 0
    for seed in range(8):
        costs = squared_distances(130, seed)
        padded = np.full((130, 192), module.FAR)
        padded[:, :130] = costs / costs.mean()
        owner, _, sold = module._auction(padded, 0.1, epsilon, 5.0, 1000)
        assert sold
        repaired += total(costs, np.argsort(owner[:130])) > least(costs) * (1 + 1e-9)
        match = assignment(costs)
        assert match is not None
        assert total(costs, match) == pytest.approx(least(costs), rel=1e-12)
    assert repaired or epsilon < 1e-2  # there was something to repair


def test_any_start_is_repaired_and_the_prices_prove_it() -> None:
    costs = squared_distances(40, seed=2)
    for seed in range(5):
        owner = np.random.default_rng(seed).permutation(40)
        v = np.zeros(40)
        assert module._finish(costs, owner, v, 1e-12, 200)
        row_prices = costs[owner, np.arange(40)] - v
        slack = costs[owner] - row_prices[:, None] - v[None]
        assert slack.min() >= -1e-11
        assert total(costs, np.argsort(owner)) == pytest.approx(least(costs), rel=1e-12)


@pytest.mark.parametrize("limit", ["MAX_BIDS", "MAX_SCANS"])
def test_it_gives_up_in_time(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, limit, 0)
    assert assignment(squared_distances(20, seed=3)) is None


@pytest.mark.parametrize("n", [1, 64, 100, 300])
def test_both_auctions_give_the_same_owners(n: int) -> None:
    compiled = COMPILED()
    assert compiled is not None, "the tests need a C++ compiler"
    costs = squared_distances(n, seed=n)
    padded = np.full((n, -(-n // module.BLOCK) * module.BLOCK), module.FAR)
    padded[:, :n] = costs / costs.mean()
    owner, prices, sold = compiled(padded, 0.1, 1e-6, 5.0, 1000)
    expected, expected_prices, _ = module._auction(padded, 0.1, 1e-6, 5.0, 1000)
    assert sold
    np.testing.assert_array_equal(owner, expected)
    np.testing.assert_allclose(prices[:n], expected_prices[:n], atol=1e-4)
