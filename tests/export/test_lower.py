"""Lowering keeps every weight, rounds as the formats say, and means the float score."""

from __future__ import annotations

from typing import Any

import numpy as np

from naetrigger.contracts.network_file import load_network
from naetrigger.export.lower import lower, lower_student
from naetrigger.export.qkeras_student import libraries, quantizer
from naetrigger.export.student import float_scores, float_student, read_student


def test_mantissas_are_what_qkeras_quantizes_to(trained: Any) -> None:
    tf = libraries().tf
    student = read_student(trained.folder)
    for layer in student.layers:
        node = trained.report.network[layer.name]
        for values, kind, mantissas in (
            (layer.weights, layer.weight_type, node.weights),
            (layer.bias, layer.bias_type, node.bias),
        ):
            # x + (q - x), as QKeras adds it up for its gradient, is off by float rounding
            seen = np.asarray(quantizer(kind)(tf.constant(values)), dtype=np.float64)
            np.testing.assert_allclose(seen, kind.real(mantissas), rtol=0, atol=kind.lsb * 1e-3)
            grid = np.asarray(quantizer(kind)(tf.constant(kind.real(mantissas), tf.float32)))
            np.testing.assert_array_equal(grid, kind.real(mantissas))


def test_nothing_is_pruned_and_names_are_the_layers(trained: Any) -> None:
    student, network = trained.report.student, trained.report.network
    for layer in student.layers:
        assert network[layer.name].weights.shape == layer.weights.shape
        assert network[layer.name].weight_type.width == layer.weight_type.width
        if layer.type is not None:
            assert network[layer.edge].type == layer.type
            assert network[layer.edge].op == ("relu" if layer.relu else "cast")
    assert network.nodes[0].name == "x"
    assert network.output == "score"
    assert network.about["columns"] == ",".join(student.columns)


def test_only_activations_and_score_can_saturate(trained: Any) -> None:
    network = trained.report.network
    for name, bounds in network.bounds().items():
        if network[name].op not in ("relu", "cast"):
            assert not bounds.may_saturate, name


def test_written_network_is_the_lowered_one(trained: Any) -> None:
    before = (trained.folder / "network" / "network.npz").read_bytes()
    written, lowered = load_network(trained.folder / "network"), lower_student(trained.folder)
    assert (trained.folder / "network" / "network.npz").read_bytes() == before
    assert [node.name for node in written.nodes] == [node.name for node in lowered.nodes]
    x = trained.report.student.input_type.mantissas(np.random.default_rng(1).normal(size=(500, 5)))
    np.testing.assert_array_equal(written.scores(x), lowered.scores(x))


def test_score_scale_gives_the_float_students_score(trained: Any, task: Any) -> None:
    """scale * mantissa differs from the float form by what rounding of activations can do."""
    network = trained.report.network
    scores = network.scores(task.input_type.mantissas(task.validation.x)) * network.score_scale
    floats = float_scores(float_student(trained.folder), task.validation.x)
    typical = np.median(np.abs(scores - floats)) / np.median(np.abs(floats))
    assert typical < 0.2  # 6-bit activations; a wrong scale is off by a factor 2 at least
    assert np.corrcoef(scores, floats)[0, 1] > 0.95


def test_exact_score_stands_in_until_a_format_is_chosen(trained: Any, task: Any) -> None:
    student = trained.report.student
    exact = lower(Student_without_score(student))
    x = task.input_type.mantissas(task.validation.x)
    kind = student.score_type
    expected = kind.cast(exact.scores(x), exact.score_type.fraction)
    np.testing.assert_array_equal(lower(student).scores(x), expected)


def Student_without_score(student: Any) -> Any:
    return type(student)(**{**vars(student), "score_type": None})
