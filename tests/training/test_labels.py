"""Labels become class numbers; whatever is no class is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.training.labels import with_classes
from naetrigger.training.loop import train
from naetrigger.training.settings import RelativeMahalanobisObjective, TrainingSettings

SETTINGS = RelativeMahalanobisObjective(labels="digit", classes=3, steps=2, baseline_steps=2)
X = np.arange(12, dtype=np.float32).reshape(6, 2)
Y = np.array([7.0, 0.0, 2.0, 2.0, 0.0, 7.0])


def test_classes_are_numbered_by_rising_label() -> None:
    train_events, validation = with_classes(SETTINGS, (X, Y), (X[:2], Y[:2]))
    assert np.array_equal(train_events[:, :2], X)
    assert train_events[:, 2].tolist() == [2, 0, 1, 1, 0, 2]
    assert validation[:, 2].tolist() == [2, 0]
    assert train_events.dtype == np.float32


@pytest.mark.parametrize(
    ("labels", "validation", "said"),
    [
        (None, Y, r"needs the class of each event.*column 'digit'.*mahalanobis, which knows no"),
        (Y, None, "the validation events have none"),
        (Y[:5], Y, r"must be 6 finite numbers, got shape \(5,\)"),
        (np.where(Y == 7, np.nan, Y), Y, "with 2 NaN or infinite"),
        (np.where(Y == 7, 0, Y), Y, r"is 3, and .* have 2 different values of 'digit' \(0, 2\)"),
        (Y, np.where(Y == 7, 5, Y), r"validation events holds 5, which no training event has"),
    ],
)
def test_what_is_no_class_is_refused(
    labels: np.ndarray | None, validation: np.ndarray | None, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        with_classes(SETTINGS, (X, labels), (X, validation))


def test_a_class_that_is_hardly_ever_drawn_is_refused(tmp_path: Path) -> None:
    """The mean of a class without events would be at zero, and points there score lowest."""
    x = np.random.default_rng(1).normal(size=(90, 4)).astype(np.float32)
    y = np.arange(90.0) % 3
    settings = TrainingSettings(objective=SETTINGS.model_copy(update={"use_weights": True}))
    for weight, events in ((0.0, "0"), (0.2, "7.14")):
        weights = np.where(y == 1, weight, np.where(y == 2, 1.0, 1.32))
        with pytest.raises(InputError, match=rf"1 have .*drawn events {events} are"):
            train(
                settings,
                x,
                x,
                tmp_path,
                train_weights=weights,
                validation_weights=np.ones(90),
                train_labels=y,
                validation_labels=y,
            )
    with_classes(SETTINGS, (x, y), (x, y), np.full(90, 1 / 90))


def test_the_baseline_sees_no_class(tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(90, 4)).astype(np.float32)
    y = np.arange(90.0) % 3
    settings = TrainingSettings(objective=SETTINGS)
    result = train(settings, x, x, tmp_path, train_labels=y, validation_labels=y)
    assert result.baseline is not None
    assert result.baseline.model.n_inputs == result.teacher.model.n_inputs == 4
    with pytest.raises(InputError, match="needs the class"):
        train(settings, x, x, tmp_path)
