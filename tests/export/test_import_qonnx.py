"""QONNX files as Brevitas writes them: the network's outputs against qonnx' own executor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Integers
from naetrigger.export.import_draft import ImportedModel
from naetrigger.export.import_qonnx import read_qonnx
from naetrigger.export.onnx_engines import _readable_versions

EVENTS = 10_000


class Graph:
    """A chain of nodes in Brevitas' manner: constants beside, Quant behind every layer."""

    def __init__(self, shape: tuple[int, ...], seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.shape, self.last = shape, "global_in"
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, values: Any) -> str:
        array = np.asarray(values, dtype=np.float32)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, op: str, *others: str, domain: str = "", **attributes: Any) -> None:
        name = f"{op}_{len(self.nodes)}"
        node = helper.make_node(op, [self.last, *others], [f"{name}_out"], name, domain=domain)
        node.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
        self.nodes.append(node)
        self.last = f"{name}_out"

    def quant(self, scale: Any, bits: int, x: str | None = None, **attributes: Any) -> str:
        """A Quant node behind the last, or on a constant; its output."""
        before, place = self.last, len(self.nodes)
        self.last = x or before
        parameters = [
            self.constant(f"q{place}_{key}", value)
            for key, value in (("scale", scale), ("zero", 0.0), ("bits", bits))
        ]
        given = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND", **attributes}
        self.add("Quant", *parameters, domain="qonnx.custom_op.general", **given)
        made = self.last
        self.last = before if x else made
        return made

    def weights(self, shape: tuple[int, ...], scale: Any) -> str:
        """Quantized weights; narrow, as Brevitas has them."""
        values = self.rng.normal(scale=0.6, size=shape)
        return self.quant(scale, 5, self.constant(f"w{len(self.nodes)}", values), narrow=1)

    def model(self, n_out: int, batch: int | str = "N") -> Any:
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *shape])
            for name, shape in (("global_in", self.shape), (self.last, (n_out,)))
        ]
        graph = helper.make_graph(self.nodes, "torch_jit", ends[:1], ends[1:], self.constants)
        opsets = [helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def dense() -> tuple[Graph, int]:
    """Gemm with a bias of its own, MatMul and Add, a slope, ends, a table of tanh."""
    graph = Graph((6,), 3)
    graph.quant(2**-4, 8)
    weights = graph.weights((8, 6), 2**-3)
    bias = graph.quant(2**-5, 7, graph.constant("b0", graph.rng.normal(size=8)))
    graph.add("Gemm", weights, bias, transB=1)
    graph.add("Relu")
    graph.quant(2**-3, 6, signed=0)
    graph.add("MatMul", graph.weights((8, 5), 2 ** -np.array([3.0, 2, 3, 4, 3])))
    graph.add("Add", graph.quant(2**-4, 6, graph.constant("b1", graph.rng.normal(size=5))))
    graph.quant(2**-4, 9, rounding_mode="FLOOR")
    graph.add("LeakyRelu", alpha=0.25)
    graph.add("Clip", graph.constant("low", -2.5), graph.constant("high", 3.0))
    graph.quant(2**-4, 8, narrow=1)
    graph.add("Tanh")
    graph.quant(2**-6, 7)
    graph.add("Mul", graph.constant("two", 2.0))
    graph.add("Sub", graph.constant("offset", [0.5, 0.25, 0, 0, -1]))
    return graph, 5


def images() -> tuple[Graph, int]:
    """Channels first: convolutions, poolings, and a product behind Flatten."""
    graph = Graph((2, 6, 5), 4)
    graph.quant(2**-3, 7)
    weights = graph.weights((3, 2, 3, 2), 2.0 ** -np.array([3, 2, 4]).reshape(3, 1, 1, 1))
    bias = graph.quant(2**-5, 7, graph.constant("b0", graph.rng.normal(size=3)))
    graph.add("Conv", weights, bias, kernel_shape=[3, 2], pads=[1, 0, 1, 1], strides=[1, 1])
    graph.add("Relu")
    graph.quant(2**-3, 6, signed=0)
    graph.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    graph.add("Mul", graph.constant("factor", [[[0.5]], [[1]], [[2]]]))
    graph.quant(2**-3, 6)
    graph.add("AveragePool", kernel_shape=[1, 2], strides=[1, 1])
    graph.quant(2**-4, 8, rounding_mode="FLOOR")
    graph.add("Flatten", axis=1)
    graph.add("MatMul", graph.weights((9, 4), 2**-3))
    graph.quant(2**-3, 8)
    return graph, 4


GRAPHS: dict[str, Callable[[], tuple[Graph, int]]] = {"dense": dense, "images": images}


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def written(graph: Graph, n_out: int) -> Path:
        onnx.save(graph.model(n_out), str(tmp_path / "m.onnx"))
        return tmp_path / "m.onnx"

    return written


def executed(graph: Graph, n_out: int, inputs: Any) -> Any:
    """Outputs by the qonnx package."""
    return run_qonnx(graph.model(n_out, len(inputs)), "global_in", inputs)


def run_qonnx(proto: Any, source: str, inputs: Any) -> Any:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    model = ModelWrapper(proto).transform(InferShapes())
    with _readable_versions():
        (result,) = execute_onnx(model, {source: inputs.astype(np.float32)}).values()
    return result


def words_and_inputs(model: ImportedModel, shape: tuple[int, ...]) -> tuple[Integers, Any]:
    """Words in the network's order, and the same events in ONNX' (channels first)."""
    kind = model.network.input.type
    rng = np.random.default_rng(2)
    words = rng.integers(kind.min_mantissa, kind.max_mantissa, (EVENTS, *shape), np.int64)
    inputs = kind.real(words)
    order = {1: (0, 1), 2: (0, 2, 1), 3: (0, 2, 3, 1)}[len(shape)]
    return words.transpose(order).reshape(EVENTS, -1), inputs


@pytest.mark.parametrize("name", GRAPHS)
def test_outputs_equal_those_of_qonnx(name: str, file: Callable[..., Path]) -> None:
    graph, n_out = GRAPHS[name]()
    model = read_qonnx(file(graph, n_out), score="0")
    words, inputs = words_and_inputs(model, graph.shape)
    edge = model.network.trace(words)[model.outputs]
    found = model.network[model.outputs].type.real(edge)
    np.testing.assert_array_equal(found, executed(graph, n_out, inputs))
    assert len(np.unique(found)) > 20


@pytest.mark.parametrize("shape", [(2, 3, 2), (3, 4), (1, 4, 3), (12,)])
def test_a_reconstruction_is_compared_with_the_inputs_it_stands_for(
    shape: tuple[int, ...], file: Callable[..., Path]
) -> None:
    """A vector that was an image has its channels first, as the image had."""
    graph = Graph(shape, 6)
    graph.quant(2**-3, 6)
    if len(shape) > 1:
        graph.add("Flatten", axis=1)
    graph.add("MatMul", graph.weights((12, 12), 2**-3))
    graph.quant(2**-3, 7)
    model = read_qonnx(file(graph, 12), score="squared_error")
    words, inputs = words_and_inputs(model, shape)
    words, inputs = words[:500], inputs[:500]
    expected = ((executed(graph, 12, inputs) - inputs.reshape(500, -1)) ** 2).sum(axis=1)
    network = model.network
    np.testing.assert_array_equal(network.scores(words) * network.score_scale, expected)


@pytest.mark.parametrize(("name", "shape"), [("dense", (6,)), ("images", (2, 6, 5))])
def test_files_of_brevitas_give_what_qonnx_makes_of_them(name: str, shape: tuple[int, ...]) -> None:
    """Written by Brevitas 0.13.4 (export_qonnx) from QuantLinear, QuantConv2d, QuantReLU."""
    path = Path(__file__).parent / "brevitas" / f"{name}.onnx"
    model = read_qonnx(path, score="0")
    words, inputs = words_and_inputs(model, shape)
    exported = onnx.load(str(path))
    constants = {tensor.name for tensor in exported.graph.initializer}
    for end in (*exported.graph.input, *exported.graph.output):
        if end.name not in constants:
            end.type.tensor_type.shape.dim[0].dim_value = EVENTS
    del exported.graph.value_info[:]
    (source,) = (end.name for end in exported.graph.input if end.name not in constants)
    found = model.network[model.outputs].type.real(model.network.trace(words)[model.outputs])
    np.testing.assert_array_equal(found, run_qonnx(exported, source, inputs))
    assert len(np.unique(found)) > 100


def spoilt(name: str) -> tuple[Graph, int]:
    """The dense graph with one thing that cannot be taken over."""
    graph, n_out = dense()
    match name:
        case "scale":
            graph.quant(0.3, 8)
        case "zero":
            graph.quant(2**-3, 8)
            graph.constants[-2].CopyFrom(
                numpy_helper.from_array(np.float32(1), graph.constants[-2].name)
            )
        case "scales":
            graph.quant([[0.5, 0.5, 0.25, 1, 1]], 8)
        case "weights":
            graph.add("MatMul", graph.constant("free", graph.rng.normal(size=(5, 5))))
        case "bits":
            graph.quant(2**-3, 70)
        case "mode":
            graph.quant(2**-3, 8, rounding_mode="CEIL")
        case "operator":
            graph.add("Softmax")
        case "sigmoid":
            graph.add("Sigmoid")
        case "wide":
            for _ in range(6):
                graph.add("Mul", graph.constant(f"m{len(graph.nodes)}", 1 + 2.0**-12))
    return graph, n_out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("scale", r"Quant_\d+: scale 0\.3\d* is no power of two"),
        ("zero", r"Quant_\d+: its zero point is not 0"),
        ("scales", r"Quant_\d+: an activation with 5 scales"),
        ("weights", r"MatMul_\d+: weights: .*on no grid"),
        ("bits", r"Quant_\d+: .*width must be 1 to 63 bits"),
        ("mode", r"Quant_\d+: rounding 'CEIL' is not supported"),
        ("operator", r"Softmax_\d+: operator 'Softmax' is not supported; supported are .*Conv"),
        ("sigmoid", "output is not quantized"),
        ("wide", r"Mul_\d+: partial sums reach .* more than 63 bits"),
    ],
)
def test_what_cannot_be_taken_over_is_refused_by_name(
    name: str, message: str, file: Callable[..., Path]
) -> None:
    with pytest.raises(InputError, match=message):
        read_qonnx(file(*spoilt(name)), score="0")


