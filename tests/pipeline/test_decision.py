"""Thresholds of the firmware's decision from the training background."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events
from naetrigger.export.settings import DecisionSettings
from naetrigger.pipeline.decision import decided, read_decision, write_decision
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
    assert document["bits"][2]["threshold"] == 17 * 0.25


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
