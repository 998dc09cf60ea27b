"""The decision: bits of a network, its thresholds' ties, and its files of both versions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naetrigger.contracts.decision import decision_words, with_decision, without_decision
from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Overflow, Rounding
from naetrigger.contracts.network import FixedPointNetwork, Node
from naetrigger.contracts.network_file import load_network, save_network


def passing(kind: Fixed) -> FixedPointNetwork:
    """One input that is the score."""
    return FixedPointNetwork(
        (Node("x", "input", (), 1, kind), Node("score", "cast", ("x",), 1, kind)), "score", 0.5
    )


BYTE = Fixed(True, 8, 5, Rounding.RND_CONV, Overflow.SAT)


@given(st.lists(st.integers(-127, 127), min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_a_bit_fires_from_its_threshold_on(thresholds: list[int]) -> None:
    network = with_decision(passing(BYTE), thresholds)
    scores = np.arange(-128, 128)
    expected = [[int(score >= threshold) for threshold in thresholds] for score in scores]
    inputs = scores[:, None]
    assert network.decisions(inputs).tolist() == expected
    assert network.trace(inputs)["decision"].tolist() == expected
    assert network.scores(inputs).tolist() == scores.tolist()
    assert network.thresholds == tuple(thresholds)


def test_bounds_of_the_decision_are_bits() -> None:
    bounds = with_decision(passing(BYTE), [-3, 5]).bounds()["decision"]
    assert (bounds.low, bounds.high, bounds.may_saturate) == ((0, 0), (1, 1), False)


def test_a_bit_that_no_score_can_reach_is_proved_constant() -> None:
    nodes = passing(BYTE).nodes
    magnitude = Node("magnitude", "abs", ("score",), 1, Fixed(False, 9, 6))
    network = FixedPointNetwork((*nodes, magnitude), "magnitude", 1.0)
    assert with_decision(network, [129, 1]).bounds()["decision"].high == (0, 1)


@pytest.mark.parametrize("thresholds", [[-128], [128], [3, 1000], [1] * 33])
def test_thresholds_that_decide_nothing_are_refused(thresholds: list[int]) -> None:
    with pytest.raises(InputError, match="threshold"):
        with_decision(passing(BYTE), thresholds)


def test_another_decision_takes_the_place_of_the_first() -> None:
    network = with_decision(with_decision(passing(BYTE), [1, 2]), [3])
    assert network.thresholds == (3,)
    assert without_decision(network) == passing(BYTE)
    assert with_decision(network, []).decision is None


def test_words_hold_threshold_k_in_bit_k() -> None:
    assert decision_words(np.array([[1, 0, 1], [0, 1, 0]])).tolist() == [5, 2]


def test_files_keep_the_decision(tmp_path: Path) -> None:
    network = with_decision(passing(BYTE), [7, -3])
    save_network(network, tmp_path)
    again = load_network(tmp_path)
    assert (again.decision, again.thresholds) == ("decision", (7, -3))


def test_a_network_of_version_1_is_read(tmp_path: Path) -> None:
    save_network(passing(BYTE), tmp_path)
    path = tmp_path / "network.json"
    document = json.loads(path.read_text())
    del document["decision"]
    path.write_text(json.dumps(document | {"version": 1}))
    assert load_network(tmp_path).decision is None


@pytest.mark.parametrize("changes", [{"decision": "x"}, {"decision": "nowhere"}])
def test_a_decision_that_compares_nothing_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(InputError, match="must be a node 'above' of the output"):
        replace(passing(BYTE), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": Fixed(False, 2, 2)}, "gives bits"),
        ({"weight_type": Fixed(True, 8, 8)}, "fraction bits of its input"),
        ({"weights": np.array([1, 2])}, "must have shape"),
    ],
)
def test_an_ill_formed_comparison_is_refused(change: dict[str, object], message: str) -> None:
    network = with_decision(passing(BYTE), [1])
    node = replace(network["decision"], **change)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        replace(network, nodes=(*network.nodes[:-1], node))
