"""The boards' top modules, simulated: handshake, back-pressure and reset in mid-stream."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.decision import BIT, with_decision
from naetrigger.contracts.fixed_point import Fixed, Integers
from naetrigger.contracts.network import FixedPointNetwork, Node
from naetrigger.export import rtl_wrapper
from naetrigger.export.rtl import read_estimate, write_rtl
from naetrigger.export.rtl_driver import Word, driver
from naetrigger.export.rtl_simulation import verilog_sources
from naetrigger.export.rtl_wrapper import write_wrapper
from naetrigger.export.settings import DecisionSettings, FirmwareSettings
from naetrigger.export.verilator import Simulated, build, require_verilator
from naetrigger.firmware_configs.board import board_names, load_board
from tests.export.targets.networks import random_network
from tests.export.targets.projects import vectors_of

BENCH = """
module bench (input clk, input resetn, input [23:0] words, input valid, input last, input ready,
    output s_ready, output m_valid, output m_last, output [31:0] beat,
    output out_valid, output [7:0] score, output [1:0] decision);
  axi_board axi (.aclk(clk), .aresetn(resetn), .s_axis_tdata(words), .s_axis_tlast(last),
    .s_axis_tvalid(valid), .s_axis_tready(s_ready), .m_axis_tdata(beat), .m_axis_tlast(m_last),
    .m_axis_tvalid(m_valid), .m_axis_tready(ready));
  plain_board plain (.clk(clk), .rst(~resetn), .in_valid(valid), .in_words(words),
    .out_valid(out_valid), .score(score), .decision(decision));
endmodule
"""
DRIVER = """
#include "Vdesign.h"
#include "verilated.h"
#define PUBLIC extern "C" __attribute__((visibility("default")))
struct Bench { VerilatedContext context; Vdesign* top; };
PUBLIC void* create() {
    Bench* bench = new Bench;
    bench->context.randReset(2);
    bench->top = new Vdesign(&bench->context);
    return bench;
}
// the inputs of one clock; the outputs as they stand at its rising edge
PUBLIC void step(void* handle, const unsigned* in, unsigned* out) {
    Vdesign* top = static_cast<Bench*>(handle)->top;
    top->clk = 0;
    top->resetn = in[0]; top->words = in[1]; top->valid = in[2]; top->last = in[3];
    top->ready = in[4];
    top->eval();
    const unsigned seen[] = {top->s_ready, top->m_valid, top->m_last, top->beat,
                             top->out_valid, top->score, top->decision};
    for (int i = 0; i < 7; ++i) out[i] = seen[i];
    top->clk = 1;
    top->eval();
}
"""


FULL_WORDS_PLAIN = """
module bench (input clk, input [16:0] model_inp, output [18:0] model_out);
  anomaly_score_board board (.clk(clk), .rst(~model_inp[16]), .in_valid(model_inp[16]),
    .in_words(model_inp[15:0]), .out_valid(model_out[18]), .score(model_out[13:0]),
    .decision(model_out[17:14]));
