"""QKeras and the integer network must be the same function, bit by bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naetrigger.contracts.errors import AgreementError, InputError, MissingExtra
from naetrigger.contracts.fixed_point import Fixed, Floats, Integers, Overflow, Rounding
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.contracts.score import score_named
from naetrigger.export import qkeras_student
from naetrigger.export.qkeras_student import (
    QkerasEngine,
    libraries,
    load_student,
    needed_floatx,
    quantizer,
    relu_quantizer,
)
from naetrigger.export.student import Student, StudentLayer, read_student


def sat(signed: bool, width: int, integer: int) -> Fixed:
    return Fixed(signed, width, integer, Rounding.RND_CONV, Overflow.SAT)


def around(kind: Fixed) -> Floats:
    """Every quarter LSB over four times the range: members, ties, both sides, saturation."""
    return np.ldexp(np.arange(-(2 ** (kind.width + 3)), 2 ** (kind.width + 3)) / 4, -kind.fraction)


@pytest.mark.parametrize("floatx", ["float32", "float64"])
@pytest.mark.parametrize("signed", [True, False])
def test_quantizer_is_the_format(floatx: str, signed: bool) -> None:
    libs = libraries()
    for width in range(2, 9):
        for integer in range(int(signed), 7):
            kind = sat(signed, width, integer)
            values = around(kind)
            with qkeras_student._floatx(floatx):
                seen = quantizer(kind)(libs.tf.constant(values.astype(floatx))).numpy()
            np.testing.assert_array_equal(seen, kind.quantize(values), err_msg=str(kind))


def test_relu_quantizer_is_relu_in_the_format() -> None:
    tf = libraries().tf
    for width in range(2, 9):
        for integer in range(7):
            kind = sat(False, width, integer)
            values = around(kind)
            seen = relu_quantizer(kind)(tf.constant(values.astype(np.float32))).numpy()
            np.testing.assert_array_equal(
                seen, kind.quantize(np.maximum(values, 0)), err_msg=str(kind)
            )


def hard_inputs(network: FixedPointNetwork, seed: int = 0) -> Integers:
    """Bulk, uniform, all smallest, all largest, zero, and single inputs at their ends."""
    rng = np.random.default_rng(seed)
    kind, size = network.input.type, network.input.size
    ends = np.array([[kind.min_mantissa], [kind.max_mantissa], [0]]) * np.ones((1, size))
    single = np.concatenate([np.eye(size) * kind.min_mantissa, np.eye(size) * kind.max_mantissa])
    uniform = rng.integers(kind.min_mantissa, kind.max_mantissa + 1, (3000, size))
    bulk = kind.mantissas(rng.normal(size=(3000, size)))
    return np.concatenate([ends, single, uniform, bulk]).astype(np.int64)


def assert_same(engine: QkerasEngine, inputs: Integers) -> None:
    expected, seen = engine.network.trace(inputs), engine.trace(inputs)
    assert seen.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(seen[name], expected[name], err_msg=name)


def test_engine_equals_network_on_every_edge(trained: Any) -> None:
    engine = load_student(trained.folder)
    assert engine.floatx == "float32"
    inputs = hard_inputs(engine.network)
    assert_same(engine, inputs)
    np.testing.assert_array_equal(engine.scores(inputs, 1000), engine.network.scores(inputs))


def test_sums_halfway_between_two_activations_go_to_even(trained: Any) -> None:
    """Ties happen among the inputs tried, so the test above tells half-to-even from half-up."""
    network = trained.report.network
    edges = network.trace(hard_inputs(network))
    ties = 0
    for node in network.nodes[1:]:
        drop = network[node.inputs[0]].type.fraction - node.type.fraction
        if node.op in ("relu", "cast") and drop > 0:
            rest = edges[node.inputs[0]] & ((1 << drop) - 1)
            ties += np.count_nonzero(rest == 1 << (drop - 1))
    assert ties > 0


def wide_student(bits: int, weight_bits: int = 8) -> Student:
    """An untrained 57-16-57 student with inputs of that many bits."""
    rng = np.random.default_rng(4)
    kernel, input_type = sat(True, weight_bits, 1), sat(True, bits, 3)

    def layer(name: str, edge: str, shape: tuple[int, int], relu: bool, kind: Fixed) -> Any:
        weights = rng.normal(size=shape).astype(np.float32) * 0.3
        bias = rng.normal(size=shape[1]).astype(np.float32) * 0.1
        return StudentLayer(name, edge, relu, weights, bias, kernel, kernel, kind)

    layers = (
        layer("encoder_0", "encoder_0_relu", (57, 16), True, sat(False, bits, 4)),
        layer("encoder_1", "latent", (16, 16), False, sat(True, bits, 4)),
        layer("decoder_0", "reconstruction", (16, 57), False, input_type),
    )
    columns = tuple(f"f{i}" for i in range(57))
    score = score_named("squared_error")
    return Student("distil", input_type, columns, layers, score, score.name, sat(False, 20, 14))


def test_wide_student_runs_in_float64_and_is_exact() -> None:
    engine = QkerasEngine(wide_student(14))
    assert engine.floatx == "float64"
    assert libraries().keras.backend.floatx() == "float32"  # put back
    assert_same(engine, hard_inputs(engine.network))


def test_float32_would_not_do_for_the_wide_student(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qkeras_student, "needed_floatx", lambda _: "float32")
    engine = QkerasEngine(wide_student(14))
    with pytest.raises((AgreementError, AssertionError)):
        assert_same(engine, hard_inputs(engine.network))


def test_no_float_holds_a_score_of_sixty_bits() -> None:
    with pytest.raises(InputError, match=r"edge 'score_sum' needs .* bits, a float64 has 53"):
        QkerasEngine(wide_student(24, 16))


def test_absolute_error_and_latent_norm_are_exact() -> None:
    wide = wide_student(8)
    absolute = QkerasEngine(Student(**{**vars(wide), "score": score_named("absolute_error")}))
    assert_same(absolute, hard_inputs(absolute.network))
    norm = QkerasEngine(
        Student(**{**vars(wide), "score": score_named("latent_norm"), "layers": wide.layers[:2]})
    )
    assert_same(norm, hard_inputs(norm.network))


def test_bounds_decide_the_float(trained: Any) -> None:
    assert needed_floatx(trained.report.network) == "float32"


def test_missing_tensorflow_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tf_keras", None)
    with pytest.raises(MissingExtra, match=r"naetrigger\[export\]"):
        libraries.__wrapped__()


def test_student_folder_without_weights_is_refused(trained: Any, tmp_path: Path) -> None:
    text = (trained.folder / "student.json").read_text()
    (tmp_path / "student.json").write_text(text)
    with pytest.raises(InputError, match="not a readable student"):
        read_student(tmp_path)


def test_keras_3_can_be_imported_after_qkeras() -> None:
    """It is only hidden from QKeras, whose dependency would load it for nothing."""
    code = (
        "import sys; from naetrigger.export.qkeras_student import libraries; libraries(); "
        "assert 'keras' not in sys.modules; import keras; assert keras.__version__ >= '3'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "absl::InitializeLog" not in done.stderr  # TensorFlow's notes go to the log
