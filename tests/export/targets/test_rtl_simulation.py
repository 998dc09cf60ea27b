"""The Verilog itself, one event on every clock, against the network."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.decision import with_decision
from naetrigger.contracts.errors import AgreementError, EnvironmentProblem, InputError, MissingExtra
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.export import rtl_simulation, verilator
from naetrigger.export.rtl import read_estimate, write_rtl
from naetrigger.export.rtl_simulation import RtlSimulation, build_simulation, read_latency
from naetrigger.export.settings import DecisionSettings, FirmwareSettings
from naetrigger.firmware_configs.board import Board
from tests.export.targets.networks import random_network
from tests.export.targets.projects import vectors_of

SETTINGS = FirmwareSettings(
    languages=("verilog",), square="lookup", decision=DecisionSettings(registers=True)
)


@pytest.fixture(scope="module")
def network() -> FixedPointNetwork:
    plain = random_network(0, features=3, hidden=3)
    scores = np.unique(plain.scores(vectors_of(plain, 1000)))
    return with_decision(plain, (int(scores[len(scores) // 2]), int(scores[-2])))


@pytest.fixture(scope="module")
def project(
    network: FixedPointNetwork, tmp_path_factory: pytest.TempPathFactory, board: Board, quick: str
) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "rtl"
    write_rtl(network, folder, board, SETTINGS)
    build_simulation(folder, quick)
    return folder


def test_every_event_of_a_stream_has_the_networks_score(
    project: Path, network: FixedPointNetwork
) -> None:
    words = vectors_of(network)
    simulation = RtlSimulation(project)
    np.testing.assert_array_equal(simulation.scores(words), network.scores(words))
    np.testing.assert_array_equal(simulation.decisions(words), network.decisions(words))
    assert 0 < simulation.decisions(words).mean() < 1


def test_thresholds_come_in_beside_the_event(project: Path, network: FixedPointNetwork) -> None:
    words, levels = vectors_of(network, 1000), (3, 5)
    bits = RtlSimulation(project).decisions(words, levels)
    np.testing.assert_array_equal(bits, network.scores(words)[:, None] >= np.array(levels))
    with pytest.raises(InputError, match="2 thresholds, not 1"):
        RtlSimulation(project).decisions(words, (3,))


def test_the_latency_is_measured_and_is_the_one_stated(project: Path) -> None:
    stated = read_estimate(project).latency_cycles
    assert stated > 1
    assert RtlSimulation(project).measured_latency() == read_latency(project) == stated


def test_what_was_in_the_pipeline_before_does_not_matter(
    project: Path, network: FixedPointNetwork
) -> None:
    """Whatever the registers begin with, and events of another stream flushed in the middle."""
    words, others = np.split(vectors_of(network, 2000)[:1000], 2)
    latency = RtlSimulation(project).latency_cycles
    levels = np.tile(np.array(network.thresholds), (len(words), 1))
    stream, flush = np.hstack([words, levels]), np.hstack([others, levels])[:latency]
    expected = network.scores(words)
    for seed in (1, 2):
        simulation = RtlSimulation(project, seed)
        half = len(words) // 2
        seen = simulation.clock(np.vstack([stream[:half], flush, stream[half:], flush]))[:, 0]
        assert (seen[latency : latency + half] == expected[:half]).all()
        assert (seen[half + latency : half + 2 * latency] == network.scores(others[:latency])).all()
        assert (seen[half + 2 * latency :] == expected[half:]).all()


def test_two_simulations_keep_their_states_apart(project: Path, network: FixedPointNetwork) -> None:
    words = vectors_of(network, 1000)
    one, other = RtlSimulation(project), RtlSimulation(project)
    first = one.scores(words[:10])
    other.scores(words[500:])
    np.testing.assert_array_equal(one.scores(words[:10]), first)


def test_inputs_of_another_shape_are_refused(project: Path) -> None:
    simulation = RtlSimulation(project)
    with pytest.raises(InputError, match=r"shape \(N, 3\)"):
        simulation.scores(np.zeros((2, 4), np.int64))
    with pytest.raises(InputError, match="integer mantissas"):
        simulation.scores(np.zeros((2, 3)))
    assert simulation.scores(np.zeros((0, 3), np.int64)).shape == (0,)


def test_a_latency_that_the_record_does_not_state_is_refused(project: Path, tmp_path: Path) -> None:
    """One more register between two stages: one clock more than rtl.json says."""
    folder = tmp_path / "rtl"
    shutil.copytree(project, folder)
    record = json.loads((folder / "rtl.json").read_text())
    record["estimate"]["latency_cycles"] += 1
    (folder / "rtl.json").write_text(json.dumps(record))
    (folder / "simulation" / "simulation.json").unlink()
    with pytest.raises(AgreementError, match=r"clocks after its event, and rtl\.json says"):
        build_simulation(folder)


def test_edited_verilog_is_noticed(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rtl"
    shutil.copytree(project, folder)
    source = folder / "verilog" / "src" / "anomaly_score.v"
    source.write_text(source.read_text() + "\n// edited\n")
    with pytest.raises(InputError, match="edited since"):
        RtlSimulation(folder)
    shutil.rmtree(folder / "simulation")
    with pytest.raises(InputError, match="not simulated yet"):
        RtlSimulation(folder)
    with pytest.raises(InputError, match="not the record of a simulation"):
        read_latency(folder)


def test_a_fault_in_the_verilog_is_seen(
    project: Path, network: FixedPointNetwork, tmp_path: Path, quick: str
) -> None:
    folder = tmp_path / "rtl"
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("simulation"))
    source = folder / "verilog" / "src" / "anomaly_score.v"
    text = source.read_text()
    faulty = text.replace("<= model_inp[", "<= ~model_inp[")
    assert faulty != text
    source.write_text(faulty)
    build_simulation(folder, quick)
    words = vectors_of(network, 1000)
    assert (RtlSimulation(folder).scores(words) != network.scores(words)).any()


def test_verilog_that_does_not_compile_is_named(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rtl"
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("simulation"))
    (folder / "verilog" / "src" / "anomaly_score.v").write_text("module anomaly_score(; endmodule")
    with pytest.raises(EnvironmentProblem, match="verilator_bin failed"):
        build_simulation(folder)
    assert "syntax error" in (folder / "simulation" / "compile.log").read_text()


def test_what_is_missing_is_named(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "rtl"
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("simulation"))
    with pytest.raises(EnvironmentProblem, match="compiler 'no-such-compiler' is not on PATH"):
        build_simulation(folder, "no-such-compiler")
    monkeypatch.setattr(rtl_simulation, "require_verilator", _no_verilator)
    with pytest.raises(MissingExtra, match=r"naetrigger\[simulation\]"):
        build_simulation(folder)
    shutil.rmtree(folder / "verilog")
    with pytest.raises(InputError, match="holds no Verilog"):
        build_simulation(folder)


def _no_verilator() -> verilator.Verilator:
    raise MissingExtra("verilator", "simulation")


@pytest.mark.parametrize(
    ("said", "version"), [("Verilator 5.048 2026-04", "5.048"), ("Verilator 4.038", None)]
)
def test_a_verilator_on_path_must_be_new_enough(
    said: str, version: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "verilated.h").touch()
    for name in ("verilator", "verilator_bin"):
        script = tmp_path / name
        script.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{said}" || echo {tmp_path}\n')
        script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = verilator.find_verilator.__wrapped__()
    assert (found and found.version) == version
