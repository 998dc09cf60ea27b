"""Is an emulator package what was written, and does it give the scores it promises?"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from naetrigger.contracts.errors import AgreementError, EnvironmentProblem, InputError
from naetrigger.export.emulator_package import MANIFEST

BUILT = (".o", ".so")  # what make leaves beside the sources
TEST = "test"
_LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<path>[^\n]+)")


def verify_package(folder: Path) -> int:
    """The number of files, all as the manifest has them; InputError naming those that are not.

    A file that the manifest does not name counts too, unless make built it.
    """
    stated = _read_manifest(folder / MANIFEST)
    problems = []
    for name, digest in stated.items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{path}: is missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            problems.append(f"{path}: edited (its sha256 is not the manifest's)")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        built = path.suffix in BUILT or name == TEST
        if path.is_file() and name not in (*stated, MANIFEST) and not built:
            problems.append(f"{path}: the manifest does not name it")
    if problems:
        raise InputError("\n".join(problems))
    return len(stated)


def run_package(folder: Path, compiler: str | None = None) -> str:
    """Build a copy of the package, run its test, and return what it said.

    Raises AgreementError if a score differs, EnvironmentProblem where it cannot be built.
    """
    for tool in ("make", compiler or "g++"):
        if shutil.which(tool) is None:
            raise EnvironmentProblem(
                f"'{tool}' is not on PATH; the package's test needs it (Debian: apt install make "
                "g++)"
            )
    with tempfile.TemporaryDirectory(prefix="naetrigger-") as work:
        copy = Path(work) / "package"
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(*(f"*{s}" for s in BUILT)))
        (copy / TEST).unlink(missing_ok=True)
        built = _run(["make", *([f"CXX={compiler}"] if compiler else [])], copy)
        if built.returncode != 0:
            said = f"{built.stdout}\n{built.stderr}".strip()
            raise EnvironmentProblem(f"{folder}: make failed:\n{said[-2000:]}")
        tested = _run([f"./{TEST}"], copy)
    said = f"{tested.stderr}{tested.stdout}".strip()
    if tested.returncode != 0:
        raise AgreementError(f"{folder}: its scores are not the expected ones: {said}")
    return said


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env=clean,
    )


def _read_manifest(path: Path) -> dict[str, str]:
    """sha256 by path."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path.parent}: not an emulator package ({error})") from error
    stated = {}
    for number, line in enumerate(lines, 1):
        found = _LINE.fullmatch(line)
        if found is None or Path(found["path"]).is_absolute() or ".." in Path(found["path"]).parts:
            raise InputError(f"{path}: line {number}: must be a sha256 and a path below the folder")
        stated[found["path"]] = found["digest"]
    if not stated:
        raise InputError(f"{path}: names no file")
    return stated
