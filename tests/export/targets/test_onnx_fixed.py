"""QCDQ and QONNX against the network, to the last bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Overflow, Rounding
from naetrigger.contracts.network import FixedPointNetwork, Node
from naetrigger.export.onnx_engines import OnnxModel, QcdqModel, QonnxModel
from naetrigger.export.onnx_fixed import needed_dtype, write_qcdq, write_qonnx
from tests.export.targets.networks import random_network, spec_of
from tests.export.targets.projects import files_of, vectors_of

WIDE_INPUT = Fixed(True, 20, 5, Rounding.RND_CONV, Overflow.SAT)


@pytest.mark.parametrize("input_type", [None, WIDE_INPUT], ids=["float32", "float64"])
@pytest.mark.parametrize("overflow", [o for o in Overflow if o is not Overflow.WRAP])
@pytest.mark.parametrize("rounding", Rounding)
def test_every_edge_equals_the_network(
    rounding: Rounding, overflow: Overflow, input_type: Fixed | None, tmp_path: Path
) -> None:
    kind = ("square", "abs")[len(rounding.value) % 2]
    network = random_network(
        1, rounding=rounding, overflow=overflow, kind=kind, input_type=input_type
    )
    assert needed_dtype(network) == (np.float32 if input_type is None else np.float64)
    words = vectors_of(network, 2000)
    inputs, edges = network.input.type.real(words), network.trace(words)
    models: list[QcdqModel | QonnxModel] = []
    write_qcdq(tmp_path / "qcdq.onnx", network, spec_of(network))
    models.append(QcdqModel(tmp_path / "qcdq.onnx"))
    if overflow is Overflow.SAT_ZERO:
        with pytest.raises(InputError, match=r"qonnx: \w+: overflow SAT_ZERO has no Quant node"):
            write_qonnx(tmp_path / "qonnx.onnx", network, spec_of(network))
    else:
        write_qonnx(tmp_path / "qonnx.onnx", network, spec_of(network))
        models.append(QonnxModel(tmp_path / "qonnx.onnx"))
    for model in models:
        for name, values in model.trace(inputs).items():
            np.testing.assert_array_equal(values, edges[name], err_msg=name)
        np.testing.assert_array_equal(model.scores(inputs), edges["score"][:, 0])


@pytest.mark.parametrize("seed", range(8))
def test_qcdq_is_exact_however_onnxruntime_optimizes_it(seed: int, tmp_path: Path) -> None:
    """onnxruntime fuses and requantizes what it takes for an ordinary quantized model."""
    network = random_network(
        seed, width=(7, 8, 12, 16)[seed % 4], kind=("square", "abs")[seed // 4]
    )
    words = vectors_of(network, 3000)
    path = tmp_path / "qcdq.onnx"
    write_qcdq(path, network, spec_of(network))
    inputs = network.input.type.real(words).astype(needed_dtype(network))
    level = onnxruntime.GraphOptimizationLevel
    for how in (level.ORT_DISABLE_ALL, level.ORT_ENABLE_BASIC, level.ORT_ENABLE_ALL):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = how
        session = onnxruntime.InferenceSession(str(path), options)
        (scores,) = session.run(["score"], {"inputs": inputs})
        mantissas = np.ldexp(scores[:, 0].astype(np.float64), network.score_type.fraction)
        np.testing.assert_array_equal(mantissas, network.scores(words))


@pytest.mark.parametrize("overflow", [Overflow.SAT, Overflow.SAT_SYM, Overflow.WRAP])
@pytest.mark.parametrize("rounding", [Rounding.RND_CONV, Rounding.TRN, Rounding.RND_MIN_INF])
def test_inputs_before_rounding_are_quantized_in_the_graph(
    rounding: Rounding, overflow: Overflow, tmp_path: Path
) -> None:
    network = random_network(0, input_type=Fixed(True, 8, 3, rounding, overflow))
    write_qcdq(tmp_path / "qcdq.onnx", network, spec_of(network))
    write_qonnx(tmp_path / "qonnx.onnx", network, spec_of(network))
    inputs = np.random.default_rng(1).uniform(-20, 20, (3000, 5)).astype(np.float32)
    real = inputs.astype(np.float64)
    expected = network.scores(network.input.type.mantissas(real))
    for model in (QcdqModel(tmp_path / "qcdq.onnx"), QonnxModel(tmp_path / "qonnx.onnx")):
        np.testing.assert_array_equal(model.scores(real), expected)


def squares(width: int, features: int = 57) -> FixedPointNetwork:
    """The sum of squares of integers of `width` bits."""
    nodes = (
        Node("x", "input", (), features, Fixed(True, width, width)),
        Node("sq", "square", ("x",), features, Fixed(False, 2 * width, 2 * width)),
        Node("score", "sum", ("sq",), 1, Fixed(False, 18, 14, Rounding.RND_CONV, Overflow.SAT)),
    )
    return FixedPointNetwork(nodes, "score", 1.0)


@pytest.mark.parametrize(("width", "dtype"), [(9, np.float32), (11, np.float64)])
def test_sums_that_leave_a_float32_are_computed_in_float64(
    width: int, dtype: type, tmp_path: Path
) -> None:
    network = squares(width)
    assert needed_dtype(network) == dtype
    write_qcdq(tmp_path / "qcdq.onnx", network, spec_of(network))
    words = vectors_of(network, 3000)
    model = QcdqModel(tmp_path / "qcdq.onnx")
    scores = model.scores(network.input.type.real(words))
    np.testing.assert_array_equal(scores, network.scores(words))


def test_sums_that_leave_a_float64_are_refused_by_name(tmp_path: Path) -> None:
    network = squares(26)
    with pytest.raises(InputError, match="edge 'score' needs 56 bits and a float64 has 53"):
        write_qcdq(tmp_path / "qcdq.onnx", network, spec_of(network))


def test_an_edge_that_leaves_a_quant_node_is_refused_by_name(tmp_path: Path) -> None:
    *nodes, score = squares(13).nodes
    wide = Fixed(False, 30, 30, Rounding.RND, Overflow.SAT)
    network = FixedPointNetwork((*nodes, Node("score", "sum", score.inputs, 1, wide)), "score", 1.0)
    write_qonnx(tmp_path / "exact.onnx", network, spec_of(network))  # nothing is rounded
    finer = Fixed(True, 28, 2, Rounding.RND_CONV, Overflow.SAT)
    nodes = [Node("x", "input", (), 1, finer), Node("score", "cast", ("x",), 1, finer)]
    network = FixedPointNetwork(tuple(nodes), "score", 1.0)
    with pytest.raises(InputError, match=r"qonnx: edge_x is rounded to .* holds 24 bits"):
        write_qonnx(tmp_path / "qonnx.onnx", network, spec_of(network))


def test_properties_and_operators(tmp_path: Path) -> None:
    network = random_network(0)
    write_qcdq(tmp_path / "qcdq.onnx", network, spec_of(network), threshold=12)
    write_qonnx(tmp_path / "qonnx.onnx", network, spec_of(network), threshold=12)
    properties = OnnxModel(tmp_path / "qcdq.onnx").properties
    lsb = network.score_type.lsb
    assert json.loads(properties["threshold"]) == 12 * lsb
    assert json.loads(properties["score_lsb"]) == lsb
    assert json.loads(properties["float_per_score"]) == network.score_scale / lsb
    assert "score_scale" not in properties  # it is the float score of a mantissa, everywhere else
    assert properties["score_type"] == str(network.score_type)
    assert json.loads(properties["edges"])["a0"] == str(network["a0"].type)
    qcdq, qonnx = (onnx.load(str(tmp_path / f"{n}.onnx")) for n in ("qcdq", "qonnx"))
    ops = {node.op_type for node in qcdq.graph.node}
    assert {"QuantizeLinear", "Clip", "DequantizeLinear"} <= ops
    assert {node.domain for node in qcdq.graph.node} == {""}
    quants = [node for node in qonnx.graph.node if node.op_type == "Quant"]
    exact = 2  # d0 and d1 round nothing
    assert len(quants) == len(network.nodes) - exact + 6  # and three weights, three biases
    assert {node.domain for node in quants} == {"qonnx.custom_op.general"}


def test_two_writes_are_byte_identical(tmp_path: Path) -> None:
    network = random_network(0)
    for name in ("a", "b"):
        write_qcdq(tmp_path / name / "qcdq.onnx", network, spec_of(network))
        write_qonnx(tmp_path / name / "qonnx.onnx", network, spec_of(network))
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_a_spec_of_another_format_is_refused(tmp_path: Path) -> None:
    network = random_network(0)
    spec = spec_of(network).model_copy(update={"type": "fixed<9,3,RND_CONV,SAT>"})
    with pytest.raises(InputError, match="input spec plain has 5 of fixed<9,3,RND_CONV,SAT>"):
        write_qcdq(tmp_path / "qcdq.onnx", network, spec)


def test_a_float_file_is_no_fixed_point_file(tmp_path: Path) -> None:
    network = random_network(0)
    write_qcdq(tmp_path / "x.onnx", network, spec_of(network))
    model = onnx.load(str(tmp_path / "x.onnx"))
    onnx.helper.set_model_props(model, {"kind": "student"})
    onnx.save(model, str(tmp_path / "x.onnx"))
    for kind in (QcdqModel, QonnxModel):
        with pytest.raises(InputError, match="not a fixed-point ONNX file"):
            kind(tmp_path / "x.onnx")
