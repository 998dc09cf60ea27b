"""Random fixed-point networks: every op, format and mode, at the places where engines can differ.

A number makes one network, always the same. Formats are chosen around the range that the interval
proof gives each exact result: sometimes all of it, sometimes too few bits at the top (it saturates
or wraps) or at the bottom (it rounds, with ties).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import (
    MAX_WIDTH,
    Fixed,
    Integers,
    Overflow,
    Rounding,
    fixed_for_range,
)
from naetrigger.contracts.network import FixedPointNetwork, Node
from naetrigger.export.rtl import DOUBLE_BITS, OVERFLOWS, ROUNDINGS

WIDEST_EDGE = 14  # of what is rounded; exact sums are as wide as they are
WIDEST_RESULT = 40
KERNELS = (*("random",) * 8, "ones", "powers", "powers", "sparse", "sparse", "shifted", "zeros")


@dataclass(frozen=True)
class Modes:
    """What the formats of a network may do."""

    roundings: tuple[Rounding, ...]
    overflows: tuple[Overflow, ...]


RTL_MODES = Modes(ROUNDINGS, OVERFLOWS)
ALL_MODES = Modes(tuple(Rounding), tuple(Overflow))


def random_network(number: int, modes: Modes = RTL_MODES, layers: int = 3) -> FixedPointNetwork:
    """The network of this number: up to `layers` dense layers, differences, and a score.

    One whose score hardly varies is drawn again, mostly; so is one that grows too wide.
    """
    rng = np.random.default_rng([number, len(modes.roundings)])
    while True:
        draft = _Draft(rng, modes)
        try:
            for _ in range(int(rng.integers(1, layers + 1))):
                draft.layer()
            network = draft.scored()
        except _TooWide:
            continue
        if rng.random() < 0.05 or len(np.unique(network.scores(draft.words(network)))) > 3:
            return network


def tie_inputs(network: FixedPointNetwork, n: int, rng: np.random.Generator) -> Integers:
    """Input words (<= n, F) that bring a rounded value of the first layers halfway between two.

    Found among random words: those whose exact results have the most ties.
    """
    kind = network.input.type
    words = rng.integers(
        kind.min_mantissa, kind.max_mantissa, (20 * n, network.input.size), np.int64, endpoint=True
    )
    edges, ties = network.trace(words), np.zeros(len(words))
    for node in network.nodes[1:]:
        exact, fraction = network._exact(node, edges)
        drop = fraction - node.type.fraction
        if 0 < drop < MAX_WIDTH:
            ties += (exact & ((1 << drop) - 1) == 1 << (drop - 1)).sum(axis=1)
    return words[np.argsort(-ties, kind="stable")[:n]]


class _TooWide(Exception):
    """No format was found for a node: its exact results need too many bits."""


class _Draft:
    """A network that grows; every node added is proved at once."""

    def __init__(
        self, rng: np.random.Generator, modes: Modes, nodes: list[Node] | None = None
    ) -> None:
        self.rng, self.modes = rng, modes
        self.nodes = nodes or [self._input()]

    def _input(self) -> Node:
        rng = self.rng
        width = int(rng.integers(1, 12))
        kind = Fixed(
            bool(rng.integers(2)),
            width,
            int(rng.integers(-1, width + 3)),
            Rounding.RND_CONV,
            Overflow.SAT,
        )
        return Node("x", "input", (), int(rng.integers(1, 9)), kind)

    @property
    def last(self) -> Node:
        return self.nodes[-1]

    def layer(self) -> None:
        """A dense node and what may follow it: relu, cast, square, abs, or a difference."""
        self.add(self._dense(int(self.rng.integers(1, 9))))
        partners = [node.name for node in self.nodes[:-1] if node.size == self.last.size]
        follow = [*("relu",) * 4, *("cast",) * 3, "abs", "square", "none"]
        follow += ["sub"] * 4 if partners else []
        op = str(self.rng.choice(follow))
        if op == "sub":
            pair = [str(self.rng.choice(partners)), self.last.name]
            self.rng.shuffle(pair)
            self.add(Node(f"n{len(self.nodes)}", "sub", tuple(pair), self.last.size, ANY))
        elif op != "none":
            source = self.last
            self.add(Node(f"n{len(self.nodes)}", op, (source.name,), source.size, ANY))

    def scored(self) -> FixedPointNetwork:
        """With a sum or a dense layer of one output, and sometimes a last cast."""
        source, name = self.last, f"n{len(self.nodes)}"
        if self.rng.random() < 0.3:
            self.add(self._dense(1))
        else:
            node = Node(name, "sum", (source.name,), 1, ANY)
            if self.rng.random() < 0.6:
                kind = Fixed(bool(self.rng.integers(2)), int(self.rng.integers(1, 6)), 2)
                node = replace(node, weights=self._mantissas(kind, (source.size,)))
                node = replace(node, weight_type=kind)
            self.add(node)
        if self.rng.random() < 0.5:
            self.add(Node(f"n{len(self.nodes)}", "cast", (self.last.name,), 1, ANY))
        return self.network()

    def network(self) -> FixedPointNetwork:
        nodes = self.nodes
        if nodes[-1].size != 1:  # for proofs alone
            total = Node("total", "sum", (nodes[-1].name,), 1, Fixed(True, MAX_WIDTH, MAX_WIDTH))
            nodes = [*nodes, replace(total, type=replace(total.type, overflow=Overflow.SAT))]
        return FixedPointNetwork(tuple(nodes), nodes[-1].name, 1.0, {}, wraps=True)

    def words(self, network: FixedPointNetwork) -> Integers:
        """A few random words of a network's input."""
        kind = network.input.type
        shape = (200, network.input.size)
        return self.rng.integers(kind.min_mantissa, kind.max_mantissa, shape, np.int64, True)

    def add(self, node: Node) -> None:
        """Append a node with a format near the exact results that random words give it."""
        exact, reached = self._exact_format(node)
        before = self.nodes
        for _ in range(50):
            self.nodes = [*before, replace(node, type=self._format(exact, reached))]
            try:
                proved = self.network().bounds()
            except InputError:
                continue
            if all(bounds.float_bits <= DOUBLE_BITS - 1 for bounds in proved.values()):
                return
        raise _TooWide(node.name)

    def _exact_format(self, node: Node) -> tuple[Fixed, int]:
        """The narrowest format of a node's exact results, and their integer bits as met."""
        wide = Fixed(True, MAX_WIDTH, MAX_WIDTH + 24, Rounding.TRN, Overflow.SAT)  # coarse: fits
        trial = _Draft(self.rng, self.modes, [*self.nodes, replace(node, type=wide)]).network()
        bounds, edges = trial.bounds()[node.name], trial.trace(self.words(trial))
        exact, fraction = trial._exact(trial[node.name], edges)
        narrowest = fixed_for_range(min(bounds.low), max(bounds.high), bounds.fraction)
        return narrowest, int(np.abs(exact).max()).bit_length() - fraction

    def _dense(self, size: int) -> Node:
        source = self.last
        kind = self._constants_format(8)
        node = Node(
            name=f"n{len(self.nodes)}",
            op="dense",
            inputs=(source.name,),
            size=size,
            type=ANY,
            weights=self._mantissas(kind, (source.size, size)),
            weight_type=kind,
        )
        if self.rng.random() < 0.2:
            return node
        bias = self._constants_format(10)
        near = source.type.fraction + kind.fraction - int(self.rng.integers(-2, 6))
        bias = replace(bias, integer=bias.width - near)
        return replace(node, bias=self._mantissas(bias, (size,)), bias_type=bias)

    def _constants_format(self, widest: int) -> Fixed:
        width = int(self.rng.integers(1, widest + 1))
        return Fixed(bool(self.rng.integers(2)), width, int(self.rng.integers(-2, width + 2)))

    def _mantissas(self, kind: Fixed, shape: tuple[int, ...]) -> Integers:
        low, high = kind.min_mantissa, kind.max_mantissa
        values = self.rng.integers(low, high, shape, np.int64, endpoint=True)
        match str(self.rng.choice(KERNELS)):
            case "zeros":
                values[...] = 0
            case "ones":
                values[...] = high if high else low
            case "powers":
                exponents = self.rng.integers(0, kind.width, shape)
                signs = np.where(self.rng.random(shape) < 0.5, -1, 1)
                values = np.clip(signs << exponents, low, high)
            case "sparse":
                values[self.rng.random(shape) < 0.7] = 0
            case "shifted":  # no odd mantissa: products off the grid of the weights
                values = values & ~np.int64(3)
        return np.clip(values, low, high)

    def _format(self, exact: Fixed, reached: int) -> Fixed:
        """A format near an exact one: all of it, or bits less at either end, or more."""
        rounding = self.modes.roundings[self.rng.integers(len(self.modes.roundings))]
        overflow = self.modes.overflows[self.rng.integers(len(self.modes.overflows))]
        signed = bool(exact.signed or self.rng.random() < 0.2)
        integer = exact.integer + (signed and not exact.signed)
        if exact.width <= WIDEST_RESULT and self.rng.random() < 0.3:
            return Fixed(signed, max(integer + exact.fraction, 1), integer, rounding, overflow)
        if self.rng.random() < 0.1:
            signed = not signed
        integer = reached + signed - int(self.rng.choice([-1, 0, 0, 1, 1, 2]))
        width = int(self.rng.integers(1 if self.rng.random() < 0.1 else 4, WIDEST_EDGE))
        return Fixed(
            signed, max(1, min(width, integer + exact.fraction + 1)), integer, rounding, overflow
        )


ANY = Fixed(True, 1, 1)  # until the node's own is chosen
