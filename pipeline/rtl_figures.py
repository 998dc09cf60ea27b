"""What is known of the RTL's latency and size, as entries of the report, each with its source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from naetrigger.export.place_route import place_and_route
from naetrigger.export.rtl import read_estimate
from naetrigger.export.rtl_simulation import read_latency, was_simulated
from naetrigger.export.synthesis import Limits, Synthesis
from naetrigger.firmware_configs.board import Board
from naetrigger.validation.report.schema import FirmwareEstimate


def rtl_figures(folder: Path, board: Board, synthesis: Synthesis | None) -> list[FirmwareEstimate]:
    """alkaid's estimate, and yosys' synthesis where there is one, at the clock of a board."""
    rtl = read_estimate(folder)
    timing = _timing(folder, board)
    estimate = FirmwareEstimate(
        target="rtl",
        source="estimate",
        tool=f"alkaid's estimate{_measured(folder)}",
        **timing,
        lut=rtl.lut,
        ff=rtl.ff,
        dsp=rtl.dsp,
    )
    if synthesis is None:
        return [estimate]
    dsp = "" if synthesis.use_dsp else " without DSPs"
    tool = f"yosys {synthesis.yosys}, {synthesis.family} synthesis{dsp}, not placed"
    mapped = FirmwareEstimate(
        target="rtl",
        source="yosys",
        tool=f"{tool}{_measured(folder)}",
        **timing,
        lut=synthesis.lut,
        ff=synthesis.ff,
        dsp=synthesis.dsp,
        bram=synthesis.bram,
        lut_levels=synthesis.lut_levels,
        lut_level_ns=board.lut_level_ns.value if board.lut_level_ns else None,
    )
    return [estimate, mapped]


def routed_figures(folder: Path, board: Board, minutes: float) -> FirmwareEstimate:
    """nextpnr's figures on an open device, which is not the board's."""
    found = place_and_route(folder, board.clock_ns, Limits(minutes=minutes))
    return FirmwareEstimate(
        target="rtl",
        source="nextpnr",
        tool=f"nextpnr {found.nextpnr}, placed and routed on Lattice {found.device}, LUTs of four",
        latency_cycles=read_estimate(folder).latency_cycles,
        initiation_interval=read_estimate(folder).initiation_interval,
        lut=found.lut,
        ff=found.ff,
        dsp=found.dsp,
        maximum_clock_mhz=found.maximum_clock_mhz,
    )


def _timing(folder: Path, board: Board) -> dict[str, Any]:
    """Latency at the board's clock: as measured in simulation where it was, else as estimated."""
    rtl = read_estimate(folder)
    return {
        "latency_cycles": rtl.latency_cycles,
        "clock_ns": board.clock_ns,
        "latency_ns": rtl.latency_cycles * board.clock_ns,
        "initiation_interval": rtl.initiation_interval,
    }


def _measured(folder: Path) -> str:
    """A simulation's latency equals the estimate's, or the export would have failed."""
    simulated = was_simulated(folder) and read_latency(folder) is not None
    return "; latency as measured in simulation" if simulated else ""
