"""`naetrigger import`: a folder with every target of a foreign model, or nothing and a reason."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.network_file import load_network
from naetrigger.export.rtl import RtlModel
from naetrigger.export.settings import FirmwareSettings
from naetrigger.pipeline import importing
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.importing import ImportOptions, import_model
from tests.export.test_import_qonnx import Graph, spoilt


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny QONNX file with one output."""
    graph = Graph((3,), 5)
    graph.quant(2**-3, 6)
    graph.add("MatMul", graph.weights((3, 4), 2**-3))
    graph.add("Relu")
    graph.quant(2**-2, 5, signed=0)
    graph.add("MatMul", graph.weights((4, 1), 2**-2))
    graph.quant(2**-2, 7)
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    onnx.save(graph.model(1), str(path))
    return path


@pytest.fixture(scope="module")
def imported(model: Path) -> Path:
    arguments = ["import", str(model), "--out", str(model.parent / "out"), "--json"]
    assert run_command_line([*arguments, "--target", "rtl", "--target", "onnx"]) == 0
    return model.parent / "out"


def test_every_engine_agrees(imported: Path) -> None:
    pairs = json.loads((imported / "agreement.json").read_text())
    assert {(p["a"], p["b"]) for p in pairs} == {
        ("network", "rtl"),
        ("network", "qcdq"),
        ("rtl", "qcdq"),
    }
    assert all(p["exact_fraction"] == 1 and p["n"] == 10_000 for p in pairs)
    record = json.loads((imported / "import.json").read_text())
    assert record["source"] == "tiny.onnx"
    assert record["refused"] == {}
    with np.load(imported / "vectors.npz") as vectors:
        scores = load_network(imported / "network").scores(vectors["inputs"])
        np.testing.assert_array_equal(scores, vectors["scores"])


def test_a_second_import_does_not_write_over_the_first(
    imported: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["import", str(model), "--out", str(imported)]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "message"),
    [("operator", "Softmax"), ("scale", "no power of two"), ("wide", "more than 63 bits")],
)
def test_bad_models_leave_nothing_behind(
    name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph, n_out = spoilt(name)
    path = tmp_path / "bad.onnx"
    onnx.save(graph.model(n_out), str(path))
    arguments = ["import", str(path), "--out", str(tmp_path / "out"), "--score", "0"]
    assert run_command_line(arguments) == 2
    assert message in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["bad.onnx"]


@pytest.mark.parametrize("packed", [True, False])
def test_an_alkaid_model_becomes_rtl_alone(packed: bool, imported: Path, tmp_path: Path) -> None:
    logic = (imported / "rtl" / "logic.json").read_bytes()
    path = tmp_path / ("m.json.gz" if packed else "m.json")
    path.write_bytes(gzip.compress(logic) if packed else logic)
    assert run_command_line(["import", str(path), "--out", str(tmp_path / "out")]) == 0
    written = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*")}
    assert {"rtl/verilog/src/anomaly_score.v", "rtl/LICENSE-alkaid.txt"} <= written
    record = json.loads((tmp_path / "out" / "import.json").read_text())
    assert len(record["ports"]["inputs"]) == 3
    source, made = (p / "rtl" / "verilog" / "src" for p in (imported, tmp_path / "out"))
    for module in ("anomaly_score.v", "logic0.v"):
        assert (source / module).read_bytes() == (made / module).read_bytes()
    assert RtlModel(imported / "rtl").features == 3


@pytest.mark.parametrize("name", ["m.json", "m.json.gz"])
@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"meta": "ALIRModel"}', b"\x1f\x8b\x08xx"])
def test_files_that_are_no_alkaid_model_are_refused(
    name: str, data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(data)
    assert run_command_line(["import", str(tmp_path / name), "--out", str(tmp_path / "o")]) == 2
    assert f"{name}: " in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.h5"], "nowhere.h5: no such file"),
        (["pyproject.toml"], "is of no kind that is read"),
        (["docs"], "is no hls4ml project"),
        (["pyproject.toml", "--input-type", "fixed<4>"], "--input-type"),
        (["pyproject.toml", "--target", "gpu"], "--target"),
    ],
)
def test_other_arguments_are_refused(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["import", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


def test_a_target_that_fails_late_leaves_no_folder(model: Path, tmp_path: Path) -> None:
    """Without a compiler HLS is written and cannot be compiled; the RTL of rtlsim stays."""
    settings = FirmwareSettings(compiler="no-such-compiler")
    out = tmp_path / "out"
    options = ImportOptions()
    record = import_model(model, out, options, settings, ("rtlsim", "hls", "onnx"))
    assert {"hls", "rtlsim"} <= set(record["refused"])
    assert "qcdq" in record["engines"]
    assert not (out / "hls").exists()
    assert not (out / "rtl" / "simulation").exists()


def test_a_simulation_brings_its_rtl() -> None:
    assert importing._in_order(["rtlsim"]) == ["rtl", "rtlsim"]
    assert importing._in_order(["onnx", "rtlsim", "rtl"]) == ["rtl", "rtlsim", "onnx"]
    assert importing._in_order(["hls"]) == ["hls"]


def test_an_import_without_any_target_leaves_nothing(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(network: Any, folder: Path, *_: Any) -> None:
        (folder / "onnx").mkdir()
        raise InputError("not this one")

    monkeypatch.setitem(importing._WRITERS, "onnx", refuse)
    arguments = ["import", str(model), "--out", str(tmp_path / "out"), "--target", "onnx"]
    assert run_command_line(arguments) == 2
    assert "no target can have this model: onnx: not this one" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
