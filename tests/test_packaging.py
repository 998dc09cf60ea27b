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


def on_disk() -> set[str]:
    """What git knows of the rooms, as it would be named in the wheel."""
    done = subprocess.run(
        ["git", "ls-files", "--", *ROOMS],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return {f"naetrigger/{name}" for name in done.stdout.splitlines()}


def test_wheel_is_what_is_on_disk(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    expected = on_disk()
    assert expected - names == set()
    untracked = {name for name in names - expected if "__pycache__" not in name}
    assert untracked == set()
    assert not [name for name in names if "__pycache__" in name]
    for suffix in (".py", ".yaml", ".h5", ".j2", ".typed"):
        kind = [name for name in expected if name.endswith(suffix)]
        assert not kind or set(kind) <= names
    assert any(name.endswith(".yaml") for name in names)


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
    for name in ("pyproject.toml", "README.md", "LICENSE", "pipeline/cli.py", "tests/conftest.py"):
        assert name in names
