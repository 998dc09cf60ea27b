"""hls4ml's back ends: what each one writes for, what it can do, and what can be run here.

Only facts stand here; export/hls.py writes projects, export/hls_emulation.py what is compiled of
them, export/hls_build.py calls the vendors' tools.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from naetrigger.contracts.errors import InputError
from naetrigger.export.settings import FirmwareSettings, HlsBackend, HlsStrategy
from naetrigger.firmware_configs.board import Board

AMD = "AMD"


@dataclass(frozen=True)
class BackendKind:
    """One back end.

    vendor : whose devices it is for
    part : device (board, for VivadoAccelerator) where the run's board is not the vendor's
    tool : the vendor's program, first of the names it goes by
    strategies : those that its dense layers have
    namespaced : whether its code stands in a namespace of its own
    streams : whether hls4ml can write io_stream for it
    streams_trace : whether a layer shows its output with io_stream too
    decides : whether its projects give the bits of the decision, as a second output
    single_bits : whether hls4ml 1.3 writes a one-bit format as one; as ac_fixed it writes two bits,
        and what saturates or wraps at one bit would not
    lacking : what its emulation needs that no free compiler has; None: g++ is enough
    """

    name: HlsBackend
    vendor: str
    part: str
    tools: tuple[str, ...]
    strategies: tuple[HlsStrategy, ...] = ("latency", "resource")
    namespaced: bool = False
    streams: bool = True
    streams_trace: bool = True
    decides: bool = False
    single_bits: bool = True
    lacking: str | None = None


_ALL: tuple[HlsStrategy, ...] = ("latency", "resource", "distributed_arithmetic")

BACKENDS: dict[str, BackendKind] = {
    kind.name: kind
    for kind in (
        BackendKind("Vitis", AMD, "", ("vitis-run", "vitis_hls"), _ALL, True, decides=True),
        BackendKind("Vivado", AMD, "", ("vivado_hls",), _ALL, True, decides=True),
        BackendKind("VivadoAccelerator", AMD, "pynq-z2", ("vivado_hls",), namespaced=True),
        # hls4ml 1.3.0 saves the output stream for every layer (quartus_writer.py)
        BackendKind(
            "Quartus", "Intel", "Arria10", ("i++",), streams_trace=False, single_bits=False
        ),
        BackendKind("Catapult", AMD, "", ("catapult",), single_bits=False),
        BackendKind(
            "oneAPI",
            "Intel",
            "Agilex7",
            ("icpx",),
            single_bits=False,
            lacking="Intel's compiler icpx with its SYCL and ac_types headers",
        ),
        BackendKind(
            "Libero",
            "Microchip",
            "MPF300",
            ("shls",),
            namespaced=True,
            streams=False,
            lacking="Microchip's SmartHLS (shls) with its headers hls/*.hpp",
        ),
    )
}

ACCELERATOR_BOARDS = ("pynq-z2", "zcu102", "alveo-u50", "alveo-u250", "alveo-u200", "alveo-u280")
"""Boards that hls4ml has a shell design for."""


def hls_folders(settings: FirmwareSettings) -> dict[HlsBackend, str]:
    """Folder names of the wanted projects by back end, the engine `hls` first."""
    further = {name: f"hls_{name.lower()}" for name in settings.hls_backends}
    return {settings.hls_backend: "hls"} | further | {settings.hls_backend: "hls"}


def part_for(kind: BackendKind, board: Board, settings: FirmwareSettings) -> str:
    """The device a project names: the recipe's, the board's, or the back end's own default."""
    chosen = settings.hls_parts.get(kind.name)
    if kind.name == "VivadoAccelerator":
        chosen = chosen or (board.name if board.name in ACCELERATOR_BOARDS else kind.part)
        if chosen not in ACCELERATOR_BOARDS:
            raise InputError(
                f"firmware.hls_parts.VivadoAccelerator: must be a board that hls4ml has a shell "
                f"for ({', '.join(ACCELERATOR_BOARDS)}), got {chosen}"
            )
        return chosen
    return chosen or (board.part if kind.vendor == AMD else kind.part)


def tool_on_path(kind: BackendKind) -> str | None:
    """Path of the vendor's program, or None."""
    return next(filter(None, map(shutil.which, kind.tools)), None)


def why_not_emulated(kind: BackendKind) -> str | None:
    """What keeps the emulation from being made here; None: nothing does."""
    if kind.lacking is None:
        return None
    return f"{kind.name}: the project is written and not emulated, which needs {kind.lacking}"
