"""`naetrigger show RUN --explain CHECK`: the right checks, what they mean, what to do."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from naetrigger.pipeline import run_commands
from naetrigger.pipeline.cli import run_command_line
from naetrigger.validation.report.explanations import EXPLANATIONS
from naetrigger.validation.report.schema import Check

CHECKS = (
    *(
        Check(
            name=f"agreement student/network = student/{engine} (test sample)",
            passed=engine != "rtl",
            value=1.0 if engine != "rtl" else 0.5,
            relation=">=",
            limit=1.0,
            unit="of events",
        )
        for engine in ("qkeras", "qcdq", "qonnx", "hls", "rtl", "rtlsim")
    ),
    Check(name="saturated scores in the background", passed=True, value=0, limit=0.1),
    Check(name="taste of an older report", passed=True, value=0, limit=0.1),
)


@pytest.fixture(autouse=True)
def report(monkeypatch: pytest.MonkeyPatch) -> None:
    found: Any = SimpleNamespace(checks=CHECKS)
    monkeypatch.setattr(run_commands, "read_report", lambda folder: found)
    monkeypatch.setattr(run_commands, "say_if_outdated", lambda folder: None)


def said(text: str, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert run_command_line(["show", "runs/a", "--explain", text, *more]) == 0
    return capsys.readouterr().out


def test_failed_ones_first_and_alike_together(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said("Agreement", capsys).splitlines()
    assert lines[0].startswith("FAILED  agreement student/network = student/rtl (test sample): 0.5")
    assert lines[4] == "and 2 more of this kind, 0 failed"
    assert lines[5].startswith("  means:       Two engines of the student must give the same")
    assert sum("means:" in line for line in lines) == 1
    assert any(line.startswith("  if it fails: `naetrigger compare") for line in lines)
    assert max(map(len, lines[5:])) <= 100


def test_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    text = said("all", capsys)
    assert "student.score_headroom" in text
    assert "not explained: a check of another version" in text


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    (told,) = json.loads(said("saturated", capsys, "--json"))
    assert [check["name"] for check in told["checks"]] == ["saturated scores in the background"]
    assert told["setting"] == "validation.limits.saturated_fraction (0.0005)"
    assert "student.score_bits" in told["advice"]


def test_without_a_run_kinds_of_checks_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["show", "--explain", "Budget lut"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "budget"
    assert lines[1].startswith("  means:       A resource of the board")
    assert run_command_line(["show", "--explain", "all", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told) == len(EXPLANATIONS)
    assert told[0]["kind"] == "required: "
    assert run_command_line(["show", "--explain", "budegt"]) == 2
    assert "did you mean 'budget'?" in capsys.readouterr().err
    assert run_command_line(["show"]) == 2
    assert "name a run folder" in capsys.readouterr().err


def test_a_name_that_no_check_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["show", "runs/a", "--explain", "saturated score in background"]) == 2
    assert "did you mean 'saturated scores in the background'?" in capsys.readouterr().err


def test_a_failed_run_says_how_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = CHECKS[4].model_dump(mode="json")
    verdict = {"passed": False, "checks": 8, "failed_checks": [failed], "report": "r.html"}
    monkeypatch.setattr(run_commands, "_verdict", lambda root: verdict)
    monkeypatch.setattr("naetrigger.pipeline.run.run", lambda *_, **__: SimpleNamespace(stages=()))
    assert run_command_line(["run", "digits", "--out", str(tmp_path / "a b")]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    folder = f"'{tmp_path}/a b'"
    assert last == f"what that means: naetrigger show {folder} --explain '{failed['name']}'"
