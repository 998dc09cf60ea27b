"""The wheel holds what the rooms hold, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
ROOMS = ("contracts", "firmware_configs", "training", "export", "validation", "pipeline")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sdist and, made from it, the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run([*command, str(REPOSITORY)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


TOP = ("pyproject.toml", "README.md", "LICENSE", "CITATION.cff", "CHANGELOG.md")


def on_disk() -> set[str]:
    """The files of the rooms, as they would be named in the wheel."""
    return {
        f"naetrigger/{path.relative_to(REPOSITORY).as_posix()}"
        for room in ROOMS
        for path in (REPOSITORY / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_wheel_is_what_is_on_disk(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert names == on_disk()
    assert {f"naetrigger/{room}/py.typed" for room in ROOMS} <= names
    for suffix in (".py", ".yaml", ".h5"):
        assert any(name.endswith(suffix) for name in names)


def test_wheel_has_command_license_and_version(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    info = {n.rpartition("/")[2]: n for n in archive.namelist() if ".dist-info/" in n}
    assert b"naetrigger = naetrigger.pipeline.cli:main" in archive.read(info["entry_points.txt"])
    assert "LICENSE" in info
    metadata = archive.read(info["METADATA"]).decode()
    assert "License-Expression: BSD-3-Clause" in metadata
    assert "Version: 0." in metadata


def test_sdist_has_tests_and_licence(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in (*TOP, "pipeline/cli.py", "tests/conftest.py"):
        assert name in names
