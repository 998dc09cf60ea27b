"""The decision as layers that hls4ml has: a comparison becomes a dense layer and a cast.

    score >= t   <=>   score + 1 - t saturates to 1 in ufixed<1,1>, in steps of the score

The dense layer counts in steps of the score: its weight is 1 / LSB, its bias 1 - t. Where
thresholds are registers its bias is 1, and a second input of the project, t in steps of the score,
is subtracted before the cast.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from naetrigger.contracts.decision import without_decision
from naetrigger.contracts.fixed_point import Fixed, Overflow, fixed_for_range
from naetrigger.contracts.network import FixedPointNetwork, Node

REGISTERS = "thresholds"
BITS = Fixed(False, 1, 1, overflow=Overflow.SAT)


def outputs_of(network: FixedPointNetwork) -> list[str]:
    """Names of the nodes that leave a project: the score, then the decision where there is one."""
    return [network.output, *([network.decision] if network.decision else [])]


def comparisons_as_layers(network: FixedPointNetwork, registers: bool = False) -> FixedPointNetwork:
    """The network with its decision made of a dense node and a cast, of the same name.

    registers : thresholds come in; what lies between the two is :func:`add_registers`'
    """
    if network.decision is None:
        return network
    node = network[network.decision]
    assert node.weights is not None
    if registers:
        node = replace(node, weights=np.zeros_like(node.weights))
    plain = without_decision(network)
    return replace(plain, nodes=(*plain.nodes, *_layers(node, network.score_type, plain)))


def add_registers(
    layers: list[dict[str, Any]], config: dict[str, Any], score: Fixed, n: int
) -> str:
    """Put the input `thresholds` before the last layer, the decision's cast; the input's name.

    layers : hls4ml's layer list; config : its entries LayerName; n : thresholds
    """
    name, difference = REGISTERS, f"{REGISTERS}_difference"
    while name in config or difference in config:
        name, difference = f"{name}_", f"{difference}_"
    cast = layers[-1]
    low, high = score.min_mantissa, score.max_mantissa
    layers.insert(-1, {"class_name": "Merge", "op": "subtract", "name": difference})
    layers[-2] |= {"inputs": [cast["inputs"][0], name], "outputs": [difference]}
    cast["inputs"] = [difference]
    shape = {"input_shape": [n], "data_format": "channels_last"}
    layers.insert(1, {"name": name, "class_name": "InputLayer", **shape})
    reach = fixed_for_range(low + 1 - high, high + 1 - low, 0)
    for layer, kind in ((name, steps_of(score)), (difference, reach)):
        config[layer] = {"Precision": {"result": str(kind)}, "Trace": False}
    return name


def steps_of(score: Fixed) -> Fixed:
    """The integers of a score's mantissas."""
    return Fixed(score.signed, score.width, score.width, overflow=Overflow.WRAP)


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
        weights=np.ones_like(node.weights)[None],
        weight_type=one_step,
        bias=bias,
        bias_type=fixed_for_range(min(low, 0), max(high, 0), 0),
    )
    return steps, Node(node.name, "cast", (name,), node.size, BITS)
