"""Langevin chains with the density exp(-E/T) as their target.

x <- x - step_size * grad E(x) / T + noise * eps,  eps ~ N(0, 1)

With step_size = noise**2 / 2 the chain tends to exp(-E/T) as the step goes to zero; with
Metropolis-Hastings (MALA: Roberts and Tweedie 1996) it has exp(-E/T) exactly, for any step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from naetrigger.contracts.errors import InputError
from naetrigger.training.chain import supports, walk
from naetrigger.training.settings import Langevin

Energy = Callable[[Tensor], Tensor]
"""Inputs of shape (B, F) to energies of shape (B,)."""


@dataclass(frozen=True)
class Held:
    """Chains that a hold keeps near some point, however warm they are: exp(-E(x)/T - hold(x)).

    at : what is divided by T, E(x) + T hold(x), for the T of each step
    """

    at: Callable[[float], Energy]


Target = Energy | Held


def sample(energy: Target, start: Tensor, chain: Langevin, generator: torch.Generator) -> Tensor:
    """The ends of chains from `start`, shape (B, F); no gradient flows through them."""
    return _fastest(energy, start.detach(), chain, generator, differentiable=False).detach()


def differentiable_sample(
    energy: Target, start: Tensor, chain: Langevin, generator: torch.Generator
) -> Tensor:
    """The same ends, with the gradient flowing back through every step into E's parameters.

    Where a step is not smooth: a clipped coordinate passes no gradient; a refused step passes
    the gradient of staying; the decision to accept has none of its own.
    """
    return _fastest(energy, start, chain, generator, differentiable=True)


def require_rows(chain: Langevin, width: int, name: str) -> None:
    """InputError if points of `width` values do not make chain.gradient_clip_rows equal rows."""
    if width % chain.gradient_clip_rows:
        raise InputError(
            f"objective.{name}.gradient_clip_rows: must divide the {width} values of a point into "
            f"equal rows, got {chain.gradient_clip_rows}; set it to the rows of the image, or to 1"
        )


@dataclass(frozen=True)
class Trajectory:
    """Chains step by step.

    positions : (K + 1, B, F), the starts first
    energies : (K + 1, B), E there, and T hold(x) of that step where there is a hold
    moved : (K, B), whether each step was taken; false where it was refused
    """

    positions: Tensor
    energies: Tensor
    moved: Tensor

    @property
    def acceptance(self) -> float:
        """Share of the steps that were taken."""
        return self.moved.double().mean().item()


def trajectory(
    energy: Target, start: Tensor, chain: Langevin, generator: torch.Generator
) -> Trajectory:
    """All of the chains whose ends `sample` gives, up to float rounding."""
    start = start.detach()
    steps: list[tuple[Tensor, Tensor]] = []
    _walk(energy, start, chain, generator, differentiable=False, steps=steps)
    first = _unit(start) if chain.spherical else start
    positions = torch.stack([first, *(x.detach() for x, _ in steps)])
    temperatures = [chain.at(min(k, chain.steps - 1)).temperature for k in range(chain.steps + 1)]
    with torch.no_grad():
        energies = torch.stack(
            [_at_temperature(energy, t)(x) for x, t in zip(positions, temperatures, strict=True)]
        )
    return Trajectory(positions, energies, torch.stack([moved for _, moved in steps]))


def fresh_starts(
    kind: str, shape: tuple[int, ...], chain: Langevin, like: Tensor, generator: torch.Generator
) -> Tensor:
    """Starts away from the data: 'uniform' in the box, or 'gaussian' cut at the box."""
    low, high = chain.bounds
    if kind == "uniform" and not chain.spherical:
        unit = torch.rand(shape, generator=generator, dtype=like.dtype, device=like.device)
        return low + (high - low) * unit
    normal = torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)
    return _unit(normal) if chain.spherical else normal.clamp(low, high)


def _at_temperature(energy: Target, temperature: float) -> Energy:
    return energy.at(temperature) if isinstance(energy, Held) else energy


def _fastest(
    energy: Target,
    start: Tensor,
    chain: Langevin,
    generator: torch.Generator,
    differentiable: bool,
) -> Tensor:
    model = supports(energy, chain)
    if model is not None:
        return walk(model, start, chain, generator, differentiable)
    return _walk(energy, start, chain, generator, differentiable)


@dataclass(frozen=True)
class _Point:
    x: Tensor  # (B, F)
    energy: Tensor  # (B,)
    drift: Tensor  # (B, F): -step_size * grad E / T


def _walk(
    energy: Target,
    x: Tensor,
    chain: Langevin,
    generator: torch.Generator,
    differentiable: bool,
    steps: list[tuple[Tensor, Tensor]] | None = None,
) -> Tensor:
    if chain.spherical:
        x = _unit(x)
    here = _at(energy, x, chain.at(0), differentiable)
    for step in range(chain.steps):
        last = step == chain.steps - 1
        proposal = _move(here, chain.at(step), _noise(x, generator))
        allowed = _inside(proposal, chain)
        if chain.boundary == "clip":
            proposal = proposal.clamp(*chain.bounds)
        if chain.metropolis:
            there = _at(energy, proposal, chain, differentiable)
            allowed = allowed & _accepted(here, there, chain, generator)
            here = _choose(allowed, there, here)
        else:
            x = proposal if chain.boundary != "reject" else _pick(allowed, proposal, here.x)
        if steps is not None:
            steps.append((here.x if chain.metropolis else x, allowed))
        if not chain.metropolis:
            if last:  # K steps need K gradients, not K + 1
                return x
            here = _at(energy, x, chain.at(step + 1), differentiable)
    return here.x


def _at(energy: Target, x: Tensor, chain: Langevin, differentiable: bool) -> _Point:
    with torch.enable_grad():
        if not x.requires_grad:
            x = x.detach().requires_grad_()
        energies = _at_temperature(energy, chain.temperature)(x)
        if energies.shape != x.shape[:1]:
            raise ValueError(
                f"an energy gives one number a sample, shape {tuple(x.shape[:1])}; "
                f"got {tuple(energies.shape)}"
            )
        (gradient,) = torch.autograd.grad(energies.sum(), x, create_graph=differentiable)
        drift = _drift(x, gradient, chain)
    if differentiable:
        return _Point(x, energies, drift)
    return _Point(x.detach(), energies.detach(), drift.detach())


def _drift(x: Tensor, gradient: Tensor, chain: Langevin) -> Tensor:
    if chain.gradient_clip is not None:
        gradient = _clipped(gradient, chain.gradient_clip, chain.gradient_clip_rows)
    if chain.spherical:
        gradient = _tangent(x, gradient)
    return gradient * (-chain.drift_step / chain.temperature)


def _clipped(gradient: Tensor, greatest: float, rows: int) -> Tensor:
    """Each of `rows` equal parts of every gradient, cut to a norm."""
    if gradient.shape[1] % rows:
        raise ValueError(
            f"chain.gradient_clip_rows: {gradient.shape[1]} inputs do not make {rows} equal rows"
        )
    parts = gradient.reshape(len(gradient), rows, -1)
    norm = parts.norm(dim=2, keepdim=True)
    clipped: Tensor = parts * (greatest / norm.clamp_min(greatest))
    return clipped.reshape(gradient.shape)


def _noise(x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)


def _move(here: _Point, chain: Langevin, eps: Tensor) -> Tensor:
    if chain.spherical:
        return _unit(here.x + here.drift + chain.noise * _tangent(here.x, eps))
    return here.x + here.drift + chain.noise * eps


def _inside(x: Tensor, chain: Langevin) -> Tensor:
    """Which samples may be where they are; shape (B,)."""
    if chain.boundary != "reject":
        return torch.ones(len(x), dtype=torch.bool, device=x.device)
    low, high = chain.bounds
    return ((x >= low) & (x <= high)).all(dim=1)


def _accepted(here: _Point, there: _Point, chain: Langevin, generator: torch.Generator) -> Tensor:
    """u < pi(y) q(x|y) / (pi(x) q(y|x)), sample by sample; shape (B,)."""
    with torch.no_grad():
        log_target = (here.energy - there.energy) / chain.temperature
        log_forth = _log_proposal(here, there, chain)
        log_back = _log_proposal(there, here, chain)
        u = torch.rand(len(here.x), generator=generator, dtype=here.x.dtype, device=here.x.device)
        return u.log() < log_target + log_back - log_forth


def _log_proposal(origin: _Point, target: _Point, chain: Langevin) -> Tensor:
    """log q(target | origin) up to what cancels in the ratio; shape (B,).

    On the sphere the tangent step v from x to y is y / (x.y) - x, and the density of y is that
    of v times (x.y)**-F, which is symmetric in x and y.
    """
    step = target.x - origin.x
    if chain.spherical:
        cosine = (origin.x * target.x).sum(dim=1, keepdim=True)
        step = target.x / cosine - origin.x
    return -(step - origin.drift).square().sum(dim=1) / (2 * chain.noise**2)


def _choose(which: Tensor, yes: _Point, no: _Point) -> _Point:
    return _Point(
        _pick(which, yes.x, no.x),
        torch.where(which, yes.energy, no.energy),
        _pick(which, yes.drift, no.drift),
    )


def _pick(which: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    return torch.where(which.unsqueeze(1), yes, no)


def _unit(x: Tensor) -> Tensor:
    unit: Tensor = x / x.norm(dim=1, keepdim=True)
    return unit


def _tangent(x: Tensor, v: Tensor) -> Tensor:
    return v - (v * x).sum(dim=1, keepdim=True) * x
