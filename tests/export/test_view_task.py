"""A student that sees other inputs than its teacher: both views are of the same events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events
from naetrigger.export import view_task as view_task_module
from naetrigger.export.student_settings import Points
from naetrigger.export.student_task import Answers, Teacher
from naetrigger.export.view_task import smeared_events, view_task
from naetrigger.firmware_configs.derive_spec import derive_input_spec
from naetrigger.firmware_configs.offline_steps import BlockSum, grid_columns
from naetrigger.firmware_configs.trigger_scales import trigger_scales
from tests.firmware_configs.test_digitise import COLUMNS, HIGH, LOW, SCALES, random_crossings

CELLS = grid_columns("pix", (4, 4))
PIXELS = trigger_scales(CELLS)
POINTS = Points(noise_count=500)


def images(n: int, seed: int) -> Events:
    rng = np.random.default_rng(seed)
    values = rng.poisson(rng.uniform(20, 300, (n, 16))).astype(np.float32)
    ids = np.arange(n, dtype=np.uint64)
    return Events("qcd", "background", CELLS, values, np.ones(n), ids, units=("hw",) * 16)


TRAIN, VALIDATION = images(400, 0), images(200, 1)
WHOLE = derive_input_spec("whole", CELLS, TRAIN.values, scales=PIXELS)
SUMS = derive_input_spec(
    "sums", CELLS, TRAIN.values, scales=PIXELS, steps=(BlockSum(shape=(4, 4), block=(2, 2)),)
)
# the sum of all pixels, which both views can tell
TOTAL = Teacher("squared_error", lambda x: Answers(100 + x.sum(axis=1), x))


def test_teacher_and_student_see_the_same_events() -> None:
    task = view_task(TOTAL, WHOLE, SUMS, TRAIN, VALIDATION, POINTS, 3)
    assert task.columns == SUMS.columns
    np.testing.assert_array_equal(task.train.x, SUMS.inputs(TRAIN))
    offsets = [sum(f.offset for f in spec.features) for spec in (WHOLE, SUMS)]
    shifts = [spec.features[0].shift for spec in (WHOLE, SUMS)]
    for sample in (task.train, task.validation, task.points, task.validation_points):
        total = sample.x.sum(axis=1) * 2.0 ** shifts[1] + offsets[1]
        expected = 100 + (total - offsets[0]) * 2.0 ** -shifts[0]
        np.testing.assert_allclose(sample.scores, expected, rtol=1e-12)
        assert sample.vector is None
    assert (len(task.points.x), len(task.validation_points.x)) == (500, 500)
    np.testing.assert_allclose(task.points.weights.sum(), POINTS.noise_share * 400)
    assert task.encoder == ()


def test_it_is_said_what_does_not_apply(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "naetrigger"):
        view_task(TOTAL, WHOLE, SUMS, TRAIN, VALIDATION, POINTS, 3)
    assert caplog.text.count("langevin_share and points.uniform_share do not apply") == 1
    caplog.clear()
    silent = POINTS.model_copy(update={"langevin_share": 0.0, "uniform_share": 0.0})
    with caplog.at_level("INFO", "naetrigger"):
        view_task(TOTAL, WHOLE, SUMS, TRAIN, VALIDATION, silent, 3)
    assert "do not apply" not in caplog.text


def test_smeared_events_are_ones_that_hardware_can_send() -> None:
    events = random_crossings(300, 0)
    around = smeared_events(events, SCALES, Points(noise_count=2000), np.random.default_rng(1))
    assert around.values.shape == (2000, 57)
    np.testing.assert_array_equal(around.values, np.rint(around.values))
    assert np.all((around.values >= LOW) & (around.values <= HIGH))
    objects = around.values.reshape(-1, 19, 3)
    missing = objects[:, :, 0] == 0
    assert missing.any()
    assert not objects[missing].any()
    for first, end in ((1, 5), (5, 9), (9, 19)):
        assert np.all(np.diff(objects[:, first:end, 0], axis=1) <= 0)
    assert around.columns == COLUMNS


def test_smearing_is_as_wide_as_asked_for() -> None:
    points = Points(noise_count=20_000, noise_widths=(2.0,))
    x = np.random.default_rng(0).normal(1800, 100, (3000, 1)).round().astype(np.float32)
    events = Events(
        "p", "background", ("pix_00_00",), x, np.ones(3000), np.arange(3000, dtype=np.uint64)
    )
    around = smeared_events(events, PIXELS, points, np.random.default_rng(2))
    np.testing.assert_allclose(around.values.std(), x.std() * np.sqrt(5), rtol=0.03)
    plain = smeared_events(events, {}, points, np.random.default_rng(2)).values
    assert plain.min() >= x.min()
    assert plain.max() <= x.max()


def test_events_are_drawn_by_their_weights() -> None:
    weights = np.where(np.arange(400) == 7, 1.0, 1e-12)
    points = Points(noise_count=50, noise_widths=(1e-6,))
    around = smeared_events(
        replace(TRAIN, weights=weights), PIXELS, points, np.random.default_rng(0)
    )
    np.testing.assert_array_equal(around.values, np.tile(TRAIN.values[7], (50, 1)))


def test_without_noise_there_are_no_points() -> None:
    points = Points(noise_share=0)
    task = view_task(TOTAL, WHOLE, SUMS, TRAIN, VALIDATION, points, 3)
    assert len(task.points.x) == 0


def test_a_teacher_that_cannot_tell_events_apart_is_refused() -> None:
    flat = Teacher("squared_error", lambda x: Answers(np.ones(len(x)), None))
    with pytest.raises(InputError, match="the same score"):
        view_task(flat, WHOLE, SUMS, TRAIN, VALIDATION, POINTS, 3)


def test_turned_regions_alone_are_points_of_their_own_weight() -> None:
    rng = np.random.default_rng(5)
    cells = grid_columns("reg", (18, 14))
    values = rng.poisson(12, (60, 252)).astype(np.float32)
    ids = np.arange(60, dtype=np.uint64)
    context = np.ones((60, 1), np.float32)
    events = Events(
        "zero_bias",
        "background",
        cells,
        values,
        np.ones(60),
        ids,
        ("ht",),
        context,
        units=("hw",) * 252,
    )
    points = Points(noise_share=0, regions_count=200, regions_share=2)
    around, share = view_task_module._around(events, trigger_scales(cells), points, rng)
    assert len(around) == 200
    assert share.sum() == pytest.approx(2 * 60)
