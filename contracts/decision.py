"""The trigger's decision: a network's score compared with thresholds, one bit a working point.

A bit fires where ``score >= threshold``, in score mantissas, as everywhere in naetrigger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Integers
from naetrigger.contracts.network import FixedPointNetwork, Node

BIT = Fixed(False, 1, 1)
MAX_BITS = 32  # bits of one decision word


def with_decision(network: FixedPointNetwork, thresholds: Sequence[int]) -> FixedPointNetwork:
    """The network with a bit for each threshold; without any, it decides nothing.

    Raises InputError for a threshold that no score reaches or that every score does, and for
    more than 32.
    """
    network = without_decision(network)
    if not thresholds:
        return network
    score = network.score_type
    problems = [
        f"threshold {threshold}: scores are {score.min_mantissa} to {score.max_mantissa}, so it "
        f"must be {score.min_mantissa + 1} to {score.max_mantissa}"
        for threshold in thresholds
        if not score.min_mantissa < threshold <= score.max_mantissa
    ]
    if len(thresholds) > MAX_BITS:
        problems.append(f"{len(thresholds)} thresholds; at most {MAX_BITS} make one word")
    if problems:
        raise InputError("decision: " + "; ".join(problems))
    node = Node(
        name=_free_name(network, "decision"),
        op="above",
        inputs=(network.output,),
        size=len(thresholds),
        type=BIT,
        weights=np.array(thresholds, np.int64),
        weight_type=score,
    )
    return replace(network, nodes=(*network.nodes, node), decision=node.name)


def without_decision(network: FixedPointNetwork) -> FixedPointNetwork:
    """The network up to its score."""
    nodes = tuple(node for node in network.nodes if node.name != network.decision)
    return replace(network, nodes=nodes, decision=None)


def decision_words(bits: Integers) -> Integers:
    """Bits (N, K) as one integer an event, shape (N,): bit k stands for threshold k."""
    bits = np.asarray(bits, np.int64)
    if bits.ndim != 2 or bits.shape[1] > MAX_BITS:
        raise InputError(f"decision: bits must have shape (N, K), K at most {MAX_BITS}")
    words: Integers = (bits << np.arange(bits.shape[1])).sum(axis=1)
    return words


def _free_name(network: FixedPointNetwork, name: str) -> str:
    taken = {node.name for node in network.nodes}
    while name in taken:
        name += "_"
    return name
