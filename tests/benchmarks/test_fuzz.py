"""The fuzzer says by its exit status whether it found anything."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import fuzz


def refuse(data: bytes) -> None:
    raise ValueError("defect")


@pytest.mark.parametrize(
    ("defects", "crash", "status", "found"),
    [(0, 0, 0, "0"), (1, 0, 1, "1"), (0, -11, 1, "0")],
)
def test_the_exit_status_tells_of_defects_and_crashes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    defects: int,
    crash: int,
    status: int,
    found: str,
) -> None:
    """An input that a defect came of counts once, whatever is written beside it."""

    def run(command: list[str], **_: Any) -> Any:
        folder = tmp_path / "recipe"
        (folder / "found").mkdir(parents=True)
        recorder = fuzz.Recorder(refuse if defects else len, folder)
        for data in (b"a", b"b"):
            recorder(data)
        return SimpleNamespace(returncode=crash)

    monkeypatch.setattr(fuzz, "subprocess", SimpleNamespace(run=run))
    monkeypatch.setattr(sys, "argv", ["fuzz", "--target", "recipe", "--out", str(tmp_path)])
    assert fuzz.main() == status
    row = capsys.readouterr().out.splitlines()[-1]
    assert [cell.strip() for cell in row.split("|")][-3:-1] == [found, str(crash)]
