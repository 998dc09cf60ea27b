"""naetrigger synthesize: figures with their sources, held against a board."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.manifest import Manifest, write_manifest
from naetrigger.export import synthesis
from naetrigger.export.rtl import FORMAT, VERSION, RtlEstimate
from naetrigger.export.synthesis import Synthesis
from naetrigger.firmware_configs.board import Board, load_board
from naetrigger.pipeline import rtl_figures
from naetrigger.pipeline.cli import run_command_line
from naetrigger.validation.report.schema import FirmwareEstimate

ESTIMATE = RtlEstimate(
    latency_cycles=12,
    initiation_interval=1,
    clock_ns=5.0,
    lut=13000,
    ff=12000,
    dsp=0,
    delay=55.0,
    square="multiplier",
)
FOUND = Synthesis("xc7", False, 14000, 12500, 0, 0.0, 900, 8, 30, "0.70")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """As much of a run folder as the command reads."""
    rtl = tmp_path / "export" / "rtl"
    rtl.mkdir(parents=True)
    record = {"format": FORMAT, "version": VERSION, "project": "p", "estimate": vars(ESTIMATE)}
    (rtl / "rtl.json").write_text(json.dumps(record))
    board = load_board("vu13p-5ns").model_dump(mode="json")
    (tmp_path / "export" / "board.yaml").write_text(yaml.safe_dump(board))
    write_manifest(tmp_path, Manifest())
    return tmp_path


@pytest.fixture
def yosys(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """Yosys is not run; what it was asked."""
    asked: list[tuple[str, float]] = []

    def synthesize(folder: Path, board: Board, limits: synthesis.Limits) -> Synthesis:
        asked.append((board.yosys_family, limits.minutes))
        return replace(FOUND, family=board.yosys_family)

    monkeypatch.setattr(synthesis, "synthesize", synthesize)
    return asked


def test_the_same_rtl_is_held_against_a_board(
    run: Path, yosys: list[tuple[str, float]], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["synthesize", str(run), "--board", "virtex7-690t", "--minutes", "7", "--json"]
    assert run_command_line(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    assert yosys == [("xc7", 7.0)]
    estimate, mapped = document["firmware"]
    assert (estimate["source"], estimate["lut"]) == ("estimate", 13000)
    assert (mapped["source"], mapped["lut"], mapped["dsp"]) == ("yosys", 14000, 0)
    assert mapped["tool"] == "yosys 0.70, xc7 synthesis without DSPs, not placed"
    assert mapped["latency_ns"] == pytest.approx(50)
    depth = next(check for check in document["checks"] if "logic depth" in check["name"])
    assert (depth["value"], depth["passed"]) == (4.0, True)


def test_a_budget_exceeded_is_the_exit_status(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = replace(FOUND, lut=90_000, lut_levels=17)
    monkeypatch.setattr(synthesis, "synthesize", lambda *arguments: deep)
    assert run_command_line(["synthesize", str(run)]) == 1
    said = capsys.readouterr().out
    assert "FAILED: budget lut of rtl (yosys): 90 000 LUT of " in said
    assert "3600 LUT (4%) too much; narrow student.weight_bits" in said
    assert "logic depth of rtl (yosys): 5.1 ns, must be <= 5 ns: 17 LUT levels of 0.3 ns" in said


def test_a_routed_clock_is_shown_with_its_device(
    run: Path,
    yosys: list[tuple[str, float]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    routed = FirmwareEstimate(
        target="rtl", source="nextpnr", lut=10**6, maximum_clock_mhz=81.2, tool="nextpnr on ECP5"
    )
    monkeypatch.setattr(rtl_figures, "routed_figures", lambda *arguments: routed)
    assert run_command_line(["synthesize", str(run), "--place-route"]) == 0
    assert "81.2 MHz at most: nextpnr on ECP5" in capsys.readouterr().out


def test_a_folder_without_rtl_is_refused(tmp_path: Path) -> None:
    assert run_command_line(["synthesize", str(tmp_path)]) == InputError.exit_status
