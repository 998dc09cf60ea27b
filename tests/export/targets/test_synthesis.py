"""Yosys on a Verilog file with a known answer, and what happens where it cannot finish."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from naetrigger.contracts.errors import EnvironmentProblem, InputError, MissingExtra
from naetrigger.export import synthesis
from naetrigger.export.rtl import FORMAT, VERSION
from naetrigger.export.synthesis import (
    Limits,
    Synthesis,
    read_synthesis,
    synthesize,
    write_synthesis,
)
from naetrigger.firmware_configs.board import Board, load_board

ADDER = """
module known (input clk, input [7:0] a, input [7:0] b, output reg [8:0] y);
  reg [7:0] p, q;
  always @(posedge clk) begin
    p <= a;
    q <= b;
    y <= p + q;
  end
endmodule
"""
FOUND = Synthesis("xc7", False, 9, 25, 0, 0.5, 2, 1, 4, "0.70")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The least that counts as an RTL project: its record and a Verilog file."""
    folder = tmp_path_factory.mktemp("known")
    (folder / "verilog" / "src").mkdir(parents=True)
    (folder / "verilog" / "src" / "known.v").write_text(ADDER)
    (folder / "rtl.json").write_text(
        json.dumps({"format": FORMAT, "version": VERSION, "project": "known"})
    )
    return folder


@pytest.fixture(scope="module")
def board() -> Board:
    return load_board("virtex7-690t")


def test_an_adder_between_registers(project: Path, board: Board) -> None:
    """Nine-bit sums of eight bits: a LUT a bit, one level, two or three carry cells, no DSP."""
    pytest.importorskip("pyosys")
    found = synthesize(project, board)
    assert (found.family, found.use_dsp) == ("xc7", False)
    assert found.ff == 8 + 8 + 9
    assert 8 <= found.lut <= 10
    assert 2 <= found.carry <= 3
    assert found.lut_levels == 1
    assert 3 <= found.ltp <= 5
    assert (found.dsp, found.bram) == (0, 0)


def test_what_yosys_says_is_shown(project: Path, board: Board, tmp_path: Path) -> None:
    pytest.importorskip("pyosys")
    (tmp_path / "verilog" / "src").mkdir(parents=True)
    (tmp_path / "verilog" / "src" / "known.v").write_text("module known(; endmodule")
    (tmp_path / "rtl.json").write_text((project / "rtl.json").read_text())
    with pytest.raises(EnvironmentProblem, match="syntax error"):
        synthesize(tmp_path, board)


def test_limits_end_it(project: Path, board: Board) -> None:
    pytest.importorskip("pyosys")
    with pytest.raises(EnvironmentProblem, match=r"ended after 0\.001 minutes.*synthesis_minutes"):
        synthesize(project, board, Limits(minutes=0.001))
    with pytest.raises(EnvironmentProblem, match=r"at most 0\.05 GB of memory"):
        synthesize(project, board, Limits(memory_gb=0.05))


def test_what_is_missing_is_named(
    project: Path, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthesis, "has_yosys", lambda: False)
    with pytest.raises(MissingExtra, match=r"naetrigger\[synthesis\]"):
        synthesize(project, board)
    other = board.model_copy(update={"yosys_family": "xc9"})
    with pytest.raises(InputError, match=r"no yosys family 'xc9' here \(there are xc7"):
        synthesize(project, other)


def test_figures_are_kept(tmp_path: Path) -> None:
    assert read_synthesis(tmp_path) is None
    write_synthesis(tmp_path, FOUND)
    assert read_synthesis(tmp_path) == FOUND
    write_synthesis(tmp_path, replace(FOUND, lut=10))
    assert read_synthesis(tmp_path) == replace(FOUND, lut=10)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"format": "naetrigger-synthesis"}'])
def test_damaged_figures_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "synthesis.json").write_text(text)
    with pytest.raises(InputError, match="not the record of a synthesis"):
        read_synthesis(tmp_path)


def test_a_limit_ends_the_children_too(tmp_path: Path) -> None:
    child = "import pathlib, subprocess as s; c = s.Popen(['sleep', '300'])"
    command = [
        sys.executable,
        "-c",
        f"{child}; pathlib.Path('pid').write_text(str(c.pid)); c.wait()",
    ]
    with pytest.raises(subprocess.TimeoutExpired):
        synthesis._run_group(command, tmp_path, 5)
    pid = int((tmp_path / "pid").read_text())
    for _ in range(50):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or ") Z " in state.read_text():  # ended, perhaps not yet collected
            return
        time.sleep(0.1)
    pytest.fail("the child goes on")
