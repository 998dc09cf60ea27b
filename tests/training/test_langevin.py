"""Chains against densities that are known: AR(1), Gaussian, truncated, von Mises-Fisher."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import Tensor

from naetrigger.training.langevin import (
    differentiable_sample,
    fresh_starts,
    sample,
    trajectory,
)
from naetrigger.training.settings import Langevin

N = 20_000
F = 2
VARIANCE_ERROR = 5 * math.sqrt(2 / (N * F))  # five standard errors of a Gaussian's variance


def quadratic(x: Tensor) -> Tensor:
    """E = |x|^2; at T = 1 the variance is 1/2."""
    return x.square().sum(dim=1)


def start(n: int = N, f: int = F) -> Tensor:
    return torch.zeros(n, f, dtype=torch.float64)


@pytest.mark.parametrize(("noise", "step_size", "steps"), [(0.3, None, 60), (0.5, 0.2, 40)])
@pytest.mark.parametrize("boundary", ["none", "clip"])
def test_unadjusted_variance_is_that_of_ar1(
    noise: float, step_size: float | None, steps: int, boundary: str, generator: torch.Generator
) -> None:
    far = (-8.0, 8.0)  # more than six standard deviations away: clipping must not be seen
    chain = Langevin(
        steps=steps,
        noise=noise,
        step_size=step_size,
        temperature=0.7,
        bounds=far,
        boundary=boundary,
    )
    a = chain.drift_step * 2 / chain.temperature
    exact = noise**2 * (1 - (1 - a) ** (2 * steps)) / (1 - (1 - a) ** 2)
    x = sample(quadratic, start(), chain, generator)
    assert x.var().item() == pytest.approx(exact, rel=VARIANCE_ERROR)


def test_metropolis_has_the_exact_variance_where_the_plain_chain_has_not(
    generator: torch.Generator,
) -> None:
    options = {"steps": 40, "noise": 1.1, "temperature": 1.0, "boundary": "none"}
    exact = sample(quadratic, start(), Langevin(**options, metropolis=True), generator)
    assert exact.var().item() == pytest.approx(0.5, rel=VARIANCE_ERROR)
    assert (exact**4).mean().item() == pytest.approx(3 * 0.25, rel=3 * VARIANCE_ERROR)
    plain = sample(quadratic, start(), Langevin(**options), generator)
    assert plain.var().item() > 1.2 * 0.5  # the check above would see a chain never adjusted


def test_metropolis_needs_its_asymmetric_proposal_ratio(generator: torch.Generator) -> None:
    """A skewed density, E = exp(x) - x at T = 1: x = log of an exponential variable."""
    chain = Langevin(steps=60, noise=1.2, temperature=1.0, boundary="none", metropolis=True)
    x = sample(lambda x: (x.exp() - x).sum(dim=1), start(), chain, generator)
    mean, variance = special.digamma(1), special.polygamma(1, 1)
    assert x.mean().item() == pytest.approx(mean, abs=5 * math.sqrt(variance / (N * F)))
    assert x.var().item() == pytest.approx(variance, rel=2 * VARIANCE_ERROR)  # kurtosis 5.4
    assert stats.kstest(x[:, 0].numpy(), stats.loggamma(1).cdf).pvalue > 1e-4


def test_metropolis_with_clipped_gradient_keeps_the_target(generator: torch.Generator) -> None:
    chain = Langevin(
        steps=60, noise=0.8, temperature=1, boundary="none", metropolis=True, gradient_clip=0.5
    )
    x = sample(quadratic, start(), chain, generator)
    assert x.var().item() == pytest.approx(0.5, rel=VARIANCE_ERROR)


def test_metropolis_with_reject_has_the_truncated_density(generator: torch.Generator) -> None:
    low, high = -0.4, 0.9
    chain = Langevin(
        steps=80,
        noise=0.6,
        temperature=1.0,
        bounds=(low, high),
        boundary="reject",
        metropolis=True,
    )
    x = sample(quadratic, start(), chain, generator)
    assert x.min() >= low
    assert x.max() <= high
    sigma = math.sqrt(0.5)
    exact = stats.truncnorm(low / sigma, high / sigma, scale=sigma)
    assert stats.kstest(x[:, 0].numpy(), exact.cdf).pvalue > 1e-4
    assert stats.kstest(x[:, 1].numpy(), exact.cdf).pvalue > 1e-4


def test_one_step_leaves_the_target_invariant(generator: torch.Generator) -> None:
    """Detailed balance in one go: from exact samples, one coarse step gives exact samples."""
    x = torch.randn(N, F, generator=generator, dtype=torch.float64) * math.sqrt(0.5)
    chain = Langevin(steps=1, noise=1.5, temperature=1.0, boundary="none", metropolis=True)
    y = sample(quadratic, x, chain, generator)
    assert 0.1 < (y != x).any(dim=1).double().mean() < 0.9
    assert y.var().item() == pytest.approx(0.5, rel=VARIANCE_ERROR)


@pytest.mark.parametrize("metropolis", [True, False])
@pytest.mark.parametrize("dimension", [3, 5])
def test_spherical_chain_is_von_mises_fisher(
    dimension: int, metropolis: bool, generator: torch.Generator
) -> None:
    kappa = 2.5
    mu = torch.zeros(dimension, dtype=torch.float64)
    mu[0] = 1.0
    chain = Langevin(
        steps=60 if metropolis else 300,
        noise=0.7 if metropolis else 0.12,  # the plain chain is right for small steps alone
        temperature=1 / kappa,
        boundary="none",
        spherical=True,
        metropolis=metropolis,
    )
    n = 8000
    x = fresh_starts("gaussian", (n, dimension), chain, mu, generator)
    x = sample(lambda x: -(x @ mu), x, chain, generator)
    assert torch.allclose(x.norm(dim=1), torch.ones(n, dtype=torch.float64))
    exact = special.iv(dimension / 2, kappa) / special.iv(dimension / 2 - 1, kappa)
    error = 5 * x[:, 0].std().item() / math.sqrt(n) + (0 if metropolis else 0.006)
    assert x[:, 0].mean().item() == pytest.approx(exact, abs=error)
    assert x[:, 1:].mean(dim=0).abs().max() < 0.05


def test_gradient_clip_limits_each_sample_by_its_own_norm(generator: torch.Generator) -> None:
    chain = Langevin(
        steps=1, noise=0, step_size=0.1, temperature=0.5, boundary="none", gradient_clip=3.0
    )
    x = torch.tensor([[0.3, 0.4], [30.0, 40.0]], dtype=torch.float64)
    moved = sample(quadratic, x, chain, generator) - x
    # gradients 2x have norms 1 and 100: the first goes as it is, the second with norm 3
    expected = torch.tensor([[-0.12, -0.16], [-0.36, -0.48]], dtype=torch.float64)
    torch.testing.assert_close(moved, expected)


def test_clip_stops_at_the_faces_and_reject_stays(generator: torch.Generator) -> None:
    options = {"steps": 30, "noise": 0.5, "temperature": 1.0, "bounds": (-0.3, 0.3)}
    clipped = sample(quadratic, start(500), Langevin(**options, boundary="clip"), generator)
    assert clipped.abs().max() == 0.3
    assert (clipped.abs() == 0.3).double().mean() > 0.2
    kept = sample(quadratic, start(500), Langevin(**options, boundary="reject"), generator)
    assert kept.abs().max() < 0.3
    outside = torch.full((3, F), 2.0, dtype=torch.float64)
    still = Langevin(steps=1, noise=0.01, temperature=1.0, bounds=(-1, 1), boundary="reject")
    assert torch.equal(sample(quadratic, outside, still, generator), outside)


@pytest.mark.parametrize("metropolis", [False, True])
def test_samples_do_not_see_each_other(metropolis: bool) -> None:
    chain = Langevin(steps=20, noise=0.8, temperature=1, boundary="none", metropolis=metropolis)

    def ends(first: float) -> Tensor:
        x = start(50)
        x[0] = first
        return sample(quadratic, x, chain, torch.Generator().manual_seed(3))

    a, b = ends(0.0), ends(50.0)
    assert not torch.equal(a[0], b[0])
    assert torch.equal(a[1:], b[1:])


def test_an_energy_of_shape_b_by_1_is_refused(generator: torch.Generator) -> None:
    with pytest.raises(ValueError, match="one number a sample"):
        sample(lambda x: x.square().sum(1, keepdim=True), start(3), Langevin(), generator)


@pytest.mark.parametrize(("metropolis", "expected"), [(False, 7), (True, 8)])
def test_k_steps_take_k_gradients(
    metropolis: bool, expected: int, generator: torch.Generator
) -> None:
    calls = []

    def counted(x: Tensor) -> Tensor:
        calls.append(len(x))
        return quadratic(x)

    chain = Langevin(steps=7, boundary="none", metropolis=metropolis)
    differentiable_sample(counted, start(5), chain, generator)
    assert calls == [5] * expected


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"boundary": "reject", "bounds": (-1, 1)},
        {"boundary": "none", "metropolis": True},
        {"spherical": True},
        {"gradient_clip": 0.5},
    ],
)
def test_differentiable_chain_walks_the_same_way(options: dict[str, object]) -> None:
    chain = Langevin(temperature=1.0, noise=0.3, **options)
    x = fresh_starts("gaussian", (40, 3), chain, start(1), torch.Generator().manual_seed(1))
    a = sample(quadratic, x, chain, torch.Generator().manual_seed(2))
    b = differentiable_sample(quadratic, x, chain, torch.Generator().manual_seed(2))
    assert torch.equal(a, b.detach())
    assert not a.requires_grad


@pytest.mark.parametrize("spherical", [False, True])
@pytest.mark.parametrize("gradient_clip", [None, 0.6])
def test_gradient_through_the_chain_is_that_of_finite_differences(
    spherical: bool, gradient_clip: float | None
) -> None:
    chain = Langevin(
        steps=6,
        temperature=0.8,
        noise=0.4,
        boundary="none",
        spherical=spherical,
        gradient_clip=gradient_clip,
    )
    first = torch.randn(30, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    scale = torch.tensor([0.7, 1.3, 2.0], dtype=torch.float64, requires_grad=True)

    def value(scale: Tensor) -> Tensor:
        ends = differentiable_sample(
            lambda x: (x.sin() * x * scale).sum(dim=1),
            first,
            chain,
            torch.Generator().manual_seed(5),
        )
        return ends.pow(3).sum()

    assert torch.autograd.gradcheck(value, scale, eps=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", ["uniform", "gaussian"])
def test_fresh_starts_lie_in_the_box(kind: str, generator: torch.Generator) -> None:
    chain = Langevin(bounds=(-1.5, 2.5))
    x = fresh_starts(kind, (5000, 2), chain, start(1), generator)
    assert x.dtype == torch.float64
    assert x.min() >= -1.5
    assert x.max() <= 2.5
    if kind == "uniform":
        assert stats.kstest(x.numpy().ravel(), stats.uniform(-1.5, 4.0).cdf).pvalue > 1e-4
    else:
        assert np.median(x.numpy()) == pytest.approx(0, abs=0.05)


def test_annealed_variance_is_that_of_its_steps(generator: torch.Generator) -> None:
    """AR(1) with a coefficient and a noise of its own in every step."""
    chain = Langevin(
        steps=25,
        noise=0.5,
        temperature=1.0,
        final_noise=0.1,
        final_temperature=0.2,
        boundary="none",
    )
    variance = 0.0
    for step in range(25):
        now = chain.at(step)
        a = now.drift_step * 2 / now.temperature
        variance = (1 - a) ** 2 * variance + now.noise**2
    assert chain.at(0).noise == 0.5
    assert chain.at(24).noise == pytest.approx(0.1)
    assert chain.at(24).temperature == pytest.approx(0.2)
    assert chain.at(12).noise == pytest.approx(math.sqrt(0.5 * 0.1))
    x = sample(quadratic, start(), chain, generator)
    assert x.var().item() == pytest.approx(variance, rel=VARIANCE_ERROR)
    assert Langevin(steps=1, final_noise=0.1).at(0).noise == 0.2  # one step has no way to go


def test_rows_are_clipped_one_by_one() -> None:
    still = {"steps": 1, "noise": 0.0, "step_size": 1.0, "temperature": 1.0, "boundary": "none"}
    x = torch.tensor([[3.0, 4.0, 0.3, 0.4]], dtype=torch.float64)  # gradients of norm 10 and 1
    g = torch.Generator()
    rows = sample(quadratic, x, Langevin(**still, gradient_clip=2.0, gradient_clip_rows=2), g)
    torch.testing.assert_close(x - rows, torch.tensor([[1.2, 1.6, 0.6, 0.8]]).double())
    whole = sample(quadratic, x, Langevin(**still, gradient_clip=2.0), g)
    torch.testing.assert_close((x - whole).norm(), torch.tensor(2.0).double())
    with pytest.raises(ValueError, match="4 inputs do not make 3 equal rows"):
        sample(quadratic, x, Langevin(**still, gradient_clip=2.0, gradient_clip_rows=3), g)


@pytest.mark.parametrize(
    "options",
    [
        {"boundary": "none"},
        {"bounds": (-0.5, 0.5)},
        {"bounds": (-0.5, 0.5), "boundary": "reject"},
        {"metropolis": True, "boundary": "none", "noise": 1.0},
        {"spherical": True},
        {"final_noise": 0.05},
    ],
)
def test_trajectories_end_where_samples_do(options: dict[str, object]) -> None:
    chain = Langevin(**{"steps": 6, "temperature": 1.0, "noise": 0.3, **options})
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 0.1
    chains = trajectory(quadratic, x, chain, torch.Generator().manual_seed(2))
    assert chains.positions.shape == (7, 50, 3)
    assert torch.equal(
        chains.positions[-1], sample(quadratic, x, chain, torch.Generator().manual_seed(2))
    )
    torch.testing.assert_close(chains.energies, chains.positions.square().sum(dim=2))
    stood = (chains.positions[1:] == chains.positions[:-1]).all(dim=2)
    assert stood[~chains.moved].all()
    refusing = chain.metropolis or chain.boundary == "reject"
    assert torch.equal(stood, ~chains.moved) or not refusing
    assert (chains.acceptance < 0.99) == refusing
