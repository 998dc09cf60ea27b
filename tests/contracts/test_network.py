"""The network's integer engine, its interval proofs and its files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Integers, Overflow, Rounding
from naetrigger.contracts.network import FixedPointNetwork, Node
from naetrigger.contracts.network_file import load_network, save_network

X = Fixed(True, 6, 3, Rounding.RND_CONV, Overflow.SAT)  # LSB 1/8, -4 to 3.875
KERNEL = Fixed(True, 4, 1)  # LSB 1/8


def by_hand() -> FixedPointNetwork:
    """Two inputs, one hidden unit, back to two, then the sum of squared differences."""
    nodes = (
        Node("x", "input", (), 2, X),
        Node(
            "d0",
            "dense",
            ("x",),
            1,
            Fixed(True, 12, 6),
            weights=np.array([[4], [-2]], np.int64),  # 0.5 and -0.25
            weight_type=KERNEL,
            bias=np.array([3], np.int64),  # 0.75 with 2 fraction bits
            bias_type=Fixed(True, 4, 2),
        ),
        Node("a0", "relu", ("d0",), 1, Fixed(False, 4, 2, Rounding.RND_CONV, Overflow.SAT)),
        Node(
            "d1",
            "dense",
            ("a0",),
            2,
            Fixed(True, 5, 3, Rounding.RND_CONV, Overflow.SAT),
            weights=np.array([[7, -8]], np.int64),  # 0.875 and -1
            weight_type=KERNEL,
        ),
        Node("diff", "sub", ("x", "d1"), 2, Fixed(True, 8, 5)),
        Node("sq", "square", ("diff",), 2, Fixed(False, 12, 6)),
        Node("score", "sum", ("sq",), 1, Fixed(False, 7, 6, Rounding.TRN, Overflow.SAT)),
    )
    return FixedPointNetwork(nodes, "score", 0.25, {"columns": "a,b"})


def test_a_small_network_by_hand() -> None:
    """x = (1.5, -2): 0.75 + 0.5 + 0.75 = 2, d1 = (1.75, -2), diff = (-0.25, 0)."""
    edges = by_hand().trace(np.array([[12, -16], [31, 31], [-32, 31]], np.int64))
    assert edges["d0"][0].tolist() == [2 * 64]
    assert edges["a0"][0].tolist() == [8]  # 2 with LSB 1/4
    assert edges["d1"][0].tolist() == [7, -8]  # LSB 1/4
    assert edges["diff"][0].tolist() == [-2, 0]  # LSB 1/8
    assert edges["sq"][0].tolist() == [4, 0]
    assert edges["score"][0].tolist() == [0]  # 1/16 truncated to a half
    # x = (-4, 3.875): the hidden unit is negative, so the score is 16 + 15.015625
    assert edges["a0"][2].tolist() == [0]
    assert edges["score"][2].tolist() == [62]
    assert by_hand().scores(np.array([[12, -16]])).tolist() == [0]


@pytest.mark.parametrize(
    ("op", "expected"),
    [("abs", [[3, 0, 4]]), ("square", [[9, 0, 16]]), ("relu", [[0, 0, 4]]), ("cast", [[-3, 0, 4]])],
)
def test_ops_of_one_input(op: str, expected: list[list[int]]) -> None:
    whole = Fixed(True, 5, 5)
    nodes = (
        Node("x", "input", (), 3, whole),
        Node("y", op, ("x",), 3, Fixed(True, 12, 12)),
        Node(
            "score",
            "sum",
            ("y",),
            1,
            Fixed(True, 20, 20),
            weights=np.array([1, 2, -3], np.int64),
            weight_type=Fixed(True, 3, 3),
        ),
    )
    network = FixedPointNetwork(nodes, "score", 1.0)
    edges = network.trace(np.array([[-3, 0, 4]]))
    assert edges["y"].tolist() == expected
    a, b, c = expected[0]
    assert edges["score"].tolist() == [[a + 2 * b - 3 * c]]


def random_inputs(network: FixedPointNetwork, n: int, seed: int = 0) -> Integers:
    kind = network.input.type
    rng = np.random.default_rng(seed)
    return rng.integers(
        kind.min_mantissa, kind.max_mantissa, (n, network.input.size), np.int64, endpoint=True
    )


def one_dense(rng: np.random.Generator, n_in: int, n_out: int) -> FixedPointNetwork:
    kind = Fixed(True, 5, 2)
    nodes = (
        Node("x", "input", (), n_in, Fixed(bool(rng.integers(2)), 4, 3)),
        Node(
            "d",
            "dense",
            ("x",),
            n_out,
            Fixed(True, 30, 15),
            weights=rng.integers(-16, 16, (n_in, n_out)),
            weight_type=kind,
            bias=rng.integers(-16, 16, n_out),
            bias_type=Fixed(True, 5, 3 - int(rng.integers(4))),
        ),
        Node("score", "sum", ("d",), 1, Fixed(True, 40, 20)),
    )
    return FixedPointNetwork(nodes, "score", 1.0)


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 4))
def test_bounds_of_a_dense_layer_are_tight(seed: int, n_in: int, n_out: int) -> None:
    """The corner that each weight's sign picks reaches the bound exactly."""
    network = one_dense(np.random.default_rng(seed), n_in, n_out)
    dense, bounds = network["d"], network.bounds()["d"]
    kind = network.input.type
    assert dense.weights is not None
    assert dense.bias is not None
    assert dense.bias_type is not None
    shift = dense.type.fraction - bounds.fraction
    for j in range(n_out):
        for ends, low_end, high_end in (
            (bounds.low, kind.max_mantissa, kind.min_mantissa),
            (bounds.high, kind.min_mantissa, kind.max_mantissa),
        ):
            corner = np.where(dense.weights[:, j] < 0, low_end, high_end)[None, :]
            assert network.trace(corner)["d"][0, j] == ends[j] << shift


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_accumulators_hold_every_partial_sum_in_any_order(seed: int, n_in: int) -> None:
    rng = np.random.default_rng(seed)
    network = one_dense(rng, n_in, 2)
    dense, bounds = network["d"], network.bounds()["d"]
    assert dense.weights is not None
    assert dense.bias is not None
    assert dense.weight_type is not None
    assert dense.bias_type is not None
    accumulator = bounds.accumulator
    fraction = network.input.type.fraction + dense.weight_type.fraction
    terms = random_inputs(network, 50, seed)[:, :, None] * dense.weights
    terms = terms << (bounds.fraction - fraction)
    bias = np.broadcast_to(dense.bias << (bounds.fraction - dense.bias_type.fraction), (50, 1, 2))
    terms = rng.permuted(np.concatenate([terms, bias], axis=1), axis=1)
    partial = np.cumsum(terms, axis=1)
    assert accumulator.fraction == bounds.fraction
    for values in (partial, terms):
        assert accumulator.holds(int(values.min()), int(values.max()), bounds.fraction)
    assert int(np.abs(partial).max()).bit_length() <= bounds.float_bits


