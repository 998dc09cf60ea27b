"""The top module that a board needs around the pipeline, and its clock constraint.

    write_wrapper(folder, board)    `folder`/board/PROJECT_board.v, .xdc and .sdc

The pipeline has a clock and two buses, no reset and no valid bit. A wrapper adds them:

plain       (trigger boards) words in with a valid bit, score and bits of the decision out with
            theirs; a synchronous reset drops what is under way.
axi_stream  (bench boards) one event a beat; back-pressure holds beats in a FIFO behind the
            pipeline, and an event is taken only if the FIFO will have room for it.

The pipeline never stalls, so its latency is the same in both. Its own words lack what never changes
or is never read (the inputs that no weight sees, low bits that are always 0); those of the wrapper
have the network's formats, so that no word moves from one export to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naetrigger.export.rtl import read_record
from naetrigger.export.rtl_driver import Word
from naetrigger.export.rtl_simulation import design_ports
from naetrigger.firmware_configs.board import Board

FOLDER = "board"
NO_BITS = 2  # that alkaid declares where a port has none: [-1:0]


@dataclass(frozen=True)
class _Ports:
    """The words that go through a wrapper, and how many bits they have there."""

    events: Sequence[Word]
    thresholds: Sequence[Word]
    score: Sequence[Word]
    decision: Sequence[Word]

    @property
    def result(self) -> Sequence[Word]:
        return (*self.score, *self.decision)


def write_wrapper(folder: Path, board: Board) -> None:
    """Write the board's top module and constraints into a written RTL project."""
    record = read_record(folder)
    name = f"{record['project']}_board"
    make = {"plain": _plain, "axi_stream": _axi_stream}[board.wrapper]
    target = folder / FOLDER
    target.mkdir()
    latency = int(record["estimate"]["latency_cycles"])
    text = make(name, str(record["project"]), _ports_of(record), latency)
    (target / f"{name}.v").write_text(text, encoding="utf-8")
    clock = "aclk" if board.wrapper == "axi_stream" else "clk"
    for suffix in ("xdc", "sdc"):
        constraint = _constraint(board, clock, suffix)
        (target / f"{name}.{suffix}").write_text(constraint, encoding="utf-8")


def _ports_of(record: dict[str, Any]) -> _Ports:
    ports, size = design_ports(record), int(record["input"]["size"])
    return _Ports(ports.inputs[:size], ports.inputs[size:], ports.outputs[:1], ports.outputs[1:])


def _bits(words: Sequence[Word]) -> int:
    return sum(word.kind.width for word in words)


def _constraint(board: Board, clock: str, suffix: str) -> str:
    """The clock's period; the same command in Vivado (XDC) and in Quartus (SDC)."""
    return (
        f"# {board.name}, {board.part}: {board.clock_source}\n"
        f"# {suffix.upper()} for a top module out of context: pins and buffers are the board's\n"
        f"create_clock -period {board.clock_ns:g} -name {clock} [get_ports {clock}]\n"
    )


def _listed(lines: Sequence[str]) -> str:
    return ",\n".join(f"    {line}" for line in lines)


def _bus(width: int) -> str:
    return f"[{width - 1}:0]"


def _pipeline(project: str, ports: _Ports, clock: str, events: str) -> str:
    """The pipeline with its output, in the network's formats, as `result`."""
    taken = [*_taken(ports.events, events), *_taken(ports.thresholds, "thresholds")]
    words = _side_by_side(taken or [f"{NO_BITS}'b0"])
    bits = sum(word.width for word in ports.result) or NO_BITS
    return f"""\
    wire {_bus(bits)} changing;
    {project} pipeline (.clk({clock}), .model_inp({words}), .model_out(changing));
    wire {_bus(_bits(ports.result))} result = {_side_by_side(_completed(ports.result))};
"""


def _taken(words: Sequence[Word], bus: str) -> list[str]:
    """What the pipeline takes of a bus of words, the lowest first."""
    ranges: list[tuple[int, int]] = []
    place = 0
    for word in words:
        low, high = place + word.shift, place + word.shift + word.width
        if word.width and ranges and ranges[-1][1] == low:
            ranges[-1] = (ranges[-1][0], high)
        elif word.width:
            ranges.append((low, high))
        place += word.kind.width
    return [f"{bus}[{high - 1}:{low}]" for low, high in ranges]


