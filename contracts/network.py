"""FixedPointNetwork: integer weights and a number format on every edge, the score's included.

Every target (hls4ml, RTL, ONNX) is written from this one object, and this engine, in pure
integers or in floats proved to hold them, is what they must equal to the last bit. A node computes
its exact result from the mantissas of its inputs and casts it once into its own format
(``Node.type``).

=========  ======================================================  ============================
op         exact result                                            inputs
=========  ======================================================  ============================
input      the mantissas given, in the input format                none
dense      ``x @ weights + bias``                                  x (n_in) -> (n_out)
relu       ``max(x, 0)``                                           x
cast       ``x``                                                   x
sub        ``a - b``                                               a, b of one size
square     ``x * x``                                               x
abs        ``|x|``                                                 x
sum        ``sum_i weights_i x_i`` (no weights: all ones)          x (n) -> (1)
above      1 where ``x >= weights``, else 0                        x (1) -> (n_out)
=========  ======================================================  ============================

Convolutions, poolings, tables and further layers stand in layer_ops.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.contracts.exact_floats import FLOAT64_BITS, ExactFloats, exact_floats
from naetrigger.contracts.fixed_point import (
    Fixed,
    Integers,
    Overflow,
)
from naetrigger.contracts.intervals import Bounds, bounds_of
from naetrigger.contracts.layer_ops import LAYER_OPS
from naetrigger.contracts.spatial_ops import cut_sum
from naetrigger.contracts.well_formed import ill_formed
from naetrigger.contracts.window import Shape, Window

__all__ = ["Bounds", "FixedPointNetwork", "Node"]


@dataclass(frozen=True)
class Node:
    """One node and the edge that leaves it.

    size : number of values on the edge
    type : their format
    weights : mantissas, (n_in, n_out) for dense, (n_in,) or None for sum, (n_out,) for above
    bias : mantissas, (n_out,), or None
    shape : (height, width, channels) or the like of the values; () for a plain vector
    window : of a convolution or a pooling
    axes : order of a transpose
    cut : fraction bits that each product of a dense or conv, and its bias, is cut to before the
        sum, as an accumulator of hls4ml does; None: nothing is cut
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    size: int
    type: Fixed
    weights: Integers | None = None
    weight_type: Fixed | None = None
    bias: Integers | None = None
    bias_type: Fixed | None = None
    shape: Shape = ()
    window: Window | None = None
    axes: tuple[int, ...] = ()
    cut: int | None = None

    @property
    def dims(self) -> Shape:
        """Shape of the values on the edge."""
        return self.shape or (self.size,)


