"""Resources without a vendor: the RTL synthesized by yosys for a family of FPGAs.

    synthesize(folder, board)            LUTs, flip-flops, DSPs and LUT levels of an RTL project
    write_synthesis(folder, found)       ... kept as synthesis.json in the project
    read_synthesis(folder)               ... as it was kept; None if it was not synthesized

Yosys maps the logic onto the family's cells; it does not place or route. So its LUTs are a count of
cells (a vendor's packer puts some pairs into one LUT), and its timing is the number of LUTs behind
one another, which a delay per level (board file) turns into nanoseconds.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from naetrigger.contracts.errors import EnvironmentProblem, InputError, MissingExtra
from naetrigger.contracts.whole_file import whole_file
from naetrigger.export.logic_depth import deepest
from naetrigger.export.rtl import read_record
from naetrigger.export.rtl_simulation import verilog_sources
from naetrigger.firmware_configs.board import Board

FORMAT = "naetrigger-synthesis"
VERSION = 1
NAME = "synthesis.json"
FAMILIES = ("xc7", "xcu", "xcup")
LOGIC = "* t:FD* %d t:LD* %d t:SRL* %d t:RAM* %d t:BUF* %d"  # all cells but registers
KINDS = {
    "lut": r"LUT\d|LUT6_2|INV|SRL.*",  # deepest() refuses memory in LUTs
    "ff": r"FD[A-Z]+|LD[A-Z]+",
    "dsp": r"DSP48.*",
    "bram_18k": r"RAMB18.*",
    "bram_36k": r"RAMB36.*",
    "carry": r"CARRY\d",
}


@dataclass(frozen=True)
class Limits:
    """What a synthesis may take before it is ended."""

    memory_gb: float = 8.0
    minutes: float = 30.0


@dataclass(frozen=True)
class Synthesis:
    """What yosys makes of an RTL project.

    lut : LUT cells, those used as shift registers among them
    bram : 36-kbit blocks
    carry : CARRY4 or CARRY8 cells
    lut_levels : LUTs on the deepest path between registers, bit by bit through the carry cells
    ltp : cells on yosys' longest topological path, where a carry cell passes any bit to any other
    """

    family: str
    use_dsp: bool
    lut: int
    ff: int
    dsp: int
    bram: float
    carry: int
    lut_levels: int
    ltp: int
    yosys: str


def has_yosys() -> bool:
    """Whether synthesis is possible here."""
    return find_spec("pyosys") is not None


def synthesize(folder: Path, board: Board, limits: Limits | None = None) -> Synthesis:
    """Synthesize the Verilog of the RTL project `folder` for the family of a board's device.

    Products go into DSPs unless the board's budget has none.

    Raises MissingExtra without pyosys, EnvironmentProblem where yosys fails or a limit ends it.
    """
    family = board.yosys_family
    use_dsp = board.budget.dsp is None or board.budget.dsp.value > 0
    if family not in FAMILIES:
        raise InputError(f"no yosys family '{family}' here (there are {', '.join(FAMILIES)})")
    project = str(read_record(folder)["project"])
    options = "" if use_dsp else " -nodsp"
    passes = [
        f"synth_xilinx -family {family} -top {project} -flatten -noiopad{options}",
        "tee -q -o stat.json stat -json",
        f"tee -q -o ltp.txt ltp {LOGIC}",
        "write_json netlist.json",
    ]
    with tempfile.TemporaryDirectory(prefix="naetrigger-yosys-") as work:
        run_yosys(Path(work), verilog_sources(folder), passes, limits or Limits())
        return _read_results(Path(work), project, family, use_dsp)


def run_yosys(work: Path, sources: tuple[Path, ...], passes: list[str], limits: Limits) -> None:
    """Read Verilog files and run yosys' commands on them, in a process in the folder `work`."""
    if not has_yosys():
        raise MissingExtra("pyosys", "synthesis")
    for source in sources:
        shutil.copy(source, work)
    order = {
        "passes": [*(f"read_verilog {source.name}" for source in sources), *passes],
        "memory_gb": limits.memory_gb,
    }
    (work / "order.json").write_text(json.dumps(order), encoding="utf-8")
    start = time.monotonic()
    command = [sys.executable, "-m", "naetrigger.export.yosys_worker"]
    try:
        status, said = _run_group(command, work, 60 * limits.minutes)
    except subprocess.TimeoutExpired as error:
        raise EnvironmentProblem(
            f"yosys was ended after {limits.minutes:g} minutes; give it more "
            "(firmware.synthesis_minutes), or set firmware.synthesis: none"
        ) from error
    if status != 0:
        lines = said.strip().splitlines()
        errors = [line for line in lines if "ERROR" in line or "Error" in line] or lines[-3:]
        raise EnvironmentProblem(
            f"yosys ended with status {status} after {time.monotonic() - start:.0f} s "
            f"(at most {limits.memory_gb:g} GB of memory):\n  " + "\n  ".join(errors)
        )


def _run_group(command: list[str], work: Path, seconds: float) -> tuple[int, str]:
    """Status and output of a command; ended early, its children (yosys-abc) end with it."""
    with subprocess.Popen(
        command,
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=seconds)
        except BaseException:  # a limit, or Ctrl-C, which does not reach a session of its own
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, said


def write_synthesis(folder: Path, found: Synthesis) -> None:
    """Keep the figures in the project."""
    document = {"format": FORMAT, "version": VERSION, **asdict(found)}
    with whole_file(folder / NAME) as path:
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_synthesis(folder: Path) -> Synthesis | None:
    """The figures kept in a project; None if there are none."""
    path = folder / NAME
    if not path.exists():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if (document.pop("format"), document.pop("version")) != (FORMAT, VERSION):
            raise InputError(f"{path}: expected {FORMAT} version {VERSION}")
        return Synthesis(**document)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not the record of a synthesis ({error!r})") from error


def _read_results(work: Path, project: str, family: str, use_dsp: bool) -> Synthesis:
    """The figures that yosys left in its folder."""
    cells = _cells(json.loads((work / "stat.json").read_text(encoding="utf-8")))
    counts = {
        kind: sum(n for name, n in cells.items() if re.fullmatch(pattern, name))
        for kind, pattern in KINDS.items()
    }
    netlist = json.loads((work / "netlist.json").read_text(encoding="utf-8"))
    path = re.search(r"length=(\d+)", (work / "ltp.txt").read_text(encoding="utf-8"))
    return Synthesis(
        family=family,
        use_dsp=use_dsp,
        lut=counts["lut"],
        ff=counts["ff"],
        dsp=counts["dsp"],
        bram=counts["bram_36k"] + counts["bram_18k"] / 2,
        carry=counts["carry"],
        lut_levels=deepest(netlist["modules"][project]).luts,
        ltp=int(path[1]) if path else 0,
        yosys=metadata.version("pyosys"),
    )


def _cells(stat: Mapping[str, Any]) -> dict[str, int]:
    """Cells by type of the whole design, from yosys' `stat -json`."""
    found: dict[str, int] = {}
    for name, count in stat["design"]["num_cells_by_type"].items():
        found[name.lstrip("\\")] = int(count)
    return found
