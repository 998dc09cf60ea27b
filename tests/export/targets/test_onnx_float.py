"""Float ONNX against torch and against the student's own float form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed
from naetrigger.contracts.score import SCORES, score_named
from naetrigger.export.onnx_engines import OnnxModel
from naetrigger.export.onnx_float import (
    ACTIVATIONS,
    FloatLayer,
    FloatNetwork,
    student_network,
    teacher_network,
    write_float_onnx,
)
from naetrigger.export.student import Student, StudentLayer, float_edges, float_scores
from naetrigger.firmware_configs.feature import Feature
from naetrigger.firmware_configs.input_spec import InputSpec
from naetrigger.training.models.mlp import mlp
from naetrigger.training.settings import ModelSettings
from tests.export.targets.projects import files_of

FEATURES = 4


def spec() -> InputSpec:
    features = tuple(
        Feature(name=f"pt{i}", unit="GeV", offline="log", offset=0.5 * i, shift=i)
        for i in range(FEATURES)
    )
    return InputSpec(name="toy", description="toy", source="test", features=features)


@pytest.mark.parametrize("score", ["squared_error", "absolute_error"])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "prelu", "softplus", "tanh"])
def test_a_teacher_equals_torch(activation: str, score: str, tmp_path: Path) -> None:
    settings = ModelSettings.model_validate(
        {"hidden": (6, 5), "latent": 2, "activation": activation, "score": score}
    )
    teacher = mlp(settings, FEATURES, torch.Generator().manual_seed(1))
    write_float_onnx(tmp_path / "teacher.onnx", teacher_network(teacher), spec())
    model = OnnxModel(tmp_path / "teacher.onnx")
    x = np.random.default_rng(0).normal(0, 3, (500, FEATURES)).astype(np.float32)
    outputs = model.run(x.astype(np.float64))
    assert model.names == ["score", "latent", "reconstruction"]
    with torch.no_grad():
        tensor = torch.from_numpy(x)
        latent, reconstruction = teacher.encode(tensor).numpy(), teacher(tensor).numpy()
        scores = teacher.energy(tensor).numpy()
    near = {"rtol": 1e-5, "atol": 1e-6}  # float32 in two libraries
    np.testing.assert_allclose(outputs["latent"], latent, **near)
    np.testing.assert_allclose(outputs["reconstruction"], reconstruction, **near)
    np.testing.assert_allclose(outputs["score"][:, 0], scores, **near)
    np.testing.assert_array_equal(model.scores(x.astype(np.float64)), outputs["score"][:, 0])


def student(score: str) -> Student:
    rng = np.random.default_rng(3)
    kind = Fixed(True, 12, 4)
    vectors = {"regression": (1, "output"), "energy": (1, "output"), "latent_norm": (2, "latent")}
    last, edge = vectors.get(score, (FEATURES, "reconstruction"))

    def layer(name: str, edge: str, n_in: int, n_out: int, relu: bool) -> StudentLayer:
        weights = rng.normal(size=(n_in, n_out)).astype(np.float32)
        bias = rng.normal(size=n_out).astype(np.float32)
        return StudentLayer(name, edge, relu, weights, bias, kind, kind, kind)

    layers = (layer("d0", "d0_relu", FEATURES, 6, True), layer("d1", edge, 6, last, False))
    columns = tuple(f"f{i}" for i in range(FEATURES))
    return Student("quantize", kind, columns, layers, score_named(score), "squared_error")


@pytest.mark.parametrize("score", SCORES)
def test_a_float_student_equals_numpy(score: str, tmp_path: Path) -> None:
    of = student(score)
    write_float_onnx(tmp_path / "student.onnx", student_network(of), spec())
    outputs = OnnxModel(tmp_path / "student.onnx").run(
        x := np.random.default_rng(0).normal(0, 2, (300, FEATURES))
    )
    near = {"rtol": 1e-4, "atol": 1e-4}  # float32 against float64
    np.testing.assert_allclose(outputs["score"][:, 0], float_scores(of, x), **near)
    edge = of.layers[-1].edge
    assert list(outputs) == ["score", edge]
    np.testing.assert_allclose(outputs[edge], float_edges(of.layers, x)[edge], **near)


def test_properties_say_how_inputs_are_made(tmp_path: Path) -> None:
    path = tmp_path / "student.onnx"
    write_float_onnx(path, student_network(student("squared_error")), spec(), threshold=3.25)
    properties = OnnxModel(path).properties
    assert properties["kind"] == "student"
    assert json.loads(properties["columns"]) == ["pt0", "pt1", "pt2", "pt3"]
    assert json.loads(properties["units"]) == ["GeV"] * 4
    assert json.loads(properties["offline"]) == ["log"] * 4
    assert json.loads(properties["offsets"]) == [0.0, 0.5, 1.0, 1.5]
    assert json.loads(properties["shifts"]) == [0, 1, 2, 3]
    assert json.loads(properties["threshold"]) == 3.25
    assert json.loads(properties["float_per_score"]) == 1.0


def test_batches_are_of_any_size(tmp_path: Path) -> None:
    path = tmp_path / "student.onnx"
    write_float_onnx(path, student_network(student("squared_error")), spec())
    model = OnnxModel(path)
    x = np.random.default_rng(0).normal(size=(70_000, FEATURES))
    scores = model.scores(x)
    np.testing.assert_allclose(model.scores(x[:1]), scores[:1], rtol=1e-6)
    assert scores.shape == (70_000,)
    assert model.scores(x[:0]).shape == (0,)


def test_two_writes_are_byte_identical(tmp_path: Path) -> None:
    for name in ("a", "b"):
        network = student_network(student("squared_error"))
        write_float_onnx(tmp_path / name / "student.onnx", network, spec())
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_networks_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    good = student_network(student("squared_error"))
    narrow = FloatNetwork("teacher", good.layers[1:], good.score)
    with pytest.raises(InputError, match="takes 6 inputs, input spec toy has 4"):
        write_float_onnx(path, narrow, spec())
    first = good.layers[0]
    odd = FloatLayer(first.weights, first.bias, "gelu")
    with pytest.raises(InputError, match="activation 'gelu'"):
        write_float_onnx(path, FloatNetwork("teacher", (odd, good.layers[1]), good.score), spec())
    assert "gelu" not in ACTIVATIONS
    vector = FloatNetwork(
        "student", student_network(student("latent_norm")).layers, score_named("regression")
    )
    with pytest.raises(InputError, match="the score needs 'output'"):
        write_float_onnx(path, vector, spec())
    assert not path.exists()


@pytest.mark.parametrize("data", [b"", b"not an onnx file", b"\x00" * 64])
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.onnx").write_bytes(data)
    with pytest.raises(InputError, match=r"x\.onnx"):
        OnnxModel(tmp_path / "x.onnx")
    with pytest.raises(InputError, match=r"gone\.onnx"):
        OnnxModel(tmp_path / "gone.onnx")
