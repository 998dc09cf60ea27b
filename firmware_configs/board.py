"""Boards: part, clock, and the latency and resources a trigger algorithm may use."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from naetrigger.contracts.settings import Settings
from naetrigger.firmware_configs.shipped import find, parse_yaml, shipped_names, validate


class Limit(Settings):
    """An upper bound and where it comes from."""

    value: float = Field(ge=0)
    source: str


class Budget(Settings):
    """What one algorithm may use; a bound that is absent is not checked."""

    latency_ns: Limit | None = None
    """From the clock edge that takes an event to the one that gives its score."""
    initiation_interval: Limit | None = None
    """Clock cycles between events."""
    lut: Limit | None = None
    ff: Limit | None = None
    dsp: Limit | None = None
    bram: Limit | None = None
    """36-kbit blocks."""


class Board(Settings):
    """An FPGA with its clock and budget."""

    name: str
    description: str
    part: str
    """The vendor's part number, as hls4ml and Vivado take it."""
    yosys_family: str
    """Family name of yosys' synth_xilinx."""
    clock_ns: float = Field(gt=0, le=1000)
    crossing_ns: float = Field(gt=0)
    """Time between bunch crossings."""
    clock_source: str
    latency_cutoff: float = Field(gt=0)
    """Combinational delay a pipeline stage may hold, in the units of `stage_delay`."""
    latency_cutoff_source: str
    stage_delay: Literal["alkaid", "lut_levels"] = "alkaid"
    """What the cutoff counts: alkaid's delays (about an adder each), or LUTs in a row."""
    lut_level_ns: Limit | None = None
    """Delay of a LUT with the net behind it; LUT levels times it are held against the clock."""
    wrapper: Literal["plain", "axi_stream"] = "plain"
    """Ports of the top module: words and valid bits of trigger boards, or an AXI stream."""
    budget: Budget


def board_names() -> list[str]:
    """Names of the shipped boards."""
    return shipped_names("boards")


def load_board(name_or_path: str) -> Board:
    """A shipped board by name, or one from a YAML file."""
    text, source = find("boards", name_or_path)
    return validate(Board, parse_yaml(text, source), source)