@dataclass(frozen=True)
class FixedPointNetwork:
    """Nodes in topological order, the first an input, the score among them.

    output : name of the node that is the score, of size 1
    score_scale : score as float = score_scale * score as integer mantissa
    about : names and provenance (input spec, columns, score), strings only
    decision : name of the node 'above' that compares the score with the thresholds of the
        trigger, one bit a working point; None: the network decides nothing
    wraps : formats that wrap may overflow, as they do in the model it was imported from; without,
        bounds() refuses a format that could
    """

    nodes: tuple[Node, ...]
    output: str
    score_scale: float
    about: Mapping[str, str] = field(default_factory=dict)
    decision: str | None = None
    wraps: bool = False

    def __post_init__(self) -> None:
        problems = ill_formed(self)
        if problems:
            raise InputError("network: " + "; ".join(problems))

    def __getitem__(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        known = [node.name for node in self.nodes]
        raise KeyError(f"no node '{name}'{suggestion(name, known)}")

    @property
    def input(self) -> Node:
        return self.nodes[0]

    @property
    def score_type(self) -> Fixed:
        return self[self.output].type

    @property
    def thresholds(self) -> tuple[int, ...]:
        """Score mantissas from which on each bit of the decision fires; empty without one."""
        if self.decision is None:
            return ()
        weights = self[self.decision].weights
        assert weights is not None
        return tuple(weights.tolist())

    @property
    def multiplications(self) -> int:
        """Weights that are neither zero nor a power of two, plus squares; of an image, each use."""
        products = 0
        for node in self.nodes:
            if node.op == "square":
                products += node.size
            elif node.weights is not None and node.op not in ("above", "clip", "table"):
                magnitude = np.abs(node.weights)
                uses = math.prod(node.dims[:-1])
                products += uses * int(np.count_nonzero(magnitude & (magnitude - 1)))
        return products

    def trace(self, inputs: Integers) -> dict[str, Integers]:
        """Mantissas on every edge for input mantissas of shape (N, F), in integers alone.

        Raises InputError for inputs outside their format, and for a network whose exact results
        could leave 63 bits.
        """
        return self._edges(self._checked(inputs))

    def _checked(self, inputs: Integers) -> Integers:
        first = self.input
        if np.asarray(inputs).dtype.kind not in "iu":
            raise InputError(
                f"network: inputs must be integer mantissas: {np.asarray(inputs).dtype}"
            )
        inputs = np.asarray(inputs, dtype=np.int64)
        if inputs.ndim != 2 or inputs.shape[1] != first.size:
            raise InputError(f"network: inputs must have shape (N, {first.size}): {inputs.shape}")
        if inputs.size and (
            inputs.min() < first.type.min_mantissa or inputs.max() > first.type.max_mantissa
        ):
            raise InputError(f"network: an input mantissa is outside {first.type}")
        _ = self._proof  # int64 overflows in silence, so its room is proved first
        return inputs

    def _edges(self, inputs: Integers) -> dict[str, Integers]:
        edges = {self.input.name: inputs}
        for node in self.nodes[1:]:
            exact, fraction = self._exact(node, edges)
            edges[node.name] = node.type.cast(exact, fraction)
        return edges

    def scores(self, inputs: Integers, chunk: int = 65536) -> Integers:
        """Score mantissas, shape (N,), for input mantissas of shape (N, F).

        In floats where they are proved exact, several times faster than :meth:`trace`.
        """
        inputs = self._checked(inputs)
        if self._floats is not None:
            return self._floats.scores(inputs)
        parts = [
            self._edges(inputs[start : start + chunk])[self.output][:, 0]
            for start in range(0, max(len(inputs), 1), chunk)
        ]
        return np.concatenate(parts)

    def decisions(self, inputs: Integers) -> Integers:
        """Bits of the decision, 0 or 1, shape (N, K), for input mantissas of shape (N, F)."""
        thresholds = np.array(self.thresholds, np.int64)
        return (self.scores(inputs)[:, None] >= thresholds).astype(np.int64)

    def saturation(self, inputs: Integers) -> dict[str, float]:
        """Fraction of events with at least one saturated or wrapped value, for each edge."""
        _, beyond = self.overflows(inputs)
        found = {name: float(mask.any(axis=1).mean()) for name, mask in beyond.items()}
        return {node.name: found.get(node.name, 0.0) for node in self.nodes[1:]}

    def overflows(
        self, inputs: Integers
    ) -> tuple[dict[str, Integers], dict[str, npt.NDArray[np.bool_]]]:
        """What :meth:`trace` gives, and of each edge that can overflow where it does, (N, size)."""
        edges, beyond = {self.input.name: self._checked(inputs)}, {}
        proved, _ = self._proof
        for node in self.nodes[1:]:
            exact, fraction = self._exact(node, edges)
            edges[node.name] = node.type.cast(exact, fraction)
            if proved[node.name].may_saturate:
                beyond[node.name] = node.type.saturates(exact, fraction)
        return edges, beyond

    def bounds(self, *, wraps: bool | None = None) -> dict[str, Bounds]:
        """Interval proof for every node; raises InputError naming what cannot be proved.

        wraps : whether a format may overflow and wrap; None: as the network says
        """
        proved, wrapping = self._proof
        if wrapping and not (self.wraps if wraps is None else wraps):
            raise InputError("network: " + "; ".join(wrapping))
        return dict(proved)

    @cached_property
    def _proof(self) -> tuple[dict[str, Bounds], list[str]]:
        """Bounds of every node, and a sentence for each format that can overflow and wrap.

        Raises InputError where an exact result or a partial sum could leave 63 bits.
        """
        proved: dict[str, Bounds] = {}
        ranges: dict[str, tuple[list[int], list[int]]] = {}
        problems = []
        for node in self.nodes:
            bounds = bounds_of(node, self, ranges)
            if bounds.may_saturate and node.type.overflow is Overflow.WRAP:
                problems.append(
                    f"{node.name}: {node.type} can overflow and wrap (exact range "
                    f"{min(bounds.low)} to {max(bounds.high)} * 2^-{bounds.fraction}); "
                    "widen it or let it saturate"
                )
            ends = (np.array([*bounds.low], dtype=object), np.array([*bounds.high], dtype=object))
            low, high = (
                node.type.cast(end.astype(np.int64), bounds.fraction).tolist() for end in ends
            )
            if bounds.may_saturate and node.type.overflow not in (Overflow.SAT, Overflow.SAT_SYM):
                low = [node.type.min_mantissa] * node.size
                high = [node.type.max_mantissa] * node.size
            ranges[node.name] = (low, high)
            proved[node.name] = bounds
        return proved, problems

    @cached_property
    def _floats(self) -> ExactFloats | None:
        proved, wrapping = self._proof
        return exact_floats(self, proved, bool(wrapping))

    def _exact(self, node: Node, edges: Mapping[str, Integers]) -> tuple[Integers, int]:
        values = [edges[name] for name in node.inputs]
        if node.op in LAYER_OPS:
            return LAYER_OPS[node.op].exact(node, [self[name] for name in node.inputs], values)
        fractions = [self[name].type.fraction for name in node.inputs]
        return _exact(node, values, fractions)


def _exact(node: Node, values: list[Integers], fractions: list[int]) -> tuple[Integers, int]:
    """The exact result of a node and its fraction bits."""
    x, fraction = values[0], fractions[0]
    match node.op:
        case "dense":
            return _dense(node, x, fraction)
        case "relu":
            return np.maximum(x, 0), fraction
        case "cast":
            return x, fraction
        case "sub":
            common = max(fractions)
            left, right = (v << (common - f) for v, f in zip(values, fractions, strict=True))
            return left - right, common
        case "square":
            return x * x, 2 * fraction
        case "abs":
            return np.abs(x), fraction
        case "sum":
            if node.weights is None:
                return x.sum(axis=1, keepdims=True), fraction
            assert node.weight_type is not None
            return (x @ node.weights)[:, None], fraction + node.weight_type.fraction
        case "above":
            assert node.weights is not None
            return (x >= node.weights).astype(np.int64), 0
        case _:
            raise InputError(f"network: {node.name}: unknown op '{node.op}'")


def _dense(node: Node, x: Integers, fraction: int) -> tuple[Integers, int]:
    assert node.weights is not None
    assert node.weight_type is not None
    fraction += node.weight_type.fraction
    if node.cut is not None:
        return cut_sum(x, node.weights, node, fraction), node.cut
    largest = int(np.abs(node.weights).sum(axis=0).max(initial=0)) * int(np.abs(x).max(initial=0))
    if largest < 2**FLOAT64_BITS:  # every partial sum is an exact integer: BLAS is allowed
        total = (x.astype(np.float64) @ node.weights.astype(np.float64)).astype(np.int64)
    else:
        total = x @ node.weights
    if node.bias is None:
        return total, fraction
    assert node.bias_type is not None
    common = max(fraction, node.bias_type.fraction)
    shifted = node.bias << (common - node.bias_type.fraction)
    return (total << (common - fraction)) + shifted, common
