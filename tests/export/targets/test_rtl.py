"""The RTL's emulator against the network, and its files."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError, MissingExtra
from naetrigger.contracts.fixed_point import Fixed, Integers, Overflow, Rounding
from naetrigger.contracts.network import FixedPointNetwork, Node
from naetrigger.export.rtl import (
    OVERFLOWS,
    ROUNDINGS,
    RtlModel,
    read_estimate,
    unsupported,
    write_rtl,
)
from naetrigger.export.rtl_logic import traced_logic
from naetrigger.export.settings import FirmwareSettings, Square
from naetrigger.firmware_configs.board import Board
from tests.export.targets.networks import (
    network_of_all_modes,
    network_of_wide_biases,
    random_network,
)
from tests.export.targets.projects import files_of, vectors_of

VERILOG = FirmwareSettings(languages=("verilog",))


def verilog(square: Square) -> FirmwareSettings:
    return FirmwareSettings(square=square, languages=("verilog",))


@pytest.mark.parametrize("overflow", [mode for mode in OVERFLOWS if mode is not Overflow.WRAP])
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("square", ["multiplier", "lookup"])
def test_scores_equal_the_network(
    square: Square, rounding: Rounding, overflow: Overflow, tmp_path: Path, board: Board
) -> None:
    for seed, kind in enumerate(("square", "abs")):
        network = random_network(seed, kind=kind, rounding=rounding, overflow=overflow)
        write_rtl(network, tmp_path / kind, board, verilog(square))
        words = vectors_of(network, 4000)
        model = RtlModel(tmp_path / kind)
        np.testing.assert_array_equal(model.scores(words), network.scores(words))


@pytest.mark.parametrize("seed", range(6))
def test_scores_equal_the_network_at_other_widths(seed: int, tmp_path: Path, board: Board) -> None:
    network = random_network(
        seed,
        width=(8, 12, 16)[seed % 3],
        kind=("square", "abs")[seed % 2],
        input_type=Fixed(bool(seed % 2), 10, 4, Rounding.RND, Overflow.SAT),
        features=3,
    )
    write_rtl(network, tmp_path / "rtl", board, verilog("multiplier"))
    words = vectors_of(network)
    np.testing.assert_array_equal(RtlModel(tmp_path / "rtl").scores(words), network.scores(words))


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("dead", [[0], [0, 1, 2]])
def test_units_without_weights_keep_their_rounded_bias(
    dead: list[int], rounding: Rounding, tmp_path: Path, board: Board
) -> None:
    """A unit whose weights are all zero is a constant, which rounds as anything else does."""
    network = random_network(3, rounding=rounding)
    latent = next(node for node in network.nodes if node.name == "d1")
    assert latent.weights is not None
    weights = latent.weights.copy()
    weights[:, dead] = 0
    bias = np.array([-29, -31, 30])  # in steps of 1/32, of which two or three must go
    nodes = [
        replace(node, weights=weights, bias=bias) if node is latent else node
        for node in network.nodes
    ]
    pruned = FixedPointNetwork(tuple(nodes), network.output, 1.0)
    write_rtl(pruned, tmp_path / "rtl", board, verilog("multiplier"))
    words = vectors_of(pruned, 1000)
    np.testing.assert_array_equal(RtlModel(tmp_path / "rtl").scores(words), pruned.scores(words))


def test_formats_that_wrap_without_ever_overflowing(tmp_path: Path, board: Board) -> None:
    network = random_network(0)
    exact = network.bounds()
    nodes = [
        Node(n.name, n.op, n.inputs, n.size, wrapping(n.type), n.weights, n.weight_type, n.bias)
        if n.op in ("sub", "sum") and not exact[n.name].may_saturate
        else n
        for n in network.nodes
    ]
    network = FixedPointNetwork(tuple(nodes), "score", 1.0)
    write_rtl(network, tmp_path / "rtl", board, VERILOG)
    words = vectors_of(network, 3000)
    np.testing.assert_array_equal(RtlModel(tmp_path / "rtl").scores(words), network.scores(words))


def wrapping(kind: Fixed) -> Fixed:
    return Fixed(kind.signed, kind.width, kind.integer, kind.rounding, Overflow.WRAP)


def test_modes_without_rtl_are_refused_by_name(tmp_path: Path, board: Board) -> None:
    network = network_of_all_modes()
    problems = unsupported(network)
    for mode in (*Rounding, *Overflow):
        named = any(f" {mode.value} has no RTL" in line for line in problems)
        assert named == (mode not in (*ROUNDINGS, *OVERFLOWS)), mode
    with pytest.raises(InputError, match=r"s_RND_ZERO_SAT: rounding RND_ZERO has no RTL here"):
        write_rtl(network, tmp_path / "rtl", board, VERILOG)
    assert not list(tmp_path.iterdir())


def test_an_overflow_that_would_wrap_is_refused(tmp_path: Path, board: Board) -> None:
    nodes = (
        Node("x", "input", (), 1, Fixed(True, 8, 4)),
        Node("score", "cast", ("x",), 1, Fixed(True, 6, 2)),
    )
    with pytest.raises(InputError, match=r"score: .* can overflow and wrap"):
        write_rtl(FixedPointNetwork(nodes, "score", 1.0), tmp_path / "rtl", board, VERILOG)


def test_two_writes_are_byte_identical_and_hold_no_paths(tmp_path: Path, board: Board) -> None:
    network = random_network(1)
    for name in ("a", "b"):
        write_rtl(network, tmp_path / name, board, FirmwareSettings())
    files = files_of(tmp_path / "a")
    assert files == files_of(tmp_path / "b")
    assert not [name for name, data in files.items() if str(tmp_path).encode() in data]
    assert {"verilog/src/anomaly_score.v", "vhdl/src/anomaly_score.vhd"} <= set(files)
    assert b"LESSER GENERAL PUBLIC LICENSE" in files["LICENSE-alkaid.txt"]


def test_the_estimate_follows_clock_and_cutoff(tmp_path: Path, board: Board) -> None:
    network = random_network(1)
    slow = write_rtl(network, tmp_path / "slow", board, VERILOG)
    fast_board = board.model_copy(update={"latency_cutoff": 2.0, "clock_ns": 2.5})
    fast = write_rtl(network, tmp_path / "fast", fast_board, VERILOG)
    assert fast.latency_cycles > slow.latency_cycles > 0
    assert fast.ff > slow.ff > 0
    assert fast.lut == slow.lut > 0
    assert (fast.clock_ns, fast.initiation_interval, fast.dsp) == (2.5, 1, 0)
    assert read_estimate(tmp_path / "fast") == fast


def test_auto_takes_the_square_of_less_latency_times_cost(tmp_path: Path, board: Board) -> None:
    network = random_network(1)
    made = {
        square: write_rtl(network, tmp_path / square, board, verilog(square))
        for square in ("auto", "multiplier", "lookup")
    }
    merits = {square: made[square].delay * made[square].lut for square in ("multiplier", "lookup")}
    assert made["auto"].square == min(merits, key=lambda square: merits[square])


def test_a_table_too_large_is_refused(tmp_path: Path, board: Board) -> None:
    nodes = (
        Node("x", "input", (), 1, Fixed(True, 18, 9)),
        Node("score", "square", ("x",), 1, Fixed(False, 36, 18)),
    )
    network = FixedPointNetwork(nodes, "score", 1.0)
    with pytest.raises(InputError, match="set square: multiplier"):
        write_rtl(network, tmp_path / "rtl", board, verilog("lookup"))
    assert write_rtl(network, tmp_path / "rtl", board, verilog("auto")).square == "multiplier"


def test_an_input_that_reaches_no_output_keeps_its_port(tmp_path: Path, board: Board) -> None:
    kind = Fixed(True, 4, 4)
    weights = np.array([[1], [0], [2]], np.int64)
    nodes = (
        Node("x", "input", (), 3, kind),
        Node("score", "dense", ("x",), 1, Fixed(True, 12, 12), weights, Fixed(True, 3, 3)),
    )
    network = FixedPointNetwork(nodes, "score", 1.0)
    write_rtl(network, tmp_path / "rtl", board, VERILOG)
    words = vectors_of(network, 1000)
    np.testing.assert_array_equal(RtlModel(tmp_path / "rtl").scores(words), network.scores(words))
    record = json.loads((tmp_path / "rtl" / "rtl.json").read_text())
    assert len(record["ports"]["inputs"]) == 3


@pytest.mark.parametrize("name", ["rtl.json", "logic.json"])
@pytest.mark.parametrize("text", ["", "[]", "{}", "null"])
def test_damaged_files_are_refused(name: str, text: str, tmp_path: Path, board: Board) -> None:
    write_rtl(random_network(1), tmp_path / "rtl", board, VERILOG)
    (tmp_path / "rtl" / name).write_text(text)
    with pytest.raises(InputError, match="rtl"):
        RtlModel(tmp_path / "rtl")


def test_logic_that_cannot_run_is_refused(tmp_path: Path, board: Board) -> None:
    write_rtl(random_network(1), tmp_path / "rtl", board, VERILOG)
    path = tmp_path / "rtl" / "logic.json"
    document = json.loads(path.read_text())
    operations = document["model"][5]
    for place, value in ((1, 99), (0, [10**5]), (3, 10**6)):  # opcode, operands, interval
        edited = json.loads(json.dumps(operations))
        edited[-1][place] = value
        document["model"][5] = edited
        path.write_text(json.dumps(document))
        with pytest.raises(InputError, match="rtl"):
            RtlModel(tmp_path / "rtl").scores(np.zeros((2, 5), np.int64))


def test_inputs_of_another_shape_are_refused(tmp_path: Path, board: Board) -> None:
    write_rtl(random_network(1), tmp_path / "rtl", board, VERILOG)
    model = RtlModel(tmp_path / "rtl")
    with pytest.raises(InputError, match=r"shape \(N, 5\)"):
        model.scores(np.zeros((2, 4), np.int64))
    with pytest.raises(InputError, match="integer mantissas"):
        model.scores(np.zeros((2, 5)))
    assert model.scores(np.zeros((0, 5), np.int64)).shape == (0,)


def test_a_missing_extra_is_named(
    tmp_path: Path, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("alkaid", "alkaid.trace", "alkaid.types"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"naetrigger\[export\]"):
        write_rtl(random_network(1), tmp_path / "rtl", board, VERILOG)


def test_biases_that_no_float_holds_are_refused_by_name(tmp_path: Path, board: Board) -> None:
    with pytest.raises(InputError, match=r"up: .*floats of 53"):
        write_rtl(network_of_wide_biases(), tmp_path / "rtl", board, VERILOG)


@pytest.mark.parametrize("overflow", OVERFLOWS)
@pytest.mark.parametrize("dropped", [1, 2, 3])
@pytest.mark.parametrize("finer", [1, 2, 3])
def test_values_off_their_own_grid_round_to_even(
    finer: int, dropped: int, overflow: Overflow, tmp_path: Path, board: Board
) -> None:
    """Behind weights 1 and a finer, odd bias every value lies between the steps of the sum."""
    word = Fixed(True, 6, 6)
    bias_type = Fixed(True, 4 + finer, 4)
    wide = Fixed(True, 10 + finer, 10)
    narrow = Fixed(True, 12, 12 - (finer - dropped), Rounding.RND_CONV, overflow)
    if overflow is not Overflow.WRAP:
        narrow = replace(narrow, width=6, integer=6 - (finer - dropped))
    network = FixedPointNetwork(
        (
            Node("x", "input", (), 2, word),
            Node(
                name="d",
                op="dense",
                inputs=("x",),
                size=1,
                type=wide,
                weights=np.array([[1], [-1]]),
                weight_type=Fixed(True, 2, 2),
                bias=np.array([2 ** (finer - 1) + (finer > 1)]),
                bias_type=bias_type,
            ),
            Node("score", "cast", ("d",), 1, narrow),
        ),
        "score",
        1.0,
    )
    write_rtl(network, tmp_path / "rtl", board, VERILOG)
    words = np.stack(np.meshgrid(*[np.arange(-32, 32)] * 2), axis=-1).reshape(-1, 2)
    scores = RtlModel(tmp_path / "rtl").scores(words)
    np.testing.assert_array_equal(scores, network.scores(words))


def test_products_that_no_float_holds_are_refused_before_they_are_cut(
    tmp_path: Path, board: Board
) -> None:
    x = Node("x", "input", (), 1, Fixed(True, 40, 20))
    weights = np.array([[(1 << 33) + 12345]])
    kind = Fixed(True, 50, 40, Rounding.TRN, Overflow.SAT)
    node = Node("score", "dense", ("x",), 1, kind, weights, Fixed(True, 40, 20), cut=10)
    network = FixedPointNetwork((x, node), "score", 1.0)
    with pytest.raises(InputError, match="score: its products have up to 74 bits"):
        write_rtl(network, tmp_path / "rtl", board, VERILOG)
    assert not list(tmp_path.iterdir())


def logic_scores(network: FixedPointNetwork, words: Integers) -> Integers:
    """Scores by the traced logic alone, nothing written."""
    logic = traced_logic(network, "multiplier")
    outputs = logic.predict(network.input.type.real(words), n_threads=1)
    return np.asarray(np.ldexp(outputs[:, 0], network.score_type.fraction), np.int64)


def one_layer(node: Node, *more: Node, x_type: Fixed, features: int) -> FixedPointNetwork:
    nodes = (Node("x", "input", (), features, x_type), node, *more)
    return FixedPointNetwork(nodes, nodes[-1].name, 1.0)


@pytest.mark.parametrize("cut", [1, 4, 9])
def test_products_below_the_cut_keep_their_sign(cut: int) -> None:
    """Cut down: a small negative product gives minus one step, not 0."""
    weights, kind = np.array([[3], [-5]]), Fixed(True, 12, 12 - cut)
    node = Node("d", "dense", ("x",), 1, kind, weights, Fixed(True, 4, -6), cut=cut)
    network = one_layer(node, x_type=Fixed(True, 4, 1), features=2)
    words = vectors_of(network, 300)
    np.testing.assert_array_equal(logic_scores(network, words), network.scores(words))
    assert len(np.unique(network.scores(words))) > 1


@pytest.mark.parametrize("bias", [-33, -24, -16, 8, 16, 24, 31, 32, 40])
@pytest.mark.parametrize("rounding", [Rounding.RND_CONV, Rounding.RND, Rounding.TRN])
@pytest.mark.parametrize("overflow", [Overflow.SAT, Overflow.WRAP])
def test_values_that_round_to_one_number(bias: int, rounding: Rounding, overflow: Overflow) -> None:
    """A unit of a large bias and tiny weights, in steps of 1/8 of its format's."""
    kind = Fixed(True, 8, 8, rounding, overflow)
    node = Node(
        "d",
        "dense",
        ("x",),
        1,
        Fixed(True, 14, 10),
        np.array([[1]]),
        Fixed(True, 2, 2),
        np.array([bias]),
        Fixed(True, 8, 5),
    )
    network = one_layer(
        node, Node("s", "cast", ("d",), 1, kind), x_type=Fixed(True, 3, -1), features=1
    )
    words = vectors_of(network, 100)
    np.testing.assert_array_equal(logic_scores(network, words), network.scores(words))


