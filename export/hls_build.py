"""The vendor's own tool on an HLS project, and what it reports.

The tool works on a fresh copy of the files that the run's manifest names, so no report of an
earlier call can be among them. Its exit status counts, and a report must be newer than the call.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from naetrigger.contracts.errors import EnvironmentProblem, InputError, MissingExtra
from naetrigger.export.hls_backends import BACKENDS, BackendKind, tool_on_path
from naetrigger.export.hls_library import read_record

log = logging.getLogger(__name__)

LOG = "build.log"
CLOCK_SLACK_S = 2.0  # some file systems keep whole seconds


@dataclass(frozen=True)
class VendorFigures:
    """What one step of a vendor's tool says; absent figures were not given.

    step : which of its reports, e.g. 'C synthesis'
    clock_ns : the period that the tool reached or estimated
    bram : 36-kbit blocks, where the vendor counts in such
    """

    backend: str
    tool: str
    step: str
    latency_cycles: int | None = None
    initiation_interval: int | None = None
    clock_ns: float | None = None
    lut: int | None = None
    ff: int | None = None
    dsp: int | None = None
    bram: float | None = None


def require_tool(kind: BackendKind) -> str:
    """Path of the vendor's program; EnvironmentProblem where it is not on PATH."""
    tool = tool_on_path(kind)
    if tool is None:
        raise EnvironmentProblem(
            f"build: {kind.name} needs {' or '.join(kind.tools)} on PATH; source the vendor's "
            "settings script first"
        )
    return tool


def build_project(
    source: Path, files: Iterable[str], folder: Path, synthesis: bool
) -> list[VendorFigures]:
    """Build the project in `source` by its vendor's tool inside the new folder `folder`.

    files : paths below `source` that belong to the project
    synthesis : go on to logic synthesis, where the tool has it

    Raises EnvironmentProblem without the tool, when it fails, and when it leaves no report.
    """
    record = read_record(source)
    kind = BACKENDS[record["backend"]]
    tool = require_tool(kind)
    for name in files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((source / name).read_bytes())
        target.chmod((source / name).stat().st_mode)
    start = time.time()
    for call in _calls(kind, tool, folder, str(record["project"]), synthesis):
        _run(call, folder)
    figures = _figures(kind, Path(tool).name, folder, start, float(record["clock_ns"]))
    text = json.dumps([asdict(entry) for entry in figures], indent=1) + "\n"
    (folder / "vendor.json").write_text(text, encoding="utf-8")
    return figures


def _calls(
    kind: BackendKind, tool: str, folder: Path, name: str, synthesis: bool
) -> list[list[str]]:
    options = {
        "reset": 1,
        "csim": 1,
        "synth": 1,
        "cosim": 0,
        "validation": 0,
        "export": 0,
        "vsynth": int(synthesis),
        "fifo_opt": 0,
    }
    words = " ".join(f"{key}={value}" for key, value in options.items())
    match kind.name:
        case "Vitis":
            lines = "".join(f"    {key} {value}\n" for key, value in options.items())
            text = f"array set opt {{\n{lines}}}\n"
            (folder / "build_opt.tcl").write_text(text, encoding="utf-8")
            if Path(tool).name == "vitis_hls":
                return [[tool, "-f", "build_prj.tcl"]]
            return [[tool, "--mode", "hls", "--tcl", "build_prj.tcl"]]
        case "Vivado" | "VivadoAccelerator":
            return [[tool, "-f", "build_prj.tcl", words]]
        case "Catapult":
            script = f'set ::argv "{words}"'
            head = [tool, "-product", "ultra", "-shell", "-f", "build_prj.tcl"]
            return [[*head, "-eval", script]]
        case "Quartus":
            extra = ["QUARTUS_COMPILE=--quartus-compile"] if synthesis else []
            return [["make", f"{name}-fpga", *extra]]
        case "oneAPI":
            target = "fpga" if synthesis else "report"
            make = ["cmake", "--build", "build", "--target", target]
            return [["cmake", "-S", ".", "-B", "build"], make]
        case "Libero":
            steps = ["sw_compile", "hw", *(["rtl_synth"] if synthesis else [])]
            return [[tool, "-s", step] for step in steps]
    raise InputError(f"build: {kind.name} has no build")


