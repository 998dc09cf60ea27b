"""What training a student promises: a start at the teacher, better than rounding, same bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError, TrainingDiverged
from naetrigger.contracts.fixed_point import parse_fixed
from naetrigger.contracts.progress import Silent
from naetrigger.export import fit
from naetrigger.export.distil import fit_student, train_student, with_formats, with_score_type
from naetrigger.export.initial import starting_student
from naetrigger.export.student import float_scores, read_student
from naetrigger.export.student_settings import LayerBits, Loss, Points, StudentSettings
from naetrigger.export.student_task import Dense, StudentTask, dense_teacher, student_task

COARSE = StudentSettings(
    weight_bits=4, bias_bits=6, activation_bits=4, latent_bits=6, epochs=12, batch_size=128
)


def start(task: StudentTask, settings: StudentSettings) -> Any:
    return starting_student(task, settings, np.random.default_rng(0))


def test_quantize_starts_at_the_teacher(task: StudentTask) -> None:
    student = start(task, StudentSettings())
    for layer, dense in zip(student.layers, task.encoder + task.decoder, strict=True):
        np.testing.assert_array_equal(layer.weights, dense.weights.astype(np.float32))
        np.testing.assert_array_equal(layer.bias, dense.bias.astype(np.float32))
    np.testing.assert_allclose(
        float_scores(student, task.train.x), task.train.scores, rtol=1e-4
    )  # float32 weights
    assert [layer.edge for layer in student.layers] == [
        "encoder_0_relu", "latent", "decoder_0_relu", "reconstruction",
    ]  # fmt: skip


def test_training_beats_rounding(task: StudentTask, tmp_path: Path) -> None:
    rounded = train_student(task, COARSE.model_copy(update={"epochs": 0}), 1, tmp_path / "a")
    trained = train_student(task, COARSE, 1, tmp_path / "b")
    assert trained.spearman > rounded.spearman + 0.03
    assert trained.best_epoch > 0


def test_distilled_student_is_smaller_and_follows_the_teacher(
    task: StudentTask, tmp_path: Path
) -> None:
    settings = StudentSettings(
        mode="distil", hidden=(6,), epochs=10, float_epochs=25, batch_size=64, loss=Loss(vector=1)
    )
    listener = _Counting()
    report = train_student(task, settings, 1, tmp_path, listener)
    assert listener.totals == [25, 10]
    assert listener.updates == [*range(1, 26), *range(1, 11)]
    teacher = sum(dense.weights.size for dense in task.encoder + task.decoder)
    assert sum(layer.weights.size for layer in report.student.layers) <= teacher / 2
    assert report.network.multiplications <= teacher / 2
    assert report.spearman > 0.6


def test_regression_gives_a_score_that_ranks_as_the_teacher(
    task: StudentTask, tmp_path: Path
) -> None:
    settings = StudentSettings(
        mode="regress", hidden=(12, 8), epochs=10, float_epochs=30, batch_size=64
    )
    report = train_student(task, settings, 1, tmp_path)
    assert report.spearman > 0.6
    assert report.student.score.name == "regression"
    assert report.network.score_scale == report.network.score_type.lsb


def test_same_seed_gives_the_same_bytes(trained: Any, task: StudentTask, tmp_path: Path) -> None:
    train_student(task, trained.settings, 11, tmp_path)
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*"))
    assert files == [
        "curves.csv", "network/network.json", "network/network.npz",
        "student.json", "student.safetensors",
    ]  # fmt: skip
    for file in files:
        assert (tmp_path / file).read_bytes() == (trained.folder / file).read_bytes(), file


def test_other_seeds_start_elsewhere(task: StudentTask) -> None:
    settings = StudentSettings(mode="distil")
    one, other = (
        starting_student(task, settings, np.random.default_rng([seed, 1])) for seed in (1, 2)
    )
    assert not np.array_equal(one.layers[0].weights, other.layers[0].weights)


def test_files_read_back_as_the_student(trained: Any) -> None:
    student, written = trained.report.student, read_student(trained.folder)
    assert replace(written, layers=()) == replace(student, layers=())
    for one, other in zip(student.layers, written.layers, strict=True):
        assert replace(one, weights=0, bias=0) == replace(other, weights=0, bias=0)
        np.testing.assert_array_equal(one.weights, other.weights)
    rows = (trained.folder / "curves.csv").read_text().splitlines()
    assert rows[0] == "phase,epoch,loss,validation"
    assert len(rows) > 2


def test_best_weights_are_kept(task: StudentTask, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([9.0, 3.0, 5.0])
    monkeypatch.setattr(fit._Run, "validate", lambda _: next(losses))
    settings = StudentSettings(epochs=2)
    trainer = fit.Trainer(task, settings, 1, _Counting(), [])
    fitted = trainer.fit(with_formats(start(task, settings), task, settings), quantized=True)
    assert (fitted.epoch, fitted.loss) == (1, 3.0)


def test_saturated_scores_are_counted(task: StudentTask, tmp_path: Path) -> None:
    settings = StudentSettings(
        mode="regress", hidden=(8,), float_epochs=20, epochs=0, batch_size=64, score_headroom=0.01
    )
    report = train_student(task, settings, 1, tmp_path)
    scores = report.network.scores(task.input_type.mantissas(task.validation.x))
    at_the_end = scores == report.network.score_type.max_mantissa
    assert report.saturated == at_the_end.mean() > 0
    assert report.student.record["saturated"] == report.saturated


def test_score_format_is_chosen_from_background_alone(task: StudentTask) -> None:
    settings = StudentSettings()
    student = with_formats(start(task, settings), task, settings)
    far = replace(task, points=replace(task.points, x=task.points.x * 0 + 3.9))
    assert with_score_type(student, task, settings) == with_score_type(student, far, settings)


def test_loss_that_is_not_finite_stops_training(
    task: StudentTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit._Run, "epoch", lambda *_: float("nan"))
    with pytest.raises(TrainingDiverged, match=r"student.learning_rate"):
        train_student(task, StudentSettings(epochs=1), 1, tmp_path)
    assert not (tmp_path / "student.json").exists()


class _Counting:
    def __init__(self) -> None:
        self.totals: list[int] = []
        self.updates: list[int] = []

    def start(self, label: str, total: int) -> None:
        del label
        self.totals.append(total)

    def update(self, done: int, **values: float) -> None:
        assert np.isfinite(list(values.values())).all()
        self.updates.append(done)


@pytest.mark.parametrize(
    ("settings", "changes", "message"),
    [
        ({}, {"encoder": (), "decoder": ()}, "quantize needs a teacher of dense ReLU layers"),
        ({"mode": "distil"}, {"encoder": (), "decoder": ()}, "student.latent: is missing"),
        ({"layers": {"encoder_9": LayerBits()}}, {}, "no layer 'encoder_9'.*encoder_0"),
    ],
)
def test_student_that_does_not_fit_the_teacher(
    task: StudentTask, settings: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        start(replace(task, **changes), StudentSettings(**settings))


def test_distil_needs_a_vector_to_follow(task: StudentTask) -> None:
    blind = replace(task, train=replace(task.train, vector=None))
    with pytest.raises(InputError, match="use 'regress'"):
        start(blind, StudentSettings(mode="distil"))


def test_latent_score_builds_the_encoder_alone(make_task: Callable[..., StudentTask]) -> None:
    from naetrigger.export.student_task import dense_teacher

    base = make_task()
    task = make_task(teacher=dense_teacher(base.encoder, base.decoder, "latent_norm"))
    student = start(task, StudentSettings())
    assert [layer.name for layer in student.layers] == ["encoder_0", "encoder_1"]
    np.testing.assert_allclose(
        float_scores(student, task.train.x), task.train.scores, rtol=1e-4
    )  # float32 weights


def test_large_samples_are_trained_on_the_same_way_each_time() -> None:
    """In a loop of TensorFlow, batches cut from some ten MB gave other losses now and then."""
    rng = np.random.default_rng(4)
    features, latent = 57, 3
    encoder = (
        Dense(rng.normal(size=(features, 24)) / 8, np.zeros(24), True),
        Dense(rng.normal(size=(24, latent)) / 5, np.zeros(latent), False),
    )
    decoder = (
        Dense(rng.normal(size=(latent, 24)), np.zeros(24), True),
        Dense(rng.normal(size=(24, features)) / 5, np.zeros(features), False),
    )
    kind = parse_fixed("fixed<12,4,RND_CONV,SAT>")
    x = kind.quantize(rng.normal(size=(80_000, features)))
    part, few = (x, np.ones(len(x))), (x[:200], np.ones(200))
    points = Points(langevin_share=0, noise_count=100, uniform_share=0)
    columns = tuple(f"x{i}" for i in range(features))
    teacher = dense_teacher(encoder, decoder, "absolute_error")
    task = student_task(teacher, kind, columns, part, few, points, seed=1)
    settings = StudentSettings(epochs=1, batch_size=512, rounding="half_up")
    curves: list[Any] = []
    for _ in range(2):
        curves.append([])
        fit_student(task, settings, 1, Silent(), curves[-1])
    assert curves[0] == curves[1]