@pytest.mark.parametrize("constant", [-8, -4, -3, -1, 0, 2])
def test_magnitudes_of_constants(constant: int) -> None:
    kind, zeros = Fixed(True, 6, 4), np.zeros((1, 1), np.int64)
    node = Node("d", "dense", ("x",), 1, kind, zeros, kind, np.array([constant]), kind)
    network = one_layer(
        node, Node("s", "abs", ("d",), 1, Fixed(False, 6, 4)), x_type=kind, features=1
    )
    words = vectors_of(network, 20)
    np.testing.assert_array_equal(logic_scores(network, words), abs(constant))
    np.testing.assert_array_equal(network.scores(words), abs(constant))


def test_what_alkaid_makes_smaller_gives_the_same() -> None:
    """One of its passes takes the last bit of this sum, of which only -3 and -4 occur, for its
    first."""
    bit, small = Fixed(True, 1, -2, Rounding.RND, Overflow.SAT), Fixed(True, 4, 4)
    scale = Node(
        "n",
        "scale",
        ("x",),
        4,
        bit,
        np.array([-2, 1, -1, 0]),
        Fixed(True, 2, 4),
        np.array([-5, -1, -3, -3]),
        small,
    )
    total = Node("s", "sum", ("n",), 1, Fixed(True, 6, 4, Rounding.RND_CONV, Overflow.SAT))
    network = one_layer(scale, total, x_type=Fixed(False, 4, 8), features=4)
    words = vectors_of(network, 300)
    np.testing.assert_array_equal(logic_scores(network, words), network.scores(words))
