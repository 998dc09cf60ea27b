"""The decision as layers that hls4ml has: a comparison becomes a dense layer and a cast.

    score >= t   <=>   score + 1 - t saturates to 1 in ufixed<1,1>, in steps of the score

The dense layer counts in steps of the score: its weight is 1 / LSB, its bias 1 - t.
"""

from __future__ import annotations

from dataclasses import replace

from naetrigger.contracts.decision import without_decision
from naetrigger.contracts.fixed_point import Fixed, Overflow, fixed_for_range
from naetrigger.contracts.network import FixedPointNetwork, Node

BITS = Fixed(False, 1, 1, overflow=Overflow.SAT)


def outputs_of(network: FixedPointNetwork) -> list[str]:
    """Names of the nodes that leave a project: the score, then the decision where there is one."""
    return [network.output, *([network.decision] if network.decision else [])]


def comparisons_as_layers(network: FixedPointNetwork) -> FixedPointNetwork:
    """The network with its decision made of a dense node and a cast, of the same name."""
    if network.decision is None:
        return network
    node = network[network.decision]
    plain = without_decision(network)
    return replace(plain, nodes=(*plain.nodes, *_layers(node, network.score_type, plain)))


def _layers(node: Node, score: Fixed, network: FixedPointNetwork) -> tuple[Node, Node]:
    assert node.weights is not None
    name = f"{node.name}_steps"
    while any(other.name == name for other in network.nodes):
        name += "_"
    bias = 1 - node.weights
    low, high = int(bias.min()), int(bias.max())
    one_step = Fixed(False, 1, 1 + score.fraction, overflow=Overflow.WRAP)
    steps = Node(
        name=name,
        op="dense",
        inputs=node.inputs,
        size=node.size,
        type=fixed_for_range(score.min_mantissa + low, score.max_mantissa + high, 0),
        weights=(node.weights * 0 + 1)[None],
        weight_type=one_step,
        bias=bias,
        bias_type=fixed_for_range(min(low, 0), max(high, 0), 0),
    )
    return steps, Node(node.name, "cast", (name,), node.size, BITS)
