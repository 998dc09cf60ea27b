"""Thresholds of the firmware's decision from the training background."""

from __future__ import annotations

import json
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events, write_events
from naetrigger.contracts.progress import Silent
from naetrigger.export.settings import DecisionSettings
from naetrigger.pipeline.decision import decided, read_decision, write_decision
from naetrigger.pipeline.recipe import Recipe
from naetrigger.pipeline.stages import EXPORT, STUDENT, TRAINING
from naetrigger.pipeline.work import Work
from naetrigger.training.data.prepare import prepare
from naetrigger.training.data.settings import DataSettings
from naetrigger.training.data.training_weights import TRAINING_WEIGHTS
from naetrigger.validation.efficiency import efficiency, scored
from tests.pipeline.small_run import crossings, network


@pytest.fixture(scope="module")
def background() -> Events:
    events = crossings(4000)
    return replace(events, weights=np.ones(len(events.weights)))


def test_a_working_point_keeps_at_most_its_share_of_the_background(background: Events) -> None:
    scores = np.random.default_rng(1).permutation(4000) * 2
    deciding, document = decided(
        network(),
        DecisionSettings(working_points=(0.1, 0.01), thresholds=(17,)),
        background,
        scores,
    )
    assert deciding.thresholds == (7199, 7919, 17)
    assert [np.sum(scores >= t) for t in deciding.thresholds[:2]] == [400, 40]
    assert [point["bit"] for point in document["bits"]] == [0, 1, 2]
    assert document["bits"][1]["training_background_efficiency"] == pytest.approx(0.01)
    assert document["bits"][1]["training_low"] < 0.01 < document["bits"][1]["training_high"]
    assert document["bits"][2]["threshold"] == 17 * 0.25


def test_thresholds_are_set_on_the_data_also_where_training_sees_a_flat_spectrum(
    tmp_path: Path,
) -> None:
    """A score that is ht would fire on half as many events, were its threshold of flat ht."""
    events = crossings(12_000)
    write_events(tmp_path / "events.h5", [replace(events, weights=np.ones(len(events)))])
    flat = {"column": "ht", "low": 200, "high": 400, "bins": 10}
    data = {"source": str(tmp_path / "events.h5"), "input_spec": "l1-57-pt", "flatten": flat}
    (tmp_path / "data").mkdir()
    prepare(DataSettings.model_validate(data), tmp_path / "data")
    work = Work(Recipe.model_validate({"name": "small"}), tmp_path, tmp_path, Silent())
    settings = DecisionSettings(working_points=(0.1,))
    (train,), (test,) = work.events("train"), work.events("test")
    deciding, _ = decided(network(), settings, train, train.column("ht").astype(int))
    fired = efficiency(scored(test.column("ht")), deciding.thresholds[0])
    assert fired.value == pytest.approx(0.1, abs=3 * fired.error)
    drawn = work.training_events("train")
    wrong, _ = decided(network(), settings, drawn, drawn.column("ht").astype(int))
    assert efficiency(scored(test.column("ht")), wrong.thresholds[0]).value < 0.05


def test_the_export_does_not_read_the_weights_of_training() -> None:
    path = f"data/{TRAINING_WEIGHTS}"
    assert path in TRAINING.reads
    assert path in STUDENT.reads
    assert not any(fnmatch(path, pattern) for pattern in EXPORT.reads)


def test_a_saturated_working_point_has_no_bit_and_says_why(
    background: Events, caplog: pytest.LogCaptureFixture
) -> None:
    top = network().score_type.max_mantissa
    scores = np.where(np.arange(4000) < 100, top, np.arange(4000))
    deciding, document = decided(network(), DecisionSettings(), background, scores)
    assert deciding.decision is None
    assert "the score saturates" in document["without_bit"][0]["note"]
    assert "no bit for working point 0.01" in caplog.text


def test_the_default_is_one_bit_unless_thresholds_are_given(background: Events) -> None:
    assert DecisionSettings().efficiencies == (0.01,)
    assert DecisionSettings(thresholds=(4,)).efficiencies == ()
    nothing, _ = decided(
        network(), DecisionSettings(working_points=()), background, np.arange(4000)
    )
    assert nothing.decision is None


def test_a_threshold_beyond_the_score_is_refused(background: Events) -> None:
    with pytest.raises(InputError, match="threshold 65536: scores are 0 to 65535"):
        decided(network(), DecisionSettings(thresholds=(65536,)), background, np.arange(4000))


def test_the_document_is_read_back(background: Events, tmp_path: Path) -> None:
    _, document = decided(network(), DecisionSettings(), background, np.arange(4000))
    write_decision(document, tmp_path)
    assert read_decision(tmp_path) == document
    assert read_decision(tmp_path / "elsewhere") is None
    (tmp_path / "decision.json").write_text(json.dumps(document | {"version": 9}))
    with pytest.raises(InputError, match="expected naetrigger-decision version 1"):
        read_decision(tmp_path)
