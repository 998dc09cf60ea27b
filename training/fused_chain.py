"""The chains of `chain.py` in one compiled kernel: small networks on the CPU.

Same formulas, same random numbers, results equal to rounding. The kernel keeps a tile of rows in
the processor's cache through all steps; a network too wide for that is left to matrix products.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import torch
from torch import Tensor

from naetrigger.training.kernels.library import kernel_library
from naetrigger.training.settings import Langevin

REALS = {torch.float32: "float", torch.float64: "double"}
MOST_UNITS = 768  # inputs and all layers' outputs together; wider ones outgrow the cache


def fits(weights: list[Tensor], start: Tensor, chain: Langevin) -> bool:
    """Whether the kernel is there and this chain is for it."""
    units = weights[0].shape[1] + sum(len(w) for w in weights)
    if units > MOST_UNITS or chain.boundary == "reject" or start.dtype not in REALS:
        return False
    alike = all(t.dtype == start.dtype and t.device.type == "cpu" for t in (start, *weights))
    return alike and _kernel(start.dtype) is not None


def fused_walk(
    start: Tensor,
    chain: Langevin,
    generator: torch.Generator,
    relu: list[bool],
    weights: list[Tensor],
    biases: list[Tensor],
    differentiable: bool,
) -> Tensor:
    """The ends of the chains, shape (B, F); the gradient reaches start, weights and biases."""
    arguments = (start, chain, generator, relu, *weights, *biases)
    if differentiable:
        ends: Tensor = _FusedWalk.apply(*arguments)  # type: ignore[no-untyped-call]
        return ends
    with torch.no_grad():
        return _points(start, chain, generator, _Network(relu, weights, biases))[-1]


class _FusedWalk(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        start: Tensor,
        chain: Langevin,
        generator: torch.Generator,
        relu: list[bool],
        *parameters: Tensor,
    ) -> Tensor:
        n = len(relu)
        points = _points(
            start, chain, generator, _Network(relu, list(parameters[:n]), list(parameters[n:]))
        )
        ctx.chain, ctx.relu = chain, relu
        ctx.save_for_backward(points, *parameters)
        return points[-1]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, adjoint: Tensor) -> tuple[Tensor | None, ...]:
        points, *parameters = ctx.saved_tensors
        n = len(ctx.relu)
        network = _Network(ctx.relu, parameters[:n], parameters[n:])
        to_start = adjoint.contiguous().clone()
        gradients = [torch.zeros_like(p, memory_format=torch.contiguous_format) for p in parameters]
        _call(
            "chain_backward",
            points.dtype,
            *network.arguments,
            points.shape[1],
            *_walk_arguments(ctx.chain),
            points.data_ptr(),
            to_start.data_ptr(),
            _pointers(gradients[:n]),
            _pointers(gradients[n:]),
        )
        return to_start, None, None, None, *gradients


class _Network:
    """A stack of layers as the kernel takes it; holds the tensors while it is in use."""

    def __init__(self, relu: list[bool], weights: list[Tensor], biases: list[Tensor]) -> None:
        self.weights = [w.detach().contiguous() for w in weights]
        self.biases = [b.detach().contiguous() for b in biases]
        widths = [self.weights[0].shape[1], *(len(w) for w in self.weights)]
        self.arguments = (
            len(relu),
            (ctypes.c_int * len(widths))(*widths),
            (ctypes.c_int * len(relu))(*relu),
            _pointers(self.weights),
            _pointers(self.biases),
        )


def _points(
    start: Tensor, chain: Langevin, generator: torch.Generator, network: _Network
) -> Tensor:
    """All points of the chains, shape (K + 1, B, F), the starts first."""
    shape = (chain.steps + 1, *start.shape)
    points = torch.empty(shape, dtype=start.dtype)
    points[0] = start
    noise = torch.empty((chain.steps, *start.shape), dtype=start.dtype)
    for step in noise:  # one call a step, as the other paths draw it
        torch.randn(step.shape, generator=generator, out=step)
    noise.mul_(chain.noise)
    _call(
        "chain_forward",
        points.dtype,
        *network.arguments,
        len(start),
        *_walk_arguments(chain),
        noise.data_ptr(),
        points.data_ptr(),
    )
    return points


def _walk_arguments(chain: Langevin) -> tuple[int, float, float, float]:
    """Steps, step size over temperature, and the box."""
    low, high = chain.bounds if chain.boundary == "clip" else (-float("inf"), float("inf"))
    return chain.steps, chain.drift_step / chain.temperature, low, high


def _pointers(tensors: list[Tensor]) -> Any:
    return (ctypes.c_void_p * len(tensors))(*(t.data_ptr() for t in tensors))


def _call(function: str, dtype: torch.dtype, *arguments: Any) -> None:
    library = _kernel(dtype)
    assert library is not None  # `fits` has seen it
    getattr(library, function)(*arguments)


@functools.cache
def _kernel(dtype: torch.dtype) -> ctypes.CDLL | None:
    library = kernel_library("chain", f"REAL={REALS[dtype]}")
    if library is None:
        return None
    array: Any = ctypes.c_void_p
    real: Any = ctypes.c_float if dtype == torch.float32 else ctypes.c_double
    network: list[Any] = [ctypes.c_int, array, array, array, array]
    walk: list[Any] = [ctypes.c_int64, ctypes.c_int, real, real, real]
    library.chain_forward.argtypes = [*network, *walk, array, array]
    library.chain_backward.argtypes = [*network, *walk, array, array, array, array]
    library.chain_forward.restype = library.chain_backward.restype = None
    return library
