"""Rounding half up and pruning: every engine follows, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naetrigger.contracts.fixed_point import Fixed, Overflow, Rounding
from naetrigger.export.distil import train_student
from naetrigger.export.fit import schedule
from naetrigger.export.onnx_engines import QcdqModel, QonnxModel
from naetrigger.export.onnx_fixed import write_qcdq, write_qonnx
from naetrigger.export.qkeras_student import QkerasEngine, libraries, quantizer
from naetrigger.export.rtl import RtlModel, write_rtl
from naetrigger.export.settings import FirmwareSettings
from naetrigger.export.student_settings import LayerBits, Pruning, StudentSettings
from naetrigger.export.student_task import StudentTask
from naetrigger.export.vectors import agreement_vectors
from naetrigger.firmware_configs.board import load_board
from tests.export.conftest import Trained
from tests.export.targets.networks import spec_of

SPARSITY = 0.5
SETTINGS = StudentSettings(
    epochs=4,
    weight_bits=6,
    activation_bits=5,
    rounding="half_up",
    layers={"encoder_1": LayerBits(weight=4, activation=7)},
    pruning=Pruning(sparsity=SPARSITY),
)


@pytest.fixture(scope="module")
def trained_half_up(task: StudentTask, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("half-up")
    return Trained(train_student(task, SETTINGS, 11, folder), folder, SETTINGS)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("floatx", ["float32", "float64"])
def test_quantizer_rounds_as_ap_rnd_does(signed: bool, floatx: str) -> None:
    kind = Fixed(signed, 6, 2, Rounding.RND, Overflow.SAT)
    values = np.arange(-1000, 1000) / 128  # every tie, and both ends
    got = quantizer(kind)(libraries().tf.constant(values.astype(floatx))).numpy()
    np.testing.assert_array_equal(got, kind.quantize(values))
    even = Fixed(signed, 6, 2, Rounding.RND_CONV, Overflow.SAT)
    assert np.any(got != even.quantize(values)), "ties must tell the two apart"


def test_a_large_odd_number_is_not_rounded_up_by_the_half() -> None:
    kind = Fixed(True, 30, 30, Rounding.RND, Overflow.SAT)
    values = np.array([2.0**24 - 1, -(2.0**24) + 1], np.float32)
    np.testing.assert_array_equal(quantizer(kind)(libraries().tf.constant(values)), values)


def test_gradient_passes_inside_the_range_of_a_relu_alone() -> None:
    tf = libraries().tf
    x = tf.constant([-0.3, 0.3, 9.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = quantizer(Fixed(False, 6, 2, Rounding.RND, Overflow.SAT))(x)
    np.testing.assert_array_equal(tape.gradient(y, x), [0, 1, 0])


def test_every_edge_and_the_score_round_half_up(trained_half_up: Trained) -> None:
    network = trained_half_up.report.network
    rounded = [n for n in network.nodes if n.op in ("relu", "cast")]
    assert {n.type.rounding for n in rounded} == {Rounding.RND}
    assert network["encoder_1"].weight_type is not None
    assert network["encoder_1"].weight_type.width == 4


def test_half_of_each_layers_weights_are_zeros(trained_half_up: Trained) -> None:
    for layer in trained_half_up.report.student.layers:
        assert np.mean(layer.weights == 0) >= SPARSITY - 0.5 / layer.weights.size


def test_every_engine_gives_the_same_scores(trained_half_up: Trained, tmp_path: Path) -> None:
    network, student = trained_half_up.report.network, trained_half_up.report.student
    words = agreement_vectors(network, 2000, np.random.default_rng(5))
    scores, x = network.scores(words), network.input.type.real(words)
    spec: Any = spec_of(network)
    write_qcdq(tmp_path / "qcdq.onnx", network, spec)
    write_qonnx(tmp_path / "qonnx.onnx", network, spec)
    write_rtl(network, tmp_path / "rtl", load_board("vu13p-5ns"), FirmwareSettings())
    found = {
        "qkeras": QkerasEngine(student).scores(words),
        "qcdq": QcdqModel(tmp_path / "qcdq.onnx").scores(x),
        "qonnx": QonnxModel(tmp_path / "qonnx.onnx").scores(x),
        "rtl": RtlModel(tmp_path / "rtl").scores(words),
    }
    for name, got in found.items():
        np.testing.assert_array_equal(got, scores, err_msg=name)


def test_schedule_of_zhu_and_gupta() -> None:
    pruning = Pruning(sparsity=0.8, begin=0.25, end=0.75)
    got = schedule(pruning, 8)
    assert got[:3] == [0.0, 0.0, 0.0]
    np.testing.assert_allclose(got[4], 0.8 * (1 - 0.5**3))
    assert got[6:] == [0.8, 0.8]
    assert schedule(Pruning(), 3) == [0.0, 0.0, 0.0]


def test_pruning_needs_epochs() -> None:
    with pytest.raises(ValueError, match=r"pruning\.sparsity: nothing is pruned in 0 epochs"):
        StudentSettings(epochs=0, pruning=Pruning(sparsity=0.5))
    with pytest.raises(ValueError, match="begin <= end < 1"):
        Pruning(sparsity=0.5, begin=0.6, end=0.5)
