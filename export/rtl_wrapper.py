"""The top module that a board needs around the pipeline, and its clock constraint.

    write_wrapper(folder, board)    `folder`/board/PROJECT_board.v, .xdc and .sdc

The pipeline has a clock and two buses, no reset and no valid bit. A wrapper adds them:

plain       (trigger boards) words in with a valid bit, score and bits of the decision out with
            theirs; a synchronous reset drops what is under way.
axi_stream  (bench boards) one event a beat; back-pressure holds beats in a FIFO behind the
            pipeline, and an event is taken only if the FIFO will have room for it.

The pipeline never stalls, so its latency is the same in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naetrigger.export.rtl import read_record
from naetrigger.export.rtl_simulation import design_ports
from naetrigger.firmware_configs.board import Board

FOLDER = "board"


@dataclass(frozen=True)
class _Widths:
    """Bits of what goes through a wrapper."""

    events: int
    thresholds: int
    score: int
    decision: int

    @property
    def result(self) -> int:
        return self.score + self.decision


def write_wrapper(folder: Path, board: Board) -> None:
    """Write the board's top module and constraints into a written RTL project."""
    record = read_record(folder)
    name = f"{record['project']}_board"
    make = {"plain": _plain, "axi_stream": _axi_stream}[board.wrapper]
    target = folder / FOLDER
    target.mkdir()
    latency = int(record["estimate"]["latency_cycles"])
    text = make(name, str(record["project"]), _widths(record), latency)
    (target / f"{name}.v").write_text(text, encoding="utf-8")
    clock = "aclk" if board.wrapper == "axi_stream" else "clk"
    for suffix in ("xdc", "sdc"):
        constraint = _constraint(board, clock, suffix)
        (target / f"{name}.{suffix}").write_text(constraint, encoding="utf-8")


def _widths(record: dict[str, Any]) -> _Widths:
    ports, size = design_ports(record), int(record["input"]["size"])

    def bits(words: Sequence[Any]) -> int:
        return sum(word.width for word in words)

    return _Widths(
        events=bits(ports.inputs[:size]),
        thresholds=bits(ports.inputs[size:]),
        score=bits(ports.outputs[:1]),
        decision=bits(ports.outputs[1:]),
    )


def _constraint(board: Board, clock: str, suffix: str) -> str:
    """The clock's period; the same command in Vivado (XDC) and in Quartus (SDC)."""
    return (
        f"# {board.name}, {board.part}: {board.clock_source}\n"
        f"# {suffix.upper()} for a top module out of context: pins and buffers are the board's\n"
        f"create_clock -period {board.clock_ns:g} -name {clock} [get_ports {clock}]\n"
    )


def _ports(lines: Sequence[str]) -> str:
    return ",\n".join(f"    {line}" for line in lines)


def _bus(width: int) -> str:
    return f"[{width - 1}:0]"


def _pipeline(project: str, widths: _Widths, clock: str, events: str) -> str:
    """The pipeline with its output as `result`."""
    words = f"{{thresholds, {events}}}" if widths.thresholds else events
    return f"""\
    wire {_bus(widths.result)} result;
    {project} pipeline (.clk({clock}), .model_inp({words}), .model_out(result));
"""