def _completed(words: Sequence[Word]) -> list[str]:
    """The pipeline's words with the bits that they lack: zeros below, the sign above."""
    parts, place = [], 0
    for word in words:
        high, below = place + word.width, word.shift
        sign = f"changing[{high - 1}]" if word.port and word.port.signed else "1'b0"
        above = word.kind.width - word.width - below
        parts += [f"{below}'b0"] if below else []
        parts += [f"changing[{high - 1}:{place}]"] if word.width else []
        parts += [f"{{{above}{{{sign}}}}}"] if above else []
        place = high
    return parts


def _side_by_side(parts: Sequence[str]) -> str:
    """Parts of a word in Verilog, given from the lowest up."""
    return parts[0] if len(parts) == 1 else f"{{{', '.join(reversed(parts))}}}"


def _plain(name: str, project: str, ports: _Ports, latency: int) -> str:
    score, decision = _bits(ports.score), _bits(ports.decision)
    lines = [
        "input wire clk",
        "input wire rst",
        "input wire in_valid",
        f"input wire {_bus(_bits(ports.events))} in_words",
        *([f"input wire {_bus(_bits(ports.thresholds))} thresholds"] if ports.thresholds else []),
        "output wire out_valid",
        f"output wire {_bus(score)} score",
        *([f"output wire {_bus(decision)} decision"] if decision else []),
    ]
    fires = (
        f"    assign decision = out_valid ? result[{score + decision - 1}:{score}] : "
        f"{decision}'b0;\n"
        if decision
        else ""
    )
    taken = _shifted("valid", latency, "in_valid")
    return f"""\
`timescale 1 ns / 1 ps

// An event enters at any clock with in_valid; its score stands at the ports with out_valid,
// {latency} clocks after the edge that took it. No bit of the decision is set without an event.
// rst is synchronous and drops the events under way.
module {name} (
{_listed(lines)}
);

{_pipeline(project, ports, "clk", "in_words")}
    reg {_bus(latency + 1)} valid;
    always @(posedge clk) valid <= rst ? {latency + 1}'b0 : {taken};

    assign out_valid = valid[{latency}];
    assign score = result[{score - 1}:0];
{fires}
endmodule
"""


def _axi_stream(name: str, project: str, ports: _Ports, latency: int) -> str:
    depth = 1 << (latency + 2).bit_length()  # more than the pipeline holds: no bubble
    address = depth.bit_length() - 1
    score, result = _bits(ports.score), _bits(ports.result)
    beat_in, beat_out = _whole(_bits(ports.events), 8), _whole(result, 32)
    lines = [
        "input wire aclk",
        "input wire aresetn",
        *([f"input wire {_bus(_bits(ports.thresholds))} thresholds"] if ports.thresholds else []),
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
// {score} bits, {result - score} bits of the decision above it, then zeros. tlast goes with
// its event. aresetn is synchronous and drops the events under way and in the FIFO.
module {name} (
{_listed(lines)}
);

{_pipeline(project, ports, "aclk", "s_axis_tdata")}
    wire take = s_axis_tvalid & s_axis_tready;
    wire give = m_axis_tvalid & m_axis_tready;

    // events taken and not yet given: each has its place in the FIFO
    reg [{address}:0] owed;
    assign s_axis_tready = aresetn & (owed != {address + 1}'d{depth});

    // what goes beside the pipeline, clock for clock
    reg {_bus(latency + 1)} valid, last;

    reg {_bus(result + 1)} fifo [0:{depth - 1}];
    reg [{address}:0] head, tail;
    assign m_axis_tvalid = head != tail;
    wire {_bus(result + 1)} oldest = fifo[tail[{address - 1}:0]];
    assign m_axis_tdata = oldest[{result - 1}:0];  // and zeros above
    assign m_axis_tlast = oldest[{result}];

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
