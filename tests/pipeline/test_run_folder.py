"""Where a run folder can be, and when one that was made goes again."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from naetrigger.contracts.errors import EnvironmentProblem, InputError
from naetrigger.pipeline.run_folder import locked


@pytest.mark.parametrize("place", ["file/run", "nowhere", "loop"])
def test_a_place_that_cannot_be_a_folder_is_refused(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with (
        pytest.raises(InputError, match=r"cannot be made a folder.*--out"),
        locked(tmp_path / place),
    ):
        pass


def refused(root: Path, error: Exception, *left: str) -> None:
    """A start that ends in an error, after it wrote these files."""

    def start() -> None:
        with locked(root):
            for name in left:
                (root / name).parent.mkdir(exist_ok=True)
                (root / name).write_text("x")
            raise error

    with pytest.raises(type(error)):
        start()


STARTED = ("recipe.yaml", ".data.json", ".data.partial/train.h5")


def test_a_failed_start_leaves_no_folder(tmp_path: Path) -> None:
    refused(tmp_path / "deep" / "run", InputError("no such column"), *STARTED)
    refused(tmp_path / "other", EnvironmentProblem("no compiler"))
    refused(tmp_path / "full", OSError("disk full"), *STARTED)
    assert [path.name for path in tmp_path.rglob("*")] == ["deep"]


@pytest.mark.parametrize(
    ("error", "left"),
    [
        (InputError("no board"), ("manifest.json", *STARTED)),  # a stage is finished
        (InputError("no board"), ("mine.txt", "recipe.yaml")),  # somebody else's
        (ValueError("a defect"), STARTED),
        (KeyboardInterrupt(), STARTED),  # goes on
    ],
)
def test_what_is_of_use_is_kept(error: Exception, left: tuple[str, ...], tmp_path: Path) -> None:
    refused(tmp_path / "run", error, *left)
    assert (tmp_path / "run" / left[0]).exists()


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    refused(tmp_path, InputError("no such column"), "recipe.yaml")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "recipe.yaml"]


def test_a_folder_that_another_run_takes_away_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, real = tmp_path / "run", fcntl.lockf
    taken_away = []

    def meanwhile(file: IO[str], how: int) -> None:
        if not taken_away:
            taken_away.append(root)
            (root / ".lock").unlink()
            root.rmdir()
        real(file, how)

    monkeypatch.setattr(fcntl, "lockf", meanwhile)
    with locked(root):
        assert taken_away
        assert (root / ".lock").exists()


def test_who_waits_for_a_failing_start_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    root = tmp_path / "run"
    script = (
        "import sys; from pathlib import Path; from naetrigger.pipeline.run_folder import locked\n"
        "with locked(Path(sys.argv[1])): pass"
    )

    def start() -> None:
        with locked(root):
            other = [sys.executable, "-c", script, str(root)]
            said = subprocess.run(other, capture_output=True, text=True).stderr
            assert "another run works here" in said
            assert (root / ".lock").exists()
            raise InputError("no such column")

    with pytest.raises(InputError, match="no such column"):
        start()
    assert not root.exists()
