"""Scores in floats are those in integers, wherever floats are said to be exact."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naetrigger.contracts.exact_floats import ROWS
from naetrigger.contracts.fixed_point import Fixed, Integers, Overflow, Rounding
from naetrigger.contracts.network import FixedPointNetwork, Node

ROUNDINGS = (Rounding.TRN, Rounding.RND, Rounding.RND_CONV)


def autoencoder(
    seed: int, weight_bits: int = 6, score: str = "square", wide: int = 0, hidden: int = 5
) -> FixedPointNetwork:
    """A random network with every op, rounding mode and saturation; `wide` bits more at the end."""
    rng = np.random.default_rng(seed)
    edge = Fixed(True, int(rng.integers(5, 12)), 4, Rounding.RND_CONV, Overflow.SAT)
    rounding = [ROUNDINGS[i] for i in rng.integers(0, 3, 6)]
    weights = Fixed(True, weight_bits, 1)

    def dense(name: str, source: str, n_in: int, n_out: int, bias: bool) -> Node:
        high = 2 ** (weight_bits - 1)
        return Node(
            name,
            "dense",
            (source,),
            n_out,
            Fixed(True, 40, 14),
            weights=rng.integers(-high, high, (n_in, n_out)),
            weight_type=weights,
            bias=rng.integers(-256, 256, n_out) if bias else None,
            bias_type=Fixed(True, 10, 4) if bias else None,
        )

    nodes = (
        Node("x", "input", (), 4, edge),
        dense("d0", "x", 4, hidden, True),
        Node("a0", "relu", ("d0",), hidden, Fixed(False, 7, 3, rounding[0], Overflow.SAT)),
        dense("d1", "a0", hidden, 4, False),
        Node("out", "cast", ("d1",), 4, replace(edge, rounding=rounding[1])),
        Node("diff", "sub", ("x", "out"), 4, Fixed(True, 14, 6, rounding[2], Overflow.SAT_SYM)),
        Node("cost", score, ("diff",), 4, Fixed(False, 34, 14, rounding[3], Overflow.SAT)),
        Node(
            "sum",
            "sum",
            ("cost",),
            1,
            Fixed(False, 40 + wide, 20, Rounding.TRN, Overflow.SAT),
            weights=rng.integers(0, 4, 4) if seed % 2 else None,
            weight_type=Fixed(False, 2, 2) if seed % 2 else None,
        ),
        Node("score", "cast", ("sum",), 1, Fixed(False, 12, 8, rounding[4], Overflow.SAT)),
    )
    return FixedPointNetwork(nodes, "score", 1.0)


def inputs_of(network: FixedPointNetwork, n: int, seed: int = 0) -> Integers:
    kind = network.input.type
    rng = np.random.default_rng(seed)
    x = rng.integers(kind.min_mantissa, kind.max_mantissa + 1, (n, network.input.size))
    x[: n // 3] = np.where(x[: n // 3] % 2, kind.min_mantissa, kind.max_mantissa)  # the corners
    return x


def in_integers(network: FixedPointNetwork, x: Integers) -> list[int]:
    scores: list[int] = network.trace(x)[network.output][:, 0].tolist()
    return scores


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(2, 12), st.sampled_from(["square", "abs"]))
def test_the_scores_are_those_in_integers(seed: int, weight_bits: int, score: str) -> None:
    network = autoencoder(seed, weight_bits, score)
    assert network._floats is not None
    x = inputs_of(network, 300, seed)
    assert network.scores(x).tolist() == in_integers(network, x)


def test_narrow_nodes_run_in_single_precision_and_wide_ones_in_double() -> None:
    plan = autoencoder(1)._floats
    assert plan is not None
    by_name = {step.name: step.dtype for step in plan.steps}
    assert by_name["a0"] is np.float64  # its input is a 40-bit edge
    narrow = autoencoder(1)
    first = replace(narrow["d0"], type=Fixed(True, 22, 10))
    plan = replace(narrow, nodes=(narrow.nodes[0], first, *narrow.nodes[2:]))._floats
    assert plan is not None
    by_name = {step.name: step.dtype for step in plan.steps}
    assert by_name["d0"] is by_name["a0"] is np.float32
    assert by_name["sum"] is np.float64


def with_node(network: FixedPointNetwork, name: str, **changes: Any) -> FixedPointNetwork:
    nodes = tuple(replace(n, **changes) if n.name == name else n for n in network.nodes)
    return replace(network, nodes=nodes)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sum", Fixed(False, 60, 20, Rounding.TRN, Overflow.SAT)),  # more bits than a float64
        ("out", Fixed(True, 6, 4, Rounding.RND_INF, Overflow.SAT)),  # a rounding floats do not have
        ("out", Fixed(True, 6, 2, Rounding.TRN, Overflow.WRAP)),  # wraps
        ("score", Fixed(False, 6, 2, Rounding.TRN, Overflow.SAT_ZERO)),
    ],
)
def test_what_floats_cannot_hold_stays_in_integers(name: str, kind: Fixed) -> None:
    network = with_node(autoencoder(3), name, type=kind)
    assert network._floats is None
    x = inputs_of(network, 200)
    assert network.scores(x).tolist() == in_integers(network, x)


def test_a_wrong_plan_would_be_seen() -> None:
    """The scores of a network with another rounding mode differ from these."""
    network = with_node(autoencoder(4), "out", type=Fixed(True, 6, 4, Rounding.TRN, Overflow.SAT))
    other = with_node(network, "out", type=Fixed(True, 6, 4, Rounding.RND, Overflow.SAT))
    x = inputs_of(network, 300)
    assert network.scores(x).tolist() != in_integers(other, x)


def test_blocks_do_not_show() -> None:
    network = autoencoder(5)
    x = inputs_of(network, ROWS + 7)
    scores = network.scores(x)
    assert len(scores) == ROWS + 7
    assert scores[ROWS - 3 :].tolist() == network.scores(x[ROWS - 3 :]).tolist()
    assert len(network.scores(x[:0])) == 0
