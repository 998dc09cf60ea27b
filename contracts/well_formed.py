"""What makes a fixed-point network ill-formed: names, order, sizes, formats of its nodes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from naetrigger.contracts.layer_ops import LAYER_OPS

if TYPE_CHECKING:
    from naetrigger.contracts.network import FixedPointNetwork, Node

OPERANDS = {
    "input": 0,
    "dense": 1,
    "relu": 1,
    "cast": 1,
    "sub": 2,
    "square": 1,
    "abs": 1,
    "sum": 1,
    "above": 1,
}
MAX_SIZE = 65536


def ill_formed(network: FixedPointNetwork) -> list[str]:
    """Everything that is wrong with a network, a sentence each; empty if it can be computed."""
    problems: list[str] = []
    sizes: dict[str, int] = {}
    fractions: dict[str, int] = {}
    known: dict[str, Node] = {}
    operands = OPERANDS | {name: op.operands for name, op in LAYER_OPS.items()}
    if not network.nodes or network.nodes[0].op != "input":
        return ["the first node must be the input"]
    for index, node in enumerate(network.nodes):
        where = node.name
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", node.name):
            problems.append(f"'{where}' is no name (letters, digits and _)")
        if node.name in sizes:
            problems.append(f"{where}: the name stands twice")
        if node.op not in operands or (node.op == "input") != (index == 0):
            problems.append(f"{where}: op '{node.op}' is not possible here")
            continue
        if len(node.inputs) != operands[node.op]:
            problems.append(f"{where}: {node.op} takes {operands[node.op]} inputs")
            continue
        missing = [name for name in node.inputs if name not in sizes]
        if missing:
            problems.append(f"{where}: input {', '.join(missing)} does not come before it")
            continue
        problems.extend(f"{where}: {text}" for text in _node_problems(node, sizes))
        if node.op in LAYER_OPS and 1 <= node.size <= MAX_SIZE:
            sources = [known[name] for name in node.inputs]
            found = LAYER_OPS[node.op].all_problems(node, sources)
            problems.extend(f"{where}: {text}" for text in found)
        known[node.name] = node
        thresholds = node.weight_type if node.op == "above" else None
        if thresholds is not None and thresholds.fraction != fractions[node.inputs[0]]:
            problems.append(f"{where}: thresholds must have the fraction bits of its input")
        sizes[node.name], fractions[node.name] = node.size, node.type.fraction
    if not (math.isfinite(network.score_scale) and network.score_scale > 0):
        problems.append(f"score_scale must be positive and finite, got {network.score_scale}")
    if sizes.get(network.output) != 1:
        problems.append(f"the output '{network.output}' must be a node of size 1")
    return problems + _decision_problems(network)


def _decision_problems(network: FixedPointNetwork) -> list[str]:
    if network.decision is None:
        return []
    found = [node for node in network.nodes if node.name == network.decision]
    if not found or found[0].op != "above" or found[0].inputs != (network.output,):
        return [
            f"the decision '{network.decision}' must be a node 'above' of the output "
            f"'{network.output}'"
        ]
    return []


def _node_problems(node: Node, sizes: Mapping[str, int]) -> list[str]:
    problems = []
    operands = [sizes[name] for name in node.inputs]
    if not 1 <= node.size <= MAX_SIZE:
        problems.append(f"size must be 1 to {MAX_SIZE}, got {node.size}")
    if node.cut is not None and node.op not in ("dense", "conv"):
        problems.append(f"{node.op} has no products to cut")
    if node.cut is not None and abs(node.cut) > 512:
        problems.append(f"cut to {node.cut} fraction bits is out of range (512)")
    if node.shape and (math.prod(node.shape) != node.size or min(node.shape) < 1):
        problems.append(f"shape {node.shape} does not hold {node.size} values")
    if node.op in LAYER_OPS:
        return problems + _constant_problems(node)
    if node.window is not None or node.axes:
        problems.append(f"{node.op} takes neither window nor axes")
    if node.weights is not None and node.op not in ("dense", "sum", "above"):
        problems.append(f"{node.op} takes no weights")
    if node.bias is not None and node.op != "dense":
        problems.append(f"{node.op} takes no bias")
    if node.op == "dense":
        if node.weights is None or node.weights.shape != (operands[0], node.size):
            problems.append(f"weights must have shape ({operands[0]}, {node.size})")
        if node.bias is not None and node.bias.shape != (node.size,):
            problems.append(f"bias must have shape ({node.size},)")
    elif node.op == "sum":
        if node.size != 1:
            problems.append("a sum has size 1")
        if node.weights is not None and node.weights.shape != (operands[0],):
            problems.append(f"weights must have shape ({operands[0]},)")
    elif node.op == "above":
        if operands[0] != 1:
            problems.append(f"above compares one value, not {operands[0]}")
        if node.weights is None or node.weights.shape != (node.size,):
            problems.append(f"weights, the thresholds, must have shape ({node.size},)")
        if (node.type.signed, node.type.width, node.type.integer) != (False, 1, 1):
            problems.append(f"above gives bits, ufixed<1,1>, not {node.type}")
    elif any(size != node.size for size in operands):
        problems.append(f"size {node.size} does not fit its inputs' {operands}")
    return problems + _constant_problems(node)


def _constant_problems(node: Node) -> list[str]:
    """Of weights and bias against their formats."""
    problems = []
    for name, values, kind in (
        ("weights", node.weights, node.weight_type),
        ("bias", node.bias, node.bias_type),
    ):
        if (values is None) != (kind is None):
            problems.append(f"{name} and their format go together")
        elif values is not None and kind is not None and values.size:
            if values.dtype != np.int64:
                problems.append(f"{name} must be int64 mantissas, got {values.dtype}")
            elif values.min() < kind.min_mantissa or values.max() > kind.max_mantissa:
                problems.append(f"{name} leave their format {kind}")
    return problems
