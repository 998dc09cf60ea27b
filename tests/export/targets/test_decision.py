"""The decision's bits in every target, against the network, to the last bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.decision import with_decision
from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Integers
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.export.hls_decision import comparisons_as_layers
from naetrigger.export.hls_library import HlsLibrary
from naetrigger.export.onnx_engines import QcdqModel, QonnxModel
from naetrigger.export.onnx_fixed import write_qcdq, write_qonnx
from naetrigger.export.rtl import RtlModel, write_rtl
from naetrigger.export.settings import DecisionSettings, FirmwareSettings
from naetrigger.firmware_configs.board import Board
from tests.export.targets.networks import random_network, spec_of
from tests.export.targets.projects import Projects, vectors_of

VERILOG = FirmwareSettings(languages=("verilog",))
REGISTERS = VERILOG.model_copy(update={"decision": DecisionSettings(registers=True)})


def deciding(kind: str, seed: int = 0) -> tuple[FixedPointNetwork, Integers]:
    """A network, its vectors, and thresholds that some of them meet exactly."""
    network = random_network(seed, kind=kind)
    words = vectors_of(network, 3000)
    scores = network.scores(words)
    kind_of_score = network.score_type
    levels = [int(np.quantile(scores, q)) for q in (0.5, 0.9, 0.1)]
    ends = [kind_of_score.min_mantissa + 1, kind_of_score.max_mantissa, int(scores.max())]
    network = with_decision(network, [*levels, *ends])
    for level in levels:
        assert np.any(scores == level), "the vectors must tie"
        assert np.any(scores == level - 1)
    return network, words


@pytest.mark.parametrize("kind", ["square", "abs"])
@pytest.mark.parametrize("settings", [VERILOG, REGISTERS], ids=["constants", "registers"])
def test_rtl(kind: str, settings: FirmwareSettings, tmp_path: Path, board: Board) -> None:
    network, words = deciding(kind)
    write_rtl(network, tmp_path / "rtl", board, settings)
    model = RtlModel(tmp_path / "rtl")
    np.testing.assert_array_equal(model.scores(words), network.scores(words))
    np.testing.assert_array_equal(model.decisions(words), network.decisions(words))
    record = json.loads((tmp_path / "rtl" / "rtl.json").read_text())
    assert record["decision"]["thresholds"] == list(network.thresholds)
    registers = settings.decision.registers
    assert len(record["ports"]["inputs"]) == network.input.size
    assert len(record["ports"]["thresholds"]) == (6 if registers else 0)


def test_registers_of_rtl_take_other_thresholds(tmp_path: Path, board: Board) -> None:
    network, words = deciding("square")
    write_rtl(network, tmp_path / "rtl", board, REGISTERS)
    model = RtlModel(tmp_path / "rtl")
    others = [level + 3 if level < 100 else level - 3 for level in network.thresholds]
    expected = with_decision(network, others).decisions(words)
    assert np.any(expected != network.decisions(words))
    np.testing.assert_array_equal(model.decisions(words, others), expected)
    with pytest.raises(InputError, match="6 thresholds, not 1"):
        model.decisions(words, [3])


def test_constants_of_rtl_take_no_others(tmp_path: Path, board: Board) -> None:
    network, words = deciding("square")
    write_rtl(network, tmp_path / "rtl", board, VERILOG)
    with pytest.raises(InputError, match="are constants"):
        RtlModel(tmp_path / "rtl").decisions(words, network.thresholds)


@pytest.mark.parametrize("kind", ["square", "abs"])
@pytest.mark.parametrize(
    ("write", "model"),
    [(write_qcdq, QcdqModel), (write_qonnx, QonnxModel)],
    ids=["qcdq", "qonnx"],
)
def test_onnx(
    kind: str,
    write: Callable[..., None],
    model: Callable[[Path], QcdqModel | QonnxModel],
    tmp_path: Path,
) -> None:
    network, words = deciding(kind)
    write(tmp_path / "student.onnx", network, spec_of(network))
    engine = model(tmp_path / "student.onnx")
    inputs = network.input.type.real(words)
    np.testing.assert_array_equal(engine.scores(inputs), network.scores(words))
    np.testing.assert_array_equal(engine.decisions(inputs), network.decisions(words))
    np.testing.assert_array_equal(engine.trace(inputs)["decision"], network.decisions(words))


@pytest.mark.parametrize(
    ("write", "model"),
    [(write_qcdq, QcdqModel), (write_qonnx, QonnxModel)],
    ids=["qcdq", "qonnx"],
)
def test_onnx_without_a_decision_has_none(
    write: Callable[..., None], model: Callable[[Path], QcdqModel | QonnxModel], tmp_path: Path
) -> None:
    network = random_network(1)
    write(tmp_path / "student.onnx", network, spec_of(network))
    with pytest.raises(InputError, match="no output 'decision'"):
        model(tmp_path / "student.onnx").decisions(np.zeros((1, network.input.size)))


@pytest.mark.parametrize(("kind", "registers"), [("square", False), ("abs", True)])
def test_hls(kind: str, registers: bool, hls_project: Projects) -> None:
    network, words = deciding(kind)
    settings = {"decision": DecisionSettings(registers=registers)}
    folder = hls_project(f"decision-{kind}", network, **settings)
    library = HlsLibrary(folder)
    inputs = network.input.type.real(words)
    np.testing.assert_array_equal(library.scores(inputs), network.scores(words))
    np.testing.assert_array_equal(library.decisions(inputs), network.decisions(words))
    np.testing.assert_array_equal(library.trace(inputs)["decision"], network.decisions(words))
    assert library.thresholds == network.thresholds
    bench = {
        name: np.loadtxt(folder / "tb_data" / f"tb_{name}.dat")
        for name in ("input_features", "output_predictions")
    }
    bits = network.decisions(vectors_of(network, 1000)[:50])
    np.testing.assert_array_equal(bench["output_predictions"][:, 1:], bits)
    levels = bench["input_features"][:, network.input.size :]
    np.testing.assert_array_equal(levels, [network.thresholds if registers else ()] * 50)
    others = [level + 3 if level < 100 else level - 3 for level in network.thresholds]
    if registers:
        expected = with_decision(network, others).decisions(words)
        np.testing.assert_array_equal(library.decisions(inputs, others), expected)
        np.testing.assert_array_equal(library.decisions(inputs), network.decisions(words))
    else:
        with pytest.raises(InputError, match="are constants"):
            library.decisions(inputs, others)


@pytest.mark.parametrize("kind", ["square", "abs"])
def test_layers_of_a_comparison_give_its_bits(kind: str) -> None:
    network, words = deciding(kind)
    layers = comparisons_as_layers(network)
    np.testing.assert_array_equal(layers.trace(words)["decision"], network.decisions(words))
    assert layers.decision is None


def test_another_threshold_gives_other_bits() -> None:
    """The comparison above can fail: one step of a threshold is seen."""
    network, words = deciding("square")
    moved = with_decision(network, [network.thresholds[0] + 1, *network.thresholds[1:]])
    assert np.any(moved.decisions(words) != network.decisions(words))
