"""The points a student meets its teacher at, and the teacher's answers there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from naetrigger.contracts.errors import InputError
from naetrigger.export.student_settings import Points
from naetrigger.export.student_task import (
    Answers,
    StudentTask,
    dense_teacher,
    float_teacher,
    points_around,
)
from naetrigger.training.models import build_model
from naetrigger.training.settings import ModelSettings


def test_every_input_is_one_that_hardware_receives(task: StudentTask) -> None:
    for sample in (task.train, task.points, task.validation, task.validation_points):
        np.testing.assert_array_equal(sample.x, task.input_type.quantize(sample.x))
        assert len(sample.x) == len(sample.weights) == len(sample.scores) == len(sample.vector)


def test_each_kind_of_point_has_its_share(task: StudentTask) -> None:
    points = Points(
        noise_count=400, noise_share=2, langevin_share=0.3, uniform_count=50, uniform_share=0.5
    )
    x, rng = task.train.x, np.random.default_rng(0)
    negatives = np.zeros((30, x.shape[1]))
    around, w = points_around(x, np.ones(len(x)), task.input_type, points, rng, negatives)
    assert len(around) == 480
    shares = [w[:400].sum(), w[400:430].sum(), w[430:].sum()]
    np.testing.assert_allclose(shares, [2 * len(x), 0.3 * len(x), 0.5 * len(x)])
    assert not around[400:430].any()


def test_smeared_points_spread_by_the_widths_asked_for(task: StudentTask) -> None:
    points = Points(noise_widths=(2.0,), noise_count=20_000, uniform_share=0)
    x = task.train.x
    wide = replace(task.input_type, width=20, integer=8)
    around, _ = points_around(x, np.ones(len(x)), wide, points, np.random.default_rng(0), x[:0])
    expected = x.std(axis=0) * np.sqrt(1 + 2.0**2)
    np.testing.assert_allclose(around.std(axis=0), expected, rtol=0.05)  # 20 000 draws


def test_same_seed_same_points(make_task: Callable[..., StudentTask]) -> None:
    first, again, other = make_task(), make_task(), make_task(seed=6)
    np.testing.assert_array_equal(first.points.x, again.points.x)
    assert not np.array_equal(first.points.x, other.points.x)


def test_negatives_are_split_between_training_and_validation(
    make_task: Callable[..., StudentTask],
) -> None:
    points = Points(noise_share=0, uniform_share=0)
    negatives = np.arange(100)[:, None] / 64 * np.ones((1, 5))
    task = make_task(points=points, negatives=negatives)
    assert (len(task.points.x), len(task.validation_points.x)) == (80, 20)
    assert not set(task.points.x[:, 0]) & set(task.validation_points.x[:, 0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": (np.full((10, 5), np.nan), np.ones(10))}, "training .* NaN or infinity"),
        ({"validation": (np.zeros((0, 5)), np.ones(0))}, "no validation background"),
        ({"train": (np.zeros((10, 4)), np.ones(10))}, r"shapes \(N, 5\)"),
        ({"train": (np.zeros((10, 5)), -np.ones(10))}, "weights must be >= 0"),
        ({"train": (np.zeros((10, 5)), np.ones(10)), "points": Points()}, "the same score"),
    ],
)
def test_bad_background_is_refused(
    make_task: Callable[..., StudentTask], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make_task(**changes)


def test_teacher_that_gives_nan_is_refused(
    make_task: Callable[..., StudentTask], toy_teacher: Any
) -> None:
    broken = replace(toy_teacher, answer=lambda x: Answers(np.full(len(x), np.nan), None))
    with pytest.raises(InputError, match="finite scores"):
        make_task(teacher=broken)


def test_torch_teacher_and_its_layers_answer_alike() -> None:
    model = build_model(ModelSettings(hidden=(7,), latent=2), 4, torch.Generator().manual_seed(0))
    teacher = float_teacher(model)
    assert (len(teacher.encoder), len(teacher.decoder)) == (2, 2)
    x = np.random.default_rng(0).normal(size=(50, 4))
    one, other = teacher.answer(x), dense_teacher(teacher.encoder, teacher.decoder).answer(x)
    np.testing.assert_allclose(one.scores, other.scores, rtol=1e-5)  # float32 against float64
    np.testing.assert_allclose(one.vector, other.vector, atol=1e-5)


def test_teacher_with_other_activations_has_no_layers_to_start_from() -> None:
    settings = ModelSettings(hidden=(7,), latent=2, activation="tanh")
    teacher = float_teacher(build_model(settings, 4, torch.Generator().manual_seed(0)))
    assert teacher.encoder == ()
    assert teacher.answer(np.zeros((3, 4))).scores.shape == (3,)
