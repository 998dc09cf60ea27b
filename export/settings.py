"""Settings of the export stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from naetrigger.contracts.settings import Settings

Square = Literal["auto", "multiplier", "lookup"]
Language = Literal["verilog", "vhdl"]


class FirmwareSettings(Settings):
    """How the fixed-point network becomes firmware."""

    board: str = "vu13p-5ns"
    """Name of a shipped board, or the path of a board file."""
    project: str = Field("anomaly_score", pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")
    """Name of the C++ function and of the RTL top module."""
    hls_backend: Literal["Vitis", "Vivado"] = "Vitis"
    """hls4ml back end. Both compile and run here without a vendor tool."""
    hls_strategy: Literal["latency", "resource"] = "latency"
    """hls4ml strategy of every dense layer; the numbers are the same."""
    reuse_factor: int = Field(1, ge=1, le=4096)
    """How often hls4ml uses one multiplier for an event; the initiation interval."""
    compiler: str = "g++"
    """C++ compiler of the HLS emulation, by name or path."""
    square: Square = "auto"
    """Squares in RTL: a multiplier, an exact table on |x|, or the one alkaid estimates lower in
    latency times LUTs."""
    languages: tuple[Language, ...] = ("verilog", "vhdl")
    """RTL languages to write."""
    threshold_efficiency: float = Field(0.01, gt=0, lt=1)
    """Background efficiency of the threshold in the ONNX files' metadata; it is set on the
    training background. The report's working points are measured on the test sample."""
    vectors: int = Field(10_000, ge=1_000, le=10_000_000)
    """Test vectors on which every engine must agree to the last bit."""
