"""Where verdicts go, and what is refused before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.manifest import Manifest, write_manifest
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.verdict_folder import Verdict, verdict_folder


@pytest.mark.parametrize("out", [None, "out"])
def test_a_folder_that_is_no_run_is_called_so(tmp_path: Path, out: str | None) -> None:
    there = None if out is None else tmp_path / out
    with pytest.raises(InputError, match="nope: no such run folder"):
        verdict_folder(tmp_path / "nope", there)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: not a run folder"):
        verdict_folder(tmp_path / "empty", there)
    assert there is None or not there.exists()


@pytest.mark.parametrize("command", ["compare", "monitor", "rates"])
def test_the_commands_say_so(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line([command, str(tmp_path / "nope"), "more.csv"]) == 2
    assert capsys.readouterr().err.endswith("nope: no such run folder\n")


def test_a_run_without_a_verdict_is_not_validated(tmp_path: Path) -> None:
    write_manifest(tmp_path, Manifest())
    with pytest.raises(InputError, match="not validated yet"):
        verdict_folder(tmp_path, None)
    (tmp_path / "validation").mkdir()
    assert verdict_folder(tmp_path, None) == tmp_path / "validation"


def test_a_verdict_that_is_replaced_is_called_so(tmp_path: Path) -> None:
    first = Verdict(tmp_path, tmp_path, "monitor.json", "monitor.html")
    (tmp_path / "monitor.json").touch()
    second = Verdict(tmp_path, tmp_path, "monitor.json", "monitor.html")
    files = f"{tmp_path / 'monitor.json'}, monitor.html"
    assert (str(first), str(second)) == (files, f"{files} (replaced)")