endmodule
"""
FULL_WORDS_AXI = """
module bench (input clk, input [16:0] model_inp, output [18:0] model_out);
  wire [31:0] beat;
  anomaly_score_board board (.aclk(clk), .aresetn(model_inp[16]), .s_axis_tdata(model_inp[15:0]),
    .s_axis_tlast(1'b0), .s_axis_tvalid(model_inp[16]), .s_axis_tready(), .m_axis_tdata(beat),
    .m_axis_tlast(), .m_axis_tvalid(model_out[18]), .m_axis_tready(1'b1));
  assign model_out[17:0] = beat[17:0];
endmodule
"""


@dataclass(frozen=True)
class Clock:
    """What stands at the outputs at a rising edge."""

    s_ready: int
    m_valid: int
    m_last: int
    beat: int
    out_valid: int
    score: int
    decision: int


class Bench:
    """Both wrappers, fed the same words."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.create.restype = ctypes.c_void_p
        self._handle = ctypes.c_void_p(self._library.create())

    def step(
        self, words: Integers | None, *, last: bool = False, ready: bool = True, reset: bool = False
    ) -> Clock:
        packed = 0 if words is None else sum(int(w) % 256 << 8 * i for i, w in enumerate(words))
        given = (not reset, packed, words is not None, last, ready)
        seen = (ctypes.c_uint * 7)()
        self._library.step(self._handle, (ctypes.c_uint * 5)(*map(int, given)), seen)
        return Clock(*seen)


@pytest.fixture(scope="module")
def network() -> FixedPointNetwork:
    plain = random_network(0, features=3, hidden=3)
    scores = np.unique(plain.scores(vectors_of(plain, 1000)))
    return with_decision(plain, (int(scores[len(scores) // 2]), int(scores[-2])))


@pytest.fixture(scope="module")
def project(network: FixedPointNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wrapped") / "rtl"
    board = load_board("virtex7-690t")
    write_rtl(network, folder, board, FirmwareSettings(languages=("verilog",)))
    return folder


@pytest.fixture(scope="module")
def library(project: Path, tmp_path_factory: pytest.TempPathFactory, quick: str) -> Path:
    work = tmp_path_factory.mktemp("bench")
    for name, board in (("axi", "pynq-z2"), ("plain", "virtex7-690t")):
        write_wrapper(project, load_board(board))
        text = (project / "board" / "anomaly_score_board.v").read_text()
        (work / f"{name}.v").write_text(text.replace("anomaly_score_board", f"{name}_board"))
        for path in (project / "board").iterdir():
            path.unlink()
        (project / "board").rmdir()
    (work / "bench.v").write_text(BENCH)
    sources = (*verilog_sources(project), *sorted(work.glob("*.v")))
    build(
        require_verilator(),
        Simulated(sources, "bench", DRIVER),
        work / "bench.so",
        work / "log",
        quick,
    )
    return work / "bench.so"


@pytest.fixture
def bench(library: Path) -> Bench:
    """After a reset of two clocks."""
    made = Bench(library)
    for _ in range(2):
        made.step(None, reset=True)
    return made


def beats(network: FixedPointNetwork, words: Integers) -> list[int]:
    """Score and decision of every event as the AXI wrapper packs them."""
    bits = network.decisions(words)
    return list(network.scores(words) + 256 * bits[:, 0] + 512 * bits[:, 1])


def stream(bench: Bench, words: Integers, rng: np.random.Generator, share: float) -> Iterator[int]:
    """Send all events with pauses, take beats with pauses; the beats, each last one checked."""
    sent = given = 0
    while given < len(words):
        offered = words[sent] if sent < len(words) and rng.random() < share else None
        ready = bool(rng.random() < share)
        seen = bench.step(offered, last=sent % 7 == 6, ready=ready)
        sent += bool(offered is not None and seen.s_ready)
        if seen.m_valid and ready:
            assert seen.m_last == (given % 7 == 6)
            given += 1
            yield seen.beat


@pytest.mark.parametrize("share", [1.0, 0.5, 0.2])
def test_no_beat_is_lost_or_changed(bench: Bench, network: FixedPointNetwork, share: float) -> None:
    words = vectors_of(network, 1000)[:300]
    rng = np.random.default_rng(3)
    assert list(stream(bench, words, rng, share)) == beats(network, words)


def test_one_event_on_every_clock(bench: Bench, network: FixedPointNetwork, project: Path) -> None:
    """Nothing waits where the receiver is ready."""
    words = vectors_of(network, 1000)[:200]
    assert all(bench.step(event).s_ready for event in words)
    held = 0
    while bench.step(words[0], ready=False).s_ready:
        held += 1
    assert held < 4 * read_estimate(project).latency_cycles + 8  # then the FIFO is full
    assert not bench.step(words[0], ready=False).s_ready


def test_a_reset_in_mid_stream_drops_what_is_under_way(
    bench: Bench, network: FixedPointNetwork
) -> None:
    words = vectors_of(network, 1000)[:40]
    for event in words[:20]:
        bench.step(event, ready=False)
    seen = bench.step(None, reset=True)
    assert not seen.s_ready
    for _ in range(60):
        seen = bench.step(None)
        assert not seen.m_valid
        assert not seen.out_valid
    rng = np.random.default_rng(4)
    assert list(stream(bench, words[20:], rng, 0.7)) == beats(network, words[20:])


def test_a_trigger_boards_wrapper_marks_its_events(
    bench: Bench, network: FixedPointNetwork, project: Path
) -> None:
    """Every other clock an event; score and bits with out_valid, so many clocks later."""
    latency = read_estimate(project).latency_cycles
    words = vectors_of(network, 1000)[:50]
    scores, bits = network.scores(words), network.decisions(words)
    clocks = [event for word in words for event in (word, None)] + [None] * (latency + 1)
    seen = [bench.step(event) for event in clocks][latency + 1 :]
    for i, clock in enumerate(seen[: 2 * len(words)]):
        assert clock.out_valid == (i % 2 == 0)
        if clock.out_valid:
            assert clock.score == scores[i // 2]
            assert clock.decision == bits[i // 2, 0] + 2 * bits[i // 2, 1]
        else:
            assert clock.decision == 0


@pytest.mark.parametrize("name", board_names())
def test_every_board_has_its_wrapper_and_its_clock(project: Path, name: str) -> None:
    board = load_board(name)
    write_wrapper(project, board)
    files = {path.suffix: path.read_text() for path in (project / "board").iterdir()}
    for path in (project / "board").iterdir():
        path.unlink()
    (project / "board").rmdir()
    assert set(files) == {".v", ".xdc", ".sdc"}
    clock = "aclk" if name == "pynq-z2" else "clk"
    line = f"create_clock -period {board.clock_ns:g} -name {clock} [get_ports {clock}]"
    assert line in files[".xdc"].splitlines()
    assert line in files[".sdc"].splitlines()
    assert ("s_axis_tready" in files[".v"]) == (name == "pynq-z2")


def test_thresholds_in_registers_are_ports(tmp_path: Path, network: FixedPointNetwork) -> None:
    settings = FirmwareSettings(languages=("verilog",), decision=DecisionSettings(registers=True))
    write_rtl(network, tmp_path / "rtl", load_board("vu13p-5ns"), settings)
    record = json.loads((tmp_path / "rtl" / "rtl.json").read_text())
    assert len(record["ports"]["thresholds"]) == 2
    write_wrapper(tmp_path / "rtl", load_board("virtex7-690t"))
    text = (tmp_path / "rtl" / "board" / "anomaly_score_board.v").read_text()
    assert "input wire [15:0] thresholds" in text
    assert ".model_inp({thresholds[15:0], in_words[23:0]})" in text


def test_a_pipeline_of_one_register_has_one_valid_bit() -> None:
    word, bit = Word(Fixed(True, 8, 4), Fixed(True, 8, 4)), Word(BIT, BIT)
    ports = rtl_wrapper._Ports([word] * 3, [], [word], [bit] * 2)
    plain = rtl_wrapper._plain("top", "score", ports, 0)
    assert "reg [0:0] valid;" in plain
    assert "valid <= rst ? 1'b0 : in_valid;" in plain
    stream = rtl_wrapper._axi_stream("top", "score", ports, 0)
    assert "valid <= take;" in stream
    assert "last <= s_axis_tlast;" in stream
    assert "[-1:0]" not in plain + stream


@pytest.mark.parametrize("name", ["virtex7-690t", "pynq-z2"])
@pytest.mark.parametrize("zeros", [False, True])
def test_words_keep_their_places_whatever_the_logic_lacks(
    name: str, zeros: bool, tmp_path: Path, quick: str
) -> None:
    """Inputs without weights, a score of multiples of 4 with few bits, thresholds out of reach."""
    kind, wide, total = Fixed(True, 4, 4), Fixed(True, 12, 14), Fixed(True, 14, 14)
    weights = np.array([[0], [3], [0], [-2]]) * (not zeros)
    nodes = (
        Node("x", "input", (), 4, kind),
        Node("dense", "dense", ("x",), 1, wide, weights, Fixed(True, 3, 5)),
        Node("score", "cast", ("dense",), 1, total),
    )
    network = with_decision(FixedPointNetwork(nodes, "score", 1.0), (8000, 40, -8000, 44))
    board = load_board(name)
    write_rtl(network, tmp_path / "rtl", board, FirmwareSettings(languages=("verilog",)))
    write_wrapper(tmp_path / "rtl", board)
    bench = tmp_path / "bench.v"
    bench.write_text(FULL_WORDS_AXI if name == "pynq-z2" else FULL_WORDS_PLAIN)
    whole, bit = Word(total, total), Word(BIT, BIT)
    inputs = (*[Word(kind, kind)] * 4, bit)
    outputs = (whole, *[bit] * 4, bit)
    sources = (
        *verilog_sources(tmp_path / "rtl"),
        *(tmp_path / "rtl" / "board").glob("*.v"),
        bench,
    )
    design = Simulated(sources, "bench", driver(inputs, outputs))
    build(require_verilator(), design, tmp_path / "bench.so", tmp_path / "log", quick)
    library = ctypes.CDLL(str(tmp_path / "bench.so"))
    library.design_create.restype = ctypes.c_void_p

    words = vectors_of(network, 200)[:60]
    reset = np.zeros((2, 5), np.int64)
    streamed = np.hstack([words, np.ones((len(words), 1), np.int64)])
    given = np.ascontiguousarray(np.vstack([reset, streamed, np.repeat(streamed[-1:], 20, axis=0)]))
    seen = np.zeros((len(given), 6), np.int64)
    pointers = (a.ctypes.data_as(ctypes.POINTER(ctypes.c_int64)) for a in (given, seen))
    design_of = ctypes.c_void_p(library.design_create(1))
    library.design_clock(design_of, *pointers, ctypes.c_size_t(len(given)))
    results = seen[seen[:, 5] == 1][: len(words)]
    np.testing.assert_array_equal(results[:, 0], network.scores(words))
    np.testing.assert_array_equal(results[:, 1:5], network.decisions(words))
