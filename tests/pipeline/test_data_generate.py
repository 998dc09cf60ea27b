"""`naetrigger data generate` and `list processes`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from naetrigger.contracts.events import read_events
from naetrigger.pipeline.cli import run_command_line
from naetrigger.training.simulate import chunks
from naetrigger.training.simulate.processes import PROCESSES
from naetrigger.training.simulate.sample import content_hash


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(chunks, "EVENTS_PER_CHUNK", 5)
    monkeypatch.chdir(tmp_path)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_processes_are_listed_with_their_views(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["list", "processes", "--json"]) == 0
    rows = {row["name"]: row["description"] for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == {*PROCESSES, "svj?_MASS_rNN"}
    assert rows["top"].endswith("[images, jets, l1-objects, regions]")


def test_generate(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["data", "generate", "svjs_2500_r05", "--events", "4", "--out", "a.h5"]
    assert run_command_line([*command, "--workers", "1", "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert captured.err == ""
    (events,) = read_events(Path("a.h5"))
    assert len(events) == document["rows"] == 4
    assert document["view"] == "jets"
    assert document["content_sha256"] == content_hash([events])
    assert run_command_line(command) == 2
    assert "exists already" in said(capsys)


def test_progress_and_result(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["data", "generate", "svjs_2000_r03", "--events", "2", "--out", "a.h5"]
    assert run_command_line([*command, "--workers", "1"]) == 0
    captured = capsys.readouterr()
    assert "a.h5: 2 jets of svjs_2000_r03" in captured.out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["tbar", "--events", "5", "--out", "x.h5"], "did you mean 'ttbar'"),
        (["ttbar", "--events", "0", "--out", "x.h5"], "--events: must be 1 to"),
        (["ttbar", "--events", "five", "--out", "x.h5"], "--events"),
        (["ttbar", "--events", "5"], "--out"),
        (["ttbar", "--events", "5", "--out", "no/x.h5"], "no: no such folder"),
        (["a_4l", "--events", "5", "--out", "x.h5", "--view", "jets"], "l1-objects, regions"),
        (["ttbar", "--events", "5", "--out", "x.h5", "--view", "jet"], "did you mean 'jets'"),
        (["ttbar", "--events", "5", "--out", "x.h5", "--workers", "0"], "--workers"),
    ],
)
def test_bad_requests(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run_command_line(["data", "generate", *arguments]) == 2
    assert expected in said(capsys)
    assert not list(tmp_path.iterdir())


def test_missing_extra(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['fastjet'] = None\n"
        "from naetrigger.pipeline.cli import main\n"
        "main(['data', 'generate', 'ttbar', '--events', '5', '--out', 'x.h5'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 3
    assert "pip install 'naetrigger[generate]'" in done.stderr
    assert not list(tmp_path.iterdir())


def test_interruption_says_how_to_go_on(tmp_path: Path) -> None:
    arguments = ["data", "generate", "svjs_2000_r03", "--events", "100000", "--out", "x.h5"]
    running = subprocess.Popen(
        [sys.executable, "-m", "naetrigger.pipeline.cli", *arguments, "--workers", "2"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "x.h5.parts" / "order.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to parent and workers
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "the same command goes on in x.h5.parts where it stopped" in errors
    assert "Traceback" not in errors
