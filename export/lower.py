"""From a trained student to the FixedPointNetwork that every target is written from.

Nothing is guessed and nothing pruned: weights become the mantissas of their formats, every
activation is one node with the format training gave it, and each sum between them gets the
narrowest format that holds it exactly (proved by intervals).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import MAX_WIDTH, Fixed, Overflow, fixed_for_range
from naetrigger.contracts.network import FixedPointNetwork, Node
from naetrigger.contracts.network_file import save_network
from naetrigger.contracts.score import evaluate
from naetrigger.export.student import INPUT, SCORE, Student, StudentLayer, read_student


def lower_student(folder: Path) -> FixedPointNetwork:
    """The network of the student in `folder`, also written to `folder`/network."""
    network = lower(read_student(folder))
    save_network(network, folder / "network")
    return network


def lower(student: Student) -> FixedPointNetwork:
    """The student in integers; while it has no score format, the score is the exact sum."""
    graph = _Graph()
    edges = {INPUT: graph.add(INPUT, "input", (), student.n_inputs, student.input_type)}
    x = edges[INPUT]
    for layer in student.layers:
        x = edges[layer.edge] = graph.layer(layer, x)
    output = evaluate(student.score.expression, edges, graph)
    scale = graph.node(output).type.lsb * student.score.factor(student.n_inputs)
    if student.score_type is not None:
        output = graph.add(SCORE, "cast", (output,), 1, student.score_type)
        scale = student.score_scale
    about = {
        "mode": student.mode,
        "score": student.score.name,
        "teacher_score": student.teacher_score,
        "columns": ",".join(student.columns),
    }
    network = FixedPointNetwork(tuple(graph.nodes), output, scale, about)
    return narrowed(network, graph.exact)


class _Graph:
    """Nodes as they come; also the algebra that reads a score into nodes, by their names.

    A node added without a format is exact: it gets the widest one there is, narrowed later.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.exact: set[str] = set()

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def add(self, name: str, op: str, inputs: tuple[str, ...], size: int, type: Fixed) -> str:
        self.nodes.append(Node(name, op, inputs, size, type))
        return name

    def add_exact(self, op: str, inputs: tuple[str, ...], size: int, fraction: int) -> str:
        name = f"score_{op}"
        if any(node.name == name for node in self.nodes):
            raise InputError(f"a score with two nodes '{op}' has no names for both")
        self.exact.add(name)
        return self.add(name, op, inputs, size, _widest(fraction))

    def layer(self, layer: StudentLayer, x: str) -> str:
        """A dense node, exact, and the node of its activation."""
        fraction = self.node(x).type.fraction + layer.weight_type.fraction
        dense = Node(
            name=layer.name,
            op="dense",
            inputs=(x,),
            size=layer.weights.shape[1],
            type=_widest(max(fraction, layer.bias_type.fraction)),
            weights=layer.weight_mantissas,
            weight_type=_stored(layer.weight_type),
            bias=layer.bias_mantissas,
            bias_type=_stored(layer.bias_type),
        )
        self.nodes.append(dense)
        self.exact.add(layer.name)
        if layer.type is None:
            return layer.name
        op = "relu" if layer.relu else "cast"
        return self.add(layer.edge, op, (layer.name,), dense.size, layer.type)

    def sub(self, left: str, right: str) -> str:
        fraction = max(self.node(left).type.fraction, self.node(right).type.fraction)
        return self.add_exact("sub", (left, right), self.node(left).size, fraction)

    def square(self, of: str) -> str:
        return self.add_exact("square", (of,), self.node(of).size, 2 * self.node(of).type.fraction)

    def abs(self, of: str) -> str:
        return self.add_exact("abs", (of,), self.node(of).size, self.node(of).type.fraction)

    def sum(self, of: str, weights: tuple[int, ...] | None) -> str:
        name = self.add_exact("sum", (of,), 1, self.node(of).type.fraction)
        if weights is not None:
            mantissas = np.array(weights, dtype=np.int64)
            kind = fixed_for_range(min(0, *weights), max(weights), 0)
            self.nodes[-1] = replace(self.nodes[-1], weights=mantissas, weight_type=kind)
        return name


def _widest(fraction: int) -> Fixed:
    return Fixed(True, MAX_WIDTH, MAX_WIDTH - fraction)


def _stored(type: Fixed) -> Fixed:
    """The format of a constant: its values are on the grid, so modes no longer matter."""
    return Fixed(type.signed, type.width, type.integer, overflow=Overflow.WRAP)


def narrowed(network: FixedPointNetwork, exact: set[str]) -> FixedPointNetwork:
    """Exact nodes get the narrowest format that holds every value they can take."""
    bounds = network.bounds()
    nodes = []
    for node in network.nodes:
        if node.name in exact:
            proved = bounds[node.name]
            kind = fixed_for_range(min(proved.low), max(proved.high), proved.fraction)
            node = replace(node, type=kind)
        nodes.append(node)
    return replace(network, nodes=tuple(nodes))