def test_bounds_hold_on_random_and_extreme_inputs() -> None:
    network = by_hand()
    inputs = np.concatenate([random_inputs(network, 2000), [[-32, -32], [31, 31], [-32, 31]]])
    edges, bounds = network.trace(inputs), network.bounds()
    for node in network.nodes[1:]:
        exact, fraction = network._exact(node, edges)
        assert fraction == bounds[node.name].fraction
        assert np.all(exact >= np.array(bounds[node.name].low))
        assert np.all(exact <= np.array(bounds[node.name].high))
    saturated = {name for name, share in network.saturation(inputs).items() if share > 0}
    assert saturated <= {name for name, bound in bounds.items() if bound.may_saturate}


@pytest.mark.parametrize(
    ("op", "high"), [("square", 32 * 32), ("abs", 32), ("relu", 31), ("cast", 31)]
)
def test_bounds_of_ops_at_their_extremes(op: str, high: int) -> None:
    nodes = (Node("x", "input", (), 1, X), Node("score", op, ("x",), 1, Fixed(True, 20, 10)))
    bounds = FixedPointNetwork(nodes, "score", 1.0).bounds()["score"]
    assert bounds.high == (high,)
    assert bounds.low == (-32 if op == "cast" else 0,)


def test_an_overflow_that_would_wrap_is_refused_by_name() -> None:
    network = by_hand()
    nodes = [
        replace(node, type=Fixed(True, 5, 2)) if node.name == "diff" else node
        for node in network.nodes
    ]
    with pytest.raises(InputError, match=r"diff: fixed<5,2,TRN,WRAP> can overflow and wrap"):
        FixedPointNetwork(tuple(nodes), "score", 1.0).bounds()