def _run(call: list[str], folder: Path) -> None:
    """One program; all it says goes to build.log."""
    with (folder / LOG).open("ab") as output:
        try:
            done = subprocess.run(
                call,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        except OSError as error:
            raise EnvironmentProblem(f"build: {call[0]}: {error.strerror}") from error
    if done.returncode != 0:
        said = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
        errors = [line for line in said if "error" in line.lower()]
        shown = "\n  ".join((errors or said)[-3:])
        raise EnvironmentProblem(
            f"build: {Path(call[0]).name} failed with status {done.returncode}:\n"
            f"  {shown}\nits last words of {LOG}; nothing of it is in the report"
        )


def _figures(
    kind: BackendKind, tool: str, folder: Path, start: float, clock_ns: float
) -> list[VendorFigures]:
    reports = [path for pattern in _REPORTS[kind.name] for path in sorted(folder.glob(pattern))]
    old = [path for path in reports if path.stat().st_mtime < start - CLOCK_SLACK_S]
    if old:
        raise EnvironmentProblem(
            f"build: {tool} ended without an error, and {old[0].relative_to(folder)} is older than "
            "the call; it is not taken"
        )
    parsed = _parsed(kind, folder) if reports else {}
    found = [
        VendorFigures(kind.name, tool, step, **{"clock_ns": clock_ns, **figures})
        for step, figures in _READERS[kind.name](parsed)
        if any(value is not None for value in figures.values())
    ]
    if not found:
        raise EnvironmentProblem(
            f"build: {tool} ended without an error and left no report "
            f"({', '.join(_REPORTS[kind.name])}); see {LOG}"
        )
    return found


def _parsed(kind: BackendKind, folder: Path) -> Mapping[str, Any]:
    """hls4ml's reading of the reports."""
    chatter = io.StringIO()
    try:
        from hls4ml import report
    except ImportError as error:
        raise MissingExtra("hls4ml", "export") from error
    name = {"VivadoAccelerator": "vivado", "Vitis": "vivado"}.get(kind.name, kind.name.lower())
    parse = getattr(report, f"parse_{name}_report")
    try:
        with contextlib.redirect_stdout(chatter):
            return parse(str(folder)) or {}
    except Exception as error:
        raise EnvironmentProblem(
            f"build: hls4ml cannot read the reports of {kind.name} "
            f"({type(error).__name__}: {error})"
        ) from error
    finally:
        log.debug("hls4ml: %s", chatter.getvalue())


_Steps = list[tuple[str, dict[str, Any]]]


def _amd(parsed: Mapping[str, Any]) -> _Steps:
    c = parsed.get("CSynthesisReport", {})
    logic = parsed.get("VivadoSynthReport", {})
    cosim = parsed.get("CosimReport", {})
    steps = [
        (
            "C synthesis",
            {
                "latency_cycles": _whole(c.get("WorstLatency")),
                "initiation_interval": _whole(c.get("IntervalMax")),
                "clock_ns": _number(c.get("EstimatedClockPeriod")),
                **_resources(c, "DSP"),
            },
        ),
        ("logic synthesis", _resources(logic, "DSP48E")),
        (
            "co-simulation",
            {
                "latency_cycles": _whole(cosim.get("LatencyMax")),
                "initiation_interval": _whole(cosim.get("IntervalMax")),
            },
        ),
    ]
    return [(step, _given(figures)) for step, figures in steps]


def _resources(table: Mapping[str, Any], dsp: str) -> dict[str, Any]:
    half_blocks = _number(table.get("BRAM_18K"))
    return {
        "lut": _whole(table.get("LUT")),
        "ff": _whole(table.get("FF")),
        "dsp": _whole(table.get(dsp)),
        "bram": None if half_blocks is None else half_blocks / 2,
    }


def _catapult(parsed: Mapping[str, Any]) -> _Steps:
    return [("logic synthesis", _given(_resources(parsed.get("UtilizationReport", {}), "DSP48E")))]


def _quartus(parsed: Mapping[str, Any]) -> _Steps:
    figures = {
        "latency_cycles": _whole(parsed.get("Latency (MAX)")),
        "initiation_interval": _whole(parsed.get("ii (MAX)")),
        "lut": _whole(parsed.get("HLS Estimate ALUT")),
        "ff": _whole(parsed.get("HLS Estimate FF")),
        "dsp": _whole(parsed.get("HLS Estimate DSP")),
    }
    return [("HLS synthesis", _given(figures))]


def _oneapi(parsed: Mapping[str, Any]) -> _Steps:
    steps = []
    for target, entry in parsed.items():
        total, loop = (entry or {}).get("HLS", {}).get("total", {}), (entry or {}).get("Loop", {})
        figures = {
            "latency_cycles": _whole(loop.get("worstLatency")),
            "initiation_interval": _whole(loop.get("worstII")),
            "lut": _whole(total.get("alut")),
            "ff": _whole(total.get("reg")),
            "dsp": _whole(total.get("dsp")),
        }
        steps.append((f"HLS synthesis ({target})", _given(figures)))
    return steps


def _libero(parsed: Mapping[str, Any]) -> _Steps:
    used = {
        name.lower(): row.get("Used")
        for name, row in parsed.get("Resource Usage", {}).items()
        if isinstance(row, dict)
    }

    def count(word: str) -> int | None:
        return next((_whole(value) for name, value in used.items() if word in name), None)

    figures = {"lut": count("4lut"), "ff": count("dff"), "dsp": count("math")}
    return [("logic synthesis", _given(figures))]


_READERS: dict[str, Callable[[Mapping[str, Any]], _Steps]] = {
    "Vitis": _amd,
    "Vivado": _amd,
    "VivadoAccelerator": _amd,
    "Catapult": _catapult,
    "Quartus": _quartus,
    "oneAPI": _oneapi,
    "Libero": _libero,
}

_AMD_REPORTS = ("*_prj/*/syn/report/*_csynth.xml", "vivado_synth.rpt")
_REPORTS = {
    "Vitis": _AMD_REPORTS,
    "Vivado": _AMD_REPORTS,
    "VivadoAccelerator": _AMD_REPORTS,
    "Catapult": ("*_prj/*/vivado_concat_v/utilization_synth.rpt",),
    "Quartus": ("*-fpga.prj/reports/lib/report_data.js",),
    "oneAPI": ("build/*.prj/reports/resources/json/summary.ndjson",),
    "Libero": ("hls_output/reports/summary.results.rpt",),
}
"""Files, below the project, that figures are read from."""


def _given(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in figures.items() if value is not None}


def _number(text: Any) -> float | None:
    try:
        return float(str(text).replace(",", ""))
    except ValueError:
        return None


def _whole(text: Any) -> int | None:
    value = _number(text)
    return None if value is None else round(value)
