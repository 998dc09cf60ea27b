"""W2^2 against POT's own value, finite differences and cases known by heart."""

from __future__ import annotations

import itertools

import ot
import pytest
import torch
from torch import Tensor

from naetrigger.contracts.errors import InputError
from naetrigger.training import transport
from naetrigger.training.transport import wasserstein2_squared


def points(n: int, f: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, f, generator=g, dtype=torch.float64).to(dtype)


def pot(x: Tensor, y: Tensor, a: Tensor | None = None, b: Tensor | None = None) -> float:
    costs = ((x.numpy()[:, None] - y.numpy()[None]) ** 2).sum(-1)
    wa = ot.unif(len(x)) if a is None else (a / a.sum()).numpy()
    wb = ot.unif(len(y)) if b is None else (b / b.sum()).numpy()
    return float(ot.emd2(wa, wb, costs))


@pytest.mark.parametrize(
    ("n", "m"), [(1, 1), (2, 2), (64, 64), (127, 127), (128, 128), (300, 300), (30, 47), (5, 1)]
)
def test_value_is_that_of_pot(n: int, m: int) -> None:
    x, y = points(n, 3, 1), points(m, 3, 2) + 0.3
    assert wasserstein2_squared(x, y).item() == pytest.approx(pot(x, y), rel=1e-9)


def test_weighted_value_is_that_of_pot() -> None:
    x, y = points(25, 3, 3), points(31, 3, 4)
    a, b = torch.rand(25, dtype=torch.float64) * 7, torch.rand(31, dtype=torch.float64)
    value = wasserstein2_squared(x, y, a, b).item()
    assert value == pytest.approx(pot(x, y, a, b), rel=1e-9)


def test_small_samples_by_trying_every_assignment() -> None:
    x, y = points(6, 2, 5), points(6, 2, 6)
    costs = (x[:, None] - y[None]).square().sum(-1).numpy()
    best = min(costs[range(6), p].sum() for p in itertools.permutations(range(6))) / 6
    assert wasserstein2_squared(x, y).item() == pytest.approx(best, rel=1e-12)


def test_known_answers() -> None:
    x = points(40, 4, 7)
    assert wasserstein2_squared(x, x[torch.randperm(40)]).item() == 0
    shift = torch.tensor([3.0, -1.0, 0.5, 0.0], dtype=torch.float64)
    value = wasserstein2_squared(x, x + shift).item()
    assert value == pytest.approx(shift.square().sum().item(), rel=1e-12)
    u, v = points(50, 1, 8), points(50, 1, 9)
    by_rank = (u.sort(0).values - v.sort(0).values).square().mean().item()
    assert wasserstein2_squared(u, v).item() == pytest.approx(by_rank, rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("m", [9, 14])
def test_gradient_is_that_of_finite_differences(m: int, weighted: bool) -> None:
    x, y = points(9, 3, 10).requires_grad_(), points(m, 3, 11).requires_grad_()
    a = torch.rand(9, dtype=torch.float64) if weighted else None
    assert torch.autograd.gradcheck(
        lambda x, y: wasserstein2_squared(x, y, a), (x, y), eps=1e-6, rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("n", [12, 200])
def test_gradient_of_an_assignment(n: int) -> None:
    x, y = points(n, 3, 12).requires_grad_(), points(n, 3, 13).requires_grad_()
    costs = ((x.detach().numpy()[:, None] - y.detach().numpy()[None]) ** 2).sum(-1)
    plan = ot.emd(ot.unif(n), ot.unif(n), costs)
    value = wasserstein2_squared(x, y)
    slope_x, slope_y = torch.autograd.grad(value, (x, y))
    torch.testing.assert_close(slope_x, 2 * (x - y[plan.argmax(axis=1)]).detach() / n)
    torch.testing.assert_close(slope_y, 2 * (y - x[plan.argmax(axis=0)]).detach() / n)


def test_network_simplex_stands_in_where_the_auction_gives_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, y = points(150, 3, 20), points(150, 3, 21)
    fast = wasserstein2_squared(x, y).item()
    monkeypatch.setattr(transport, "_assignment", lambda costs: None)
    assert wasserstein2_squared(x, y).item() == pytest.approx(fast, rel=1e-12)


def test_ties_have_the_right_value() -> None:
    grid = torch.tensor(list(itertools.product([0.0, 1.0], repeat=3)), dtype=torch.float64)
    for copies in (3, 20):  # by network simplex, by assignment
        x, y = grid.repeat(copies, 1), (grid + 1).repeat(copies, 1)
        assert wasserstein2_squared(x, y).item() == pytest.approx(pot(x, y), rel=1e-9)
    same = torch.ones(6, 2, dtype=torch.float64)
    assert wasserstein2_squared(same, same + 1).item() == pytest.approx(2.0)


def test_float32_far_from_the_origin_keeps_its_digits() -> None:
    x, y = points(50, 3, 14, torch.float32), points(50, 3, 15, torch.float32)
    near = wasserstein2_squared(x.double(), y.double()).item()
    far = wasserstein2_squared(x + 1024, y + 1024)
    assert far.dtype == torch.float32
    assert far.item() == pytest.approx(near, rel=2e-4)  # inputs rounded at 2**-14


@pytest.mark.parametrize("n", [60, 200])
def test_samples_far_apart_are_matched_as_if_they_were_near(n: int) -> None:
    x, y = points(n, 3, 22) / 100, points(n, 3, 23) / 100
    away = torch.tensor([3e4, -1e4, 2e3], dtype=torch.float64)
    near, far = (z.requires_grad_() for z in (y.clone(), y + away))
    near_slope, far_slope = (
        torch.autograd.grad(wasserstein2_squared(x, z), z)[0] for z in (near, far)
    )
    centre = 2 * (y.mean(0) - x.mean(0)) / n  # a shift of y moves all slopes alike
    same = far_slope - far_slope.mean(0), near_slope - centre
    torch.testing.assert_close(*same, rtol=0, atol=1e-9)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_refused(bad: float) -> None:
    x = points(5, 2, 16)
    y = x.clone()
    y[3, 1] = bad
    with pytest.raises(InputError, match="y holds NaN"):
        wasserstein2_squared(x, y)


def test_bad_shapes_and_weights_are_refused() -> None:
    x = points(5, 2, 17)
    with pytest.raises(InputError, match="features"):
        wasserstein2_squared(x, points(5, 3, 18))
    with pytest.raises(InputError, match="shape"):
        wasserstein2_squared(x[:0], x)
    for weights in (torch.zeros(5), -torch.ones(5), torch.ones(4)):
        with pytest.raises(InputError, match="weights of x"):
            wasserstein2_squared(x, x, weights)