def test_float_bits_count_the_largest_partial_sum() -> None:
    """57 squares of 11-bit differences leave a float32; of 9-bit differences they do not."""

    def score_bits(width: int) -> int:
        kind = Fixed(True, width, width)
        nodes = (
            Node("x", "input", (), 57, kind),
            Node("sq", "square", ("x",), 57, Fixed(False, 2 * width - 1, 2 * width - 1)),
            Node("score", "sum", ("sq",), 1, Fixed(False, 40, 40)),
        )
        return FixedPointNetwork(nodes, "score", 1.0).bounds()["score"].float_bits

    assert score_bits(11) == (57 * 2**20).bit_length() == 26
    assert score_bits(9) == 22


def test_sums_beyond_63_bits_are_refused_by_name() -> None:
    wide = Fixed(True, 40, 20)
    nodes = (
        Node("x", "input", (), 2, wide),
        Node("score", "square", ("x",), 2, Fixed(False, 40, 20, Rounding.TRN, Overflow.SAT)),
        Node("total", "sum", ("score",), 1, Fixed(False, 50, 30)),
    )
    with pytest.raises(InputError, match=r"score: partial sums .* more than 63 bits"):
        FixedPointNetwork(nodes, "total", 1.0).bounds()


def test_a_cast_to_too_fine_a_format_is_refused_by_name() -> None:
    nodes = (
        Node("x", "input", (), 1, Fixed(True, 30, 30)),
        Node("score", "cast", ("x",), 1, Fixed(True, 50, 2, Rounding.TRN, Overflow.SAT)),
    )
    with pytest.raises(InputError, match=r"score: .* leaves 64 bits"):
        FixedPointNetwork(nodes, "score", 1.0).bounds()


def test_large_products_do_not_go_through_floats() -> None:
    """A product beyond 2**53 differs from its float64 rounding in the last bit."""
    nodes = (
        Node("x", "input", (), 1, Fixed(True, 32, 32)),
        Node(
            "score",
            "dense",
            ("x",),
            1,
            Fixed(True, 62, 62),
            weights=np.array([[2**25 + 1]], np.int64),
            weight_type=Fixed(True, 27, 27),
        ),
    )
    network = FixedPointNetwork(nodes, "score", 1.0)
    inputs = np.array([[2**31 - 1], [2**31 - 3]], np.int64)
    assert network.scores(inputs).tolist() == [(2**25 + 1) * int(x) for x in inputs[:, 0]]


