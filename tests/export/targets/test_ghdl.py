"""The VHDL in GHDL: with the real one where it is on PATH, and with scripts in its place."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.decision import with_decision
from naetrigger.contracts.errors import AgreementError, EnvironmentProblem, InputError
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.export.ghdl import check_vhdl, has_ghdl, simulate_vhdl
from naetrigger.export.rtl import read_estimate, write_rtl
from naetrigger.export.settings import DecisionSettings, FirmwareSettings
from naetrigger.firmware_configs.board import Board
from tests.export.targets.networks import random_network
from tests.export.targets.projects import vectors_of

SETTINGS = FirmwareSettings(languages=("vhdl",), decision=DecisionSettings(registers=True))
EVENTS = 40
THRESHOLDS = (40, 90)


@pytest.fixture(scope="module")
def network() -> FixedPointNetwork:
    return with_decision(random_network(0, features=3, hidden=3), THRESHOLDS)


@pytest.fixture(scope="module")
def project(
    network: FixedPointNetwork, tmp_path_factory: pytest.TempPathFactory, board: Board
) -> Path:
    folder = tmp_path_factory.mktemp("vhdl") / "rtl"
    write_rtl(network, folder, board, SETTINGS)
    return folder


def results(network: FixedPointNetwork, latency: int) -> list[str]:
    """What the design would write: the pipeline's old content, then a row an event."""
    words = vectors_of(network, 1000)[:EVENTS]
    scores, bits = network.scores(words), network.decisions(words)
    rows = [f"{b[1]}{b[0]}{score:08b}" for score, b in zip(scores, bits, strict=True)]
    return ["0" * 10] * latency + rows


def fake(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `ghdl` first on PATH that does what the shell text says, and a log of its calls."""
    script = folder / "ghdl"
    script.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n{body}\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    assert has_ghdl()
    return folder / "calls"


def test_files_are_imported_made_and_run(
    project: Path, network: FixedPointNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = results(network, read_estimate(project).latency_cycles)
    (tmp_path / "rows").write_text("\n".join(rows) + "\n")
    calls = fake(
        tmp_path,
        f"[ $1 = -r ] && cp {tmp_path}/rows results.txt && cp words.txt {tmp_path}/words; true",
        monkeypatch,
    )
    words = vectors_of(network, 1000)[:EVENTS]
    assert check_vhdl(project, network, words) == EVENTS
    made, run = calls.read_text().splitlines()[1:]
    assert made == "-m --std=08 naetrigger_bench"
    assert run == "-r --std=08 naetrigger_bench"
    first = (tmp_path / "words").read_text().split()[0]
    packed = [words[0, i] % 256 << 8 * i for i in range(3)]
    packed += [level << 24 + 8 * i for i, level in enumerate(THRESHOLDS)]
    assert int(first, 2) == sum(int(part) for part in packed)
    assert len(first) == 40


def test_an_event_that_differs_is_named(
    project: Path, network: FixedPointNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = results(network, read_estimate(project).latency_cycles)
    place = len(rows) - EVENTS + 7
    rows[place] = rows[place][:-1] + str(1 - int(rows[place][-1]))
    (tmp_path / "rows").write_text("\n".join(rows) + "\n")
    fake(tmp_path, f"[ $1 = -r ] && cp {tmp_path}/rows results.txt; true", monkeypatch)
    with pytest.raises(AgreementError, match=r"1 of 40 events differ.* the first is event 7"):
        check_vhdl(project, network, vectors_of(network, 1000)[:EVENTS])


def test_what_ghdl_says_is_shown(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path, "[ $1 = -m ] && echo 'a.vhd:3:1: no declaration' && exit 1; true", monkeypatch)
    words = np.zeros((2, 5), np.int64)
    with pytest.raises(EnvironmentProblem, match=r"ghdl -m failed with status 1.*\n.*a\.vhd:3:1"):
        simulate_vhdl(project, words)
    fake(tmp_path, "[ $1 = -r ] && echo 01 > results.txt; true", monkeypatch)
    with pytest.raises(EnvironmentProblem, match="1 results for 2 clocks"):
        simulate_vhdl(project, words)


def test_what_is_missing_is_named(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = np.zeros((2, 5), np.int64)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="ghdl is not on PATH"):
        simulate_vhdl(project, words)
    shutil.copytree(project, tmp_path / "rtl", ignore=shutil.ignore_patterns("vhdl"))
    with pytest.raises(InputError, match="holds no VHDL"):
        simulate_vhdl(tmp_path / "rtl", words)


@pytest.mark.ghdl
@pytest.mark.skipif(not has_ghdl(), reason="GHDL is not on PATH")
def test_the_vhdl_has_the_networks_scores_in_ghdl(
    project: Path, network: FixedPointNetwork
) -> None:
    assert check_vhdl(project, network, vectors_of(network, 1000)[:500]) == 500
