"""Langevin chains of Linear/ReLU autoencoders without autograd inside: the fast path.

With E(x) = |x - f(x)|^2 / D, r = x - f(x) and f piecewise linear with Jacobian J,

    grad E = c (r - J^T r),   c = 2 / D,

is one pass forward (layer inputs h_l) and one back (v_l, which starts as r). For the adjoint
l of a chain's end, S = l . grad E = c (l - J l) . r has, with t_l the tangents of l going
forward, u = c (l - J l) and s_l the pass back of -u,

    dS/dx = u - J^T u,   dS/dW_l = s_l h_l^T - c v_l t_l^T,   dS/db_l = s_l.

So one step costs two passes and its adjoint two more; nothing is recomputed, and the memory is
that of K times the layers. Small networks go on to a compiled kernel (`fused_chain`).
`langevin` comes here by itself for what `supports` allows; the tests hold it equal to autograd.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from naetrigger.training.fused_chain import fits, fused_walk
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.settings import Langevin


def supports(energy: object, chain: Langevin) -> Autoencoder | None:
    """The autoencoder behind `energy` if this file can walk the chain, else none."""
    model = getattr(energy, "__self__", None)
    if not isinstance(model, Autoencoder) or getattr(energy, "__func__", None) is not (
        Autoencoder.energy
    ):
        return None
    if chain.metropolis or chain.spherical or chain.annealed or chain.gradient_clip is not None:
        return None
    if model.score.name != "squared_error":
        return None
    try:
        plain = all(layer.activation in ("relu", "linear") for layer in model.layers)
    except TypeError:
        return None
    return model if plain else None


def walk(
    model: Autoencoder,
    start: Tensor,
    chain: Langevin,
    generator: torch.Generator,
    differentiable: bool,
) -> Tensor:
    """The ends of chains from `start`, shape (B, F); the gradient reaches weights and start."""
    layers = model.layers
    relu = [layer.activation == "relu" for layer in layers]
    weights: list[Tensor] = [layer.linear.weight for layer in layers]
    biases: list[Tensor] = [layer.linear.bias for layer in layers]
    if fits(weights, start, chain):
        return fused_walk(start, chain, generator, relu, weights, biases, differentiable)
    if not differentiable:
        stack = _Stack([w.detach() for w in weights], [b.detach() for b in biases], relu)
        return _forward(stack, start.detach(), chain, generator, None)
    ends: Tensor = _Walk.apply(start, chain, generator, relu, *weights, *biases)  # type: ignore[no-untyped-call]
    return ends


@dataclass(frozen=True)
class _Stack:
    weights: list[Tensor]  # (out, in) each
    biases: list[Tensor]
    relu: list[bool]  # whether a ReLU follows

    @property
    def c(self) -> float:
        return 2.0 / self.weights[0].shape[1]


@dataclass(frozen=True)
class _Pass:
    """What the adjoint of one step needs."""

    h: list[Tensor]  # inputs of every layer, then the output
    v: list[Tensor]  # behind every layer's activation, going back
    kept: Tensor | None  # where the step went as proposed: (B, F) clip, (B, 1) reject


def _forward(
    stack: _Stack,
    x: Tensor,
    chain: Langevin,
    generator: torch.Generator,
    passes: list[_Pass] | None,
) -> Tensor:
    low, high = chain.bounds
    scale = -chain.drift_step / chain.temperature
    for _ in range(chain.steps):
        gradient, h, v = _energy_gradient(stack, x)
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        proposal = torch.add(x, noise, alpha=chain.noise).add_(gradient, alpha=scale)
        kept = None
        if chain.boundary == "clip":
            x = proposal.clamp(low, high)
            kept = (x == proposal) if passes is not None else None
        elif chain.boundary == "reject":
            kept = ((proposal >= low) & (proposal <= high)).all(dim=1, keepdim=True)
            x = torch.where(kept, proposal, x)
        else:
            x = proposal
        if passes is not None:
            passes.append(_Pass(h, v, kept))
    return x


def _energy_gradient(stack: _Stack, x: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    h = [x]
    for weight, bias, relu in zip(stack.weights, stack.biases, stack.relu, strict=True):
        out = torch.addmm(bias, h[-1], weight.t())
        h.append(out.clamp_min_(0) if relu else out)
    r = x - h[-1]
    v, back = [], r
    for layer in range(len(stack.weights) - 1, -1, -1):
        back = _through_relu(back, h[layer + 1]) if stack.relu[layer] else back
        v.append(back)
        back = back @ stack.weights[layer]
    return (r - back).mul_(stack.c), h, v[::-1]


def _through_relu(gradient: Tensor, output: Tensor) -> Tensor:
    passed: Tensor = torch.ops.aten.threshold_backward(gradient, output, 0)
    return passed


class _Walk(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        start: Tensor,
        chain: Langevin,
        generator: torch.Generator,
        relu: list[bool],
        *parameters: Tensor,
    ) -> Tensor:
        stack = _stack(parameters, relu)
        ctx.passes = []
        ctx.chain, ctx.relu = chain, relu
        ctx.save_for_backward(*parameters)
        return _forward(stack, start, chain, generator, ctx.passes)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, adjoint: Tensor) -> tuple[Tensor | None, ...]:
        stack = _stack(ctx.saved_tensors, ctx.relu)
        weights = [torch.zeros_like(w) for w in stack.weights]
        biases = [torch.zeros_like(b) for b in stack.biases]
        eta = ctx.chain.drift_step / ctx.chain.temperature
        for step in reversed(ctx.passes):
            moved = adjoint if step.kept is None else adjoint * step.kept
            slope = _adjoint_step(stack, step, moved, eta, weights, biases)
            stayed = adjoint - moved if ctx.chain.boundary == "reject" else 0
            adjoint = stayed + moved - eta * slope
        return adjoint, None, None, None, *weights, *biases


def _stack(parameters: tuple[Tensor, ...], relu: list[bool]) -> _Stack:
    n = len(relu)
    return _Stack(list(parameters[:n]), list(parameters[n:]), relu)


def _adjoint_step(
    stack: _Stack,
    step: _Pass,
    adjoint: Tensor,
    eta: float,
    weights: list[Tensor],
    biases: list[Tensor],
) -> Tensor:
    """dS/dx for S = adjoint . grad E; adds -eta dS/dW and -eta dS/db to weights and biases."""
    t = [adjoint]
    for layer, weight in enumerate(stack.weights):
        out = t[-1] @ weight.t()
        t.append(_through_relu(out, step.h[layer + 1]) if stack.relu[layer] else out)
    u = (adjoint - t[-1]).mul_(stack.c)
    s = -u
    for layer in range(len(stack.weights) - 1, -1, -1):
        s = _through_relu(s, step.h[layer + 1]) if stack.relu[layer] else s
        weights[layer].addmm_(s.t(), step.h[layer], alpha=-eta)
        weights[layer].addmm_(step.v[layer].t(), t[layer], alpha=eta * stack.c)
        biases[layer].add_(s.sum(dim=0), alpha=-eta)
        s = s @ stack.weights[layer]
    return u.add_(s)