def test_scores_do_not_depend_on_chunks() -> None:
    network = by_hand()
    inputs = random_inputs(network, 1000)
    np.testing.assert_array_equal(network.scores(inputs), network.scores(inputs, chunk=7))
    assert network.scores(inputs[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((3, 5), np.int64), "shape"),
        (np.zeros(2, np.int64), "shape"),
        (np.full((1, 2), 32), "outside"),
        (np.array([[0.5, 0.25]]), "integer mantissas"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        by_hand().scores(inputs)


def test_multiplications_leave_out_zeros_and_powers_of_two() -> None:
    assert by_hand().multiplications == 1 + 2  # of 4, -2, 7, -8 only 7; two squares


def test_files_give_the_same_network_and_bytes(tmp_path: Path) -> None:
    network = by_hand()
    save_network(network, tmp_path / "a")
    read = load_network(tmp_path / "a")
    save_network(read, tmp_path / "b")
    for name in ("network.json", "network.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert read.about == {"columns": "a,b"}
    assert read.score_scale == 0.25
    inputs = random_inputs(network, 500)
    for name, edge in network.trace(inputs).items():
        np.testing.assert_array_equal(edge, read.trace(inputs)[name])


def change(document: dict[str, Any], place: str, value: Any) -> None:
    *parents, last = place.split(".")
    target: Any = document
    for part in parents:
        target = target[int(part) if part.isdigit() else part]
    target[last] = value


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("format", "other"),
        ("version", 99),
        ("output", "nowhere"),
        ("output", "sq"),
        ("score_scale", "NaN"),
        ("score_scale", 0),
        ("about", 3),
        ("nodes", []),
        ("nodes", "text"),
        ("nodes.0.op", "relu"),
        ("nodes.0.size", 10**15),
        ("nodes.0.size", 0),
        ("nodes.0.size", -2),
        ("nodes.0.type", "fixed<64,2>"),
        ("nodes.0.type", 7),
        ("nodes.0.name", "a b"),
        ("nodes.0.name", "../../x"),
        ("nodes.1.inputs", ["score"]),
        ("nodes.1.inputs", []),
        ("nodes.1.size", 3),
        ("nodes.1.op", "exec"),
        ("nodes.1.op", "relu"),
        ("nodes.1.name", "x"),
        ("nodes.1.weight_type", "fixed<2,1>"),
        ("nodes.2.weight_type", "fixed<4,1>"),
        ("nodes.4.inputs", ["x", "a0"]),
    ],
)
def test_hostile_documents_are_refused(tmp_path: Path, place: str, value: Any) -> None:
    save_network(by_hand(), tmp_path)
    document = json.loads((tmp_path / "network.json").read_text())
    change(document, place, value)
    (tmp_path / "network.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=str(tmp_path)):
        load_network(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{", '{"format": "naetrigger-network"}', "[" * 100_000, "\x00"]
)
def test_other_texts_are_refused(tmp_path: Path, text: str) -> None:
    save_network(by_hand(), tmp_path)
    (tmp_path / "network.json").write_text(text)
    with pytest.raises(InputError, match=str(tmp_path)):
        load_network(tmp_path)


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"d0.weights": np.array([[4], [-2]], object), "d1.weights": np.zeros((1, 2), np.int64)},
        {"d0.weights": np.array([[4.0], [-2.0]]), "d1.weights": np.zeros((1, 2), np.int64)},
        {"d0.weights": np.full((2, 1), 2**40), "d1.weights": np.zeros((1, 2), np.int64)},
        {"d0.weights": np.zeros((2, 2), np.int64), "d1.weights": np.zeros((1, 2), np.int64)},
    ],
)
def test_hostile_arrays_are_refused(tmp_path: Path, arrays: dict[str, Any]) -> None:
    save_network(by_hand(), tmp_path)
    np.savez(tmp_path / "network.npz", **{"d0.bias": np.array([3], np.int64), **arrays})
    with pytest.raises(InputError, match=str(tmp_path)):
        load_network(tmp_path)


def test_missing_and_truncated_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=str(tmp_path)):
        load_network(tmp_path)
    save_network(by_hand(), tmp_path)
    data = (tmp_path / "network.npz").read_bytes()
    (tmp_path / "network.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=str(tmp_path)):
        load_network(tmp_path)


def test_a_node_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(KeyError, match="did you mean 'score'"):
        by_hand()["skore"]


def test_a_sum_takes_no_bias() -> None:
    """A target that added it would disagree with one that does not."""
    *nodes, score = by_hand().nodes
    kind = Fixed(True, 2, 2)
    with pytest.raises(InputError, match="score: sum takes no bias"):
        FixedPointNetwork(
            (*nodes, replace(score, bias=np.ones(1, np.int64), bias_type=kind)), "score", 1.0
        )


@pytest.mark.parametrize("op", ["square", "sum", "dense"])
def test_scores_never_overflow_in_silence(op: str) -> None:
    """An engine asked before anybody called bounds() proves its room itself."""
    x = Node("x", "input", (), 4 if op != "square" else 1, Fixed(True, 40, 40))
    kind = Fixed(True, 63, 63, Rounding.TRN, Overflow.SAT)
    weights = {"square": None, "sum": np.full(4, 2**40), "dense": np.full((4, 1), 2**40)}[op]
    last = Node("s", op, ("x",), 1, kind, weights, None if weights is None else kind)
    network = FixedPointNetwork((x, last), "s", 1.0)
    with pytest.raises(InputError, match=r"s: partial sums reach .* 63 bits"):
        network.scores(np.full((1, x.size), 2**36 + 1))