def _plain(name: str, project: str, widths: _Widths, latency: int) -> str:
    ports = [
        "input wire clk",
        "input wire rst",
        "input wire in_valid",
        f"input wire {_bus(widths.events)} in_words",
        *([f"input wire {_bus(widths.thresholds)} thresholds"] if widths.thresholds else []),
        "output wire out_valid",
        f"output wire {_bus(widths.score)} score",
        *([f"output wire {_bus(widths.decision)} decision"] if widths.decision else []),
    ]
    decision = (
        f"    assign decision = out_valid ? result[{widths.result - 1}:{widths.score}] : "
        f"{widths.decision}'b0;\n"
        if widths.decision
        else ""
    )
    taken = _shifted("valid", latency, "in_valid")
    return f"""\
`timescale 1 ns / 1 ps

// An event enters at any clock with in_valid; its score stands at the ports with out_valid,
// {latency} clocks after the edge that took it. No bit of the decision is set without an event.
// rst is synchronous and drops the events under way.
module {name} (
{_ports(ports)}
);

{_pipeline(project, widths, "clk", "in_words")}
    reg {_bus(latency + 1)} valid;
    always @(posedge clk) valid <= rst ? {latency + 1}'b0 : {taken};

    assign out_valid = valid[{latency}];
    assign score = result[{widths.score - 1}:0];
{decision}
endmodule
"""


def _axi_stream(name: str, project: str, widths: _Widths, latency: int) -> str:
    depth = 1 << (latency + 2).bit_length()  # more than the pipeline holds: no bubble
    address = depth.bit_length() - 1
    beat_in, beat_out = _whole(widths.events, 8), _whole(widths.result, 32)
    ports = [
        "input wire aclk",
        "input wire aresetn",
        *([f"input wire {_bus(widths.thresholds)} thresholds"] if widths.thresholds else []),
        f"input wire {_bus(beat_in)} s_axis_tdata",
        "input wire s_axis_tlast",
        "input wire s_axis_tvalid",
        "output wire s_axis_tready",
        f"output wire {_bus(beat_out)} m_axis_tdata",
        "output wire m_axis_tlast",
        "output wire m_axis_tvalid",
        "input wire m_axis_tready",
    ]
    return f"""\
`timescale 1 ns / 1 ps

// One event a beat: its words side by side, the first lowest. A beat out: the score in the lowest
// {widths.score} bits, {widths.decision} bits of the decision above it, then zeros. tlast goes with
// its event. aresetn is synchronous and drops the events under way and in the FIFO.
module {name} (
{_ports(ports)}
);

{_pipeline(project, widths, "aclk", f"s_axis_tdata[{widths.events - 1}:0]")}
    wire take = s_axis_tvalid & s_axis_tready;
    wire give = m_axis_tvalid & m_axis_tready;

    // events taken and not yet given: each has its place in the FIFO
    reg [{address}:0] owed;
    assign s_axis_tready = aresetn & (owed != {address + 1}'d{depth});

    // what goes beside the pipeline, clock for clock
    reg {_bus(latency + 1)} valid, last;

    reg {_bus(widths.result + 1)} fifo [0:{depth - 1}];
    reg [{address}:0] head, tail;
    assign m_axis_tvalid = head != tail;
    wire {_bus(widths.result + 1)} oldest = fifo[tail[{address - 1}:0]];
    assign m_axis_tdata = oldest[{widths.result - 1}:0];  // and zeros above
    assign m_axis_tlast = oldest[{widths.result}];

    always @(posedge aclk) begin
        last <= {_shifted("last", latency, "s_axis_tlast")};
        if (valid[{latency}]) fifo[head[{address - 1}:0]] <= {{last[{latency}], result}};
        if (!aresetn) begin
            valid <= {latency + 1}'b0;
            owed <= {address + 1}'d0;
            head <= {address + 1}'d0;
            tail <= {address + 1}'d0;
        end else begin
            valid <= {_shifted("valid", latency, "take")};
            owed <= owed + {{{address}'b0, take}} - {{{address}'b0, give}};
            head <= head + {{{address}'b0, valid[{latency}]}};
            tail <= tail + {{{address}'b0, give}};
        end
    end

endmodule
"""


def _shifted(register: str, latency: int, bit: str) -> str:
    """A register of latency + 1 bits, moved up by a bit that comes in."""
    return f"{{{register}[{latency - 1}:0], {bit}}}" if latency else bit


def _whole(bits: int, unit: int) -> int:
    """The least multiple of a unit that holds so many bits."""
    return -(-bits // unit) * unit
