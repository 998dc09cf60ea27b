"""The smallest whole run: every stage and engine, through the command line, killed on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.events import read_events
from naetrigger.contracts.fixed_point import Integers
from naetrigger.contracts.manifest import read_manifest, verify, write_manifest
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.contracts.network_file import load_network
from naetrigger.export.hls import write_hls
from naetrigger.export.hls_library import compile_library
from naetrigger.export.verilator import find_verilator
from naetrigger.firmware_configs.board import load_board
from naetrigger.firmware_configs.input_spec import load_input_spec
from naetrigger.pipeline import engines, export_stage
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.work import Work
from tests.export.targets.faults import plant_bias_fault
from tests.pipeline.expected_engines import ALWAYS

STAGES = ("data", "training", "student", "export", "validation")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "naetrigger.pipeline.cli", *arguments]


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def without_stages(finished: Path, stages: tuple[str, ...], root: Path) -> None:
    """A copy of a finished run in which some stages have not been run."""
    shutil.copytree(finished, root)
    for stage in stages:
        shutil.rmtree(root / stage)
    manifest = read_manifest(root)
    others = {name: record for name, record in manifest.stages.items() if name not in stages}
    write_manifest(root, replace(manifest, stages=others))


def interrupted(recipe: Path, root: Path, stage: str, number: int) -> tuple[int, str]:
    """Start the run, send a signal when the stage is at work; status and standard error.

    Training is met after its first checkpoint, the others somewhere near their start.
    """
    depth = "/*" if stage == "training" else ""
    with subprocess.Popen(
        command("run", str(recipe), "--out", str(root)),
        cwd=recipe.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 300
        while not any(root.glob(f".{stage}.*.partial{depth}")):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(1.0 if stage in ("student", "export", "validation") else 0)
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
        return process.returncode, errors


def test_run_passes_its_manifest(finished_run: Path) -> None:
    manifest = read_manifest(finished_run)
    verify(finished_run, manifest)
    assert set(manifest.stages) == set(STAGES)
    listed = {file.path for record in manifest.stages.values() for file in record.files}
    listed |= {"manifest.json", "recipe.yaml", ".lock"}
    assert set(contents(finished_run)) == listed


def test_every_engine_is_there_and_agrees(finished_run: Path) -> None:
    there = engines.available(finished_run)
    assert set(there) == ALWAYS | ({"rtlsim"} if find_verilator() else set())
    spec = load_input_spec(str(finished_run / "data" / "input_spec.yaml"))
    words = spec.mantissas(read_events(finished_run / "data" / "test.h5")[0].values[:200])
    scores = {name: engines.score(finished_run, name, words) for name in there}
    for name, kind in ((name, engines.ENGINES[name]) for name in there):
        assert scores[name].shape == (200,)
        if kind.model == "student":
            assert scores[name].dtype == np.int64
            np.testing.assert_array_equal(scores[name], scores["network"], err_msg=name)
        else:  # float32 rounding through two layers
            np.testing.assert_allclose(scores[name], scores["torch"], rtol=1e-5)


def test_traces_are_those_of_the_network(finished_run: Path) -> None:
    words = np.zeros((2, 4), np.int64)
    reference = engines.trace(finished_run, "network", words)
    for name in engines.available(finished_run):
        kind = engines.ENGINES[name]
        layers = engines.trace(finished_run, name, words)
        assert bool(layers) == kind.traces
        for layer, values in layers.items():
            np.testing.assert_array_equal(values, reference[layer], err_msg=f"{name}: {layer}")


def test_curves_and_onnx_files_are_there(finished_run: Path) -> None:
    assert (finished_run / "training" / "curves.svg").read_text().startswith("<svg")
    names = {path.name for path in (finished_run / "export" / "onnx").iterdir()}
    assert names == {
        "teacher.onnx",
        "student_float.onnx",
        "student_qcdq.onnx",
        "student_qonnx.onnx",
    }


def test_a_planted_bias_fails_the_export_and_its_layer_is_named(
    finished_run: Path,
    tiny_recipe: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = finished_run.with_name("run-planted")
    without_stages(finished_run, ("export",), root)
    network = load_network(root / "student" / "network")
    layer = [node for node in network.nodes if node.op == "dense"][1]
    assert layer.bias is not None
    amount = 0.25 if layer.bias[0] <= 0 else -0.25

    def planted(work: Work, network: FixedPointNetwork, vectors: Integers) -> None:
        settings = work.recipe.firmware
        folder = work.folder / "hls"
        write_hls(network, folder, load_board(settings.board), settings, vectors)
        plant_bias_fault(folder, layer.name, amount)
        compile_library(folder, settings.compiler)

    monkeypatch.setitem(export_stage.WRITERS, "HLS", planted)
    status = run_command_line(["export", str(tiny_recipe), "--out", str(root), "--quiet"])
    said = capsys.readouterr().err
    assert status == 1
    assert "hls" in said
    assert f"'{layer.name}'" in said
    assert not (root / "export").exists()


@pytest.mark.parametrize("stages", [STAGES[:3], STAGES[3:]], ids=lambda stages: "-".join(stages))
def test_interrupted_and_killed_in_each_stage(
    finished_run: Path, tiny_recipe: Path, stages: tuple[str, ...]
) -> None:
    """Ctrl-C in a stage, SIGKILL in the next, and so on to the end: the same files, to the byte.

    benchmarks/kill_moments.py does it at random moments.
    """
    root = finished_run.with_name(f"run-{stages[0]}")  # beside it: recipe.yaml has relative paths
    without_stages(finished_run, stages, root)
    for stage, number in zip(stages, cycle((signal.SIGINT, signal.SIGKILL)), strict=False):
        status, errors = interrupted(tiny_recipe, root, stage, number)
        if number == signal.SIGKILL:
            assert status == -signal.SIGKILL
        else:
            assert status == 130, errors
            assert f"the same command goes on in {root}" in errors
            assert "Traceback" not in errors
    done = subprocess.run(
        command("run", str(tiny_recipe), "--out", str(root), "--json"),
        cwd=tiny_recipe.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = [s["name"] for s in json.loads(done.stdout)["stages"] if s["action"] == "made"]
    assert made == [stages[-1]]  # the one that was stopped last; those before are kept
    got, expected = contents(root), contents(finished_run)
    assert set(got) == set(expected)
    assert [name for name in got if got[name] != expected[name]] == []


def test_second_run_while_one_works(tiny_recipe: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        command("train", str(tiny_recipe), "--out", str(tmp_path), "--quiet"),
        cwd=tiny_recipe.parent,
    ) as first:
        while not (tmp_path / ".lock").exists() or not (tmp_path / ".lock").read_text():
            time.sleep(0.01)
        second = subprocess.run(
            command("train", str(tiny_recipe), "--out", str(tmp_path)),
            cwd=tiny_recipe.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        first.kill()
    assert second.returncode == 3
    assert f"pid {first.pid}" in second.stderr


def test_edited_weights_are_refused(
    finished_run: Path, tiny_recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "run"
    shutil.copytree(finished_run, root)
    weights = root / "training" / "teacher.safetensors"
    content = bytearray(weights.read_bytes())
    content[-2] ^= 0x40
    weights.write_bytes(content)
    assert run_command_line(["run", str(tiny_recipe), "--out", str(root)]) == 2
    said = capsys.readouterr().err
    assert f"{weights}: edited" in said
    assert "stage 'training'" in said
    assert "run again" in said


def test_file_size_limit_is_a_full_disk(tiny_recipe: Path, tmp_path: Path) -> None:
    """A limit on file sizes fails like a full disk does, in the middle of a write."""
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from naetrigger.pipeline.cli import main\n"
        f"main(['train', {str(tiny_recipe)!r}, '--out', {str(tmp_path / 'run')!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tiny_recipe.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert f"{tmp_path / 'run'}: the disk is full" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_compiler(
    tiny_recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tiny_recipe.parent)
    arguments = ["run", str(tiny_recipe), "--set", "firmware.compiler=g++"]
    assert run_command_line([*arguments, "--out", str(tmp_path / "run")]) == 3
    assert "no C++ compiler 'g++' on PATH" in capsys.readouterr().err
    assert not (tmp_path / "run" / "data").exists()
    assert os.environ["PATH"] == str(tmp_path)
