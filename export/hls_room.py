"""Room for rounding: edges and accumulators that have every bit which a cast behind them looks at.

ap_fixed rounds by the bit below the last one kept. Where a value has no such bit, as sums behind
weights that are all zero, its C++ ends the program by an assertion. More bits at the top of what
is cast change no number.
"""

from __future__ import annotations

from dataclasses import replace

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import MAX_WIDTH, Fixed, Rounding
from naetrigger.contracts.network import Bounds, FixedPointNetwork, Node

ACCUMULATING = ("dense", "sum", "conv", "avg_pool")


def with_room(network: FixedPointNetwork) -> tuple[FixedPointNetwork, dict[str, Bounds]]:
    """The network, its exact edges as wide as needed, and its bounds, accumulators likewise.

    Raises InputError where what is cast may saturate, so that more bits would change numbers.
    """
    bounds = network.bounds()
    edges = {node.name: node for node in network.nodes}
    for node in network.nodes[1:]:
        if node.type.rounding is Rounding.TRN or bounds[node.name].fraction <= node.type.fraction:
            continue
        if node.op in ACCUMULATING:
            of = bounds[node.name]
            accumulator = _lifted(of.accumulator, -node.type.fraction, node)
            bounds[node.name] = replace(of, accumulator=accumulator)
            continue
        sources = [edges[name] for name in node.inputs]
        if _integer_bits(node, sources) < -node.type.fraction:
            source = sources[0]
            if source.op == "input" or bounds[source.name].may_saturate:
                raise InputError(
                    f"hls: {node.name}: rounds {source.name}, {source.type}, to steps of "
                    f"2^{-node.type.fraction}, which are larger than all its values; widen "
                    f"{source.name} to {-node.type.fraction} integer bits"
                )
            kind = _lifted(source.type, -node.type.fraction, node)
            edges[source.name] = replace(source, type=kind)
    return replace(network, nodes=tuple(edges.values())), bounds


def _integer_bits(node: Node, sources: list[Node]) -> int:
    """Integer bits of what the C++ casts."""
    first = sources[0].type.integer
    constants = node.weight_type.integer if node.weight_type else 0
    match node.op:
        case "sub" | "add":
            return max(source.type.integer for source in sources) + 1
        case "square":
            return 2 * first
        case "scale":
            return first + constants
        case "table":
            return constants
        case "clip":
            return min(first, constants)
        case _:
            return first


def _lifted(kind: Fixed, integer: int, node: Node) -> Fixed:
    """A format with so many integer bits at least."""
    more = max(integer - kind.integer, 0)
    if kind.width + more > MAX_WIDTH:
        raise InputError(
            f"hls: {node.name}: rounds away {kind.width + more} bits, at most {MAX_WIDTH} are "
            "possible; give it more fraction bits"
        )
    return replace(kind, width=kind.width + more, integer=kind.integer + more)