def test_other_and_truncated_files_are_refused(file: Callable[..., Path]) -> None:
    path = file(*dense())
    data = path.read_bytes()
    for text in (b"", b"garbage" * 50, data[: len(data) // 2], data[:-40]):
        path.write_bytes(text)
        with pytest.raises(InputError, match=r"m\.onnx: "):
            read_qonnx(path, score="0")


@pytest.mark.parametrize("shape", [(3,), (1, 1, 3), (1, 3, 1), (3, 1)])
def test_constants_along_an_images_rows_or_columns_are_refused(
    shape: tuple[int, ...], file: Callable[..., Path]
) -> None:
    """As many columns as channels: by its size alone such a constant looks like one by channel."""
    graph = Graph((3, 3, 3), 5)
    graph.quant(2**-3, 7)
    graph.add("Add", graph.constant("offset", np.arange(3.0).reshape(shape)))
    graph.add("Flatten", axis=1)
    with pytest.raises(InputError, match=r"Add_\d+: constants of shape .* are not by channel"):
        read_qonnx(file(graph, 27), score="0")


def test_a_bias_stays_out_of_a_sum_that_another_branch_takes(file: Callable[..., Path]) -> None:
    """An Identity gives the sum a second name, which the bias is added to."""
    graph = Graph((4,), 6)
    graph.quant(2**-3, 7)
    graph.add("MatMul", graph.weights((4, 3), 2**-3))
    product = graph.last
    graph.add("Identity")
    graph.add("Add", graph.constant("b", [0.5, -1.0, 2.0]))
    graph.add("Add", product)
    model = read_qonnx(file(graph, 3), score="0")
    words, inputs = words_and_inputs(model, graph.shape)
    found = model.network[model.outputs].type.real(model.network.trace(words)[model.outputs])
    np.testing.assert_array_equal(found, executed(graph, 3, inputs))
