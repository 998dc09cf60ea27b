"""The short form of the random networks: a few in every engine, and what must be found out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

import random_networks
from naetrigger.contracts.fixed_point import Rounding
from naetrigger.export.rtl import RtlModel, unsupported, write_rtl
from naetrigger.export.rtl_logic import traced_logic
from naetrigger.firmware_configs.board import load_board
from network_batch import HlsBatch, settings_of
from network_generator import RTL_MODES, random_network
from tests.export.targets.layer_networks import LAYER_NETWORKS, cut_network


def test_two_networks_agree_in_every_engine(tmp_path: Path) -> None:
    """Number 0 has modes that RTL refuses by name, and HLS takes."""
    numbers = (0, 1)
    networks = {f"net_{n}": random_networks.network_of(n) for n in numbers}
    verdicts = random_networks.check(networks, tmp_path, 600)
    assert not any(verdict.bad for verdict in verdicts)
    assert [set(v.wrong) for v in verdicts] == [{"hls"}, {"hls", "rtl", "rtlsim"}]
    assert "has no RTL here" in verdicts[0].refused
    assert sum(v.tied for v in verdicts) > 50
    assert "| rtlsim | 1 | 600 | 0 |" in random_networks.summary(verdicts, 1.0)


def test_images_and_further_layers_agree_in_hls(tmp_path: Path) -> None:
    """Their RTL is compared in tests/export/targets, edge by edge where it is short."""
    networks = LAYER_NETWORKS | {"cut": cut_network}
    built = {name: build() for name, build in networks.items()}
    batch = HlsBatch(built, tmp_path)
    for name, network in built.items():
        words = random_networks.words_of(network, 600)
        np.testing.assert_array_equal(batch.scores(name, words), network.scores(words), name)


@settings(max_examples=6, deadline=None)
@given(st.integers(1000, 10**6))
@example(1186)  # a sum of seven signed one-bit values
def test_the_emulator_of_the_rtl_agrees(number: int) -> None:
    network = random_network(number, RTL_MODES, layers=2)
    words = random_networks.words_of(network, 400)
    with TemporaryDirectory() as folder:
        board = load_board("vu13p-5ns")
        write_rtl(network, Path(folder) / "rtl", board, settings_of("net", "multiplier"))
        scores = RtlModel(Path(folder) / "rtl").scores(words)
    np.testing.assert_array_equal(scores, network.scores(words))


def test_a_choice_by_a_difference_that_is_never_negative_keeps_its_meaning() -> None:
    """Networks in which alkaid's second trace finds such a difference; in one it is a constant."""
    for number in (295, 298, 377):
        network = random_networks.network_of(number)
        words = random_networks.words_of(network, 600)
        logic = traced_logic(network, "multiplier")
        scores = logic.predict(network.input.type.real(words))[:, 0]
        np.testing.assert_array_equal(scores, network.score_type.real(network.scores(words)))


def test_networks_are_made_from_their_numbers_alone() -> None:
    for number in (3, 10):
        a, b = (random_networks.network_of(number) for _ in range(2))
        words = random_networks.words_of(a, 100)
        np.testing.assert_array_equal(a.scores(words), b.scores(words))
    assert unsupported(random_networks.network_of(10))
    assert not unsupported(random_networks.network_of(3))


def test_an_engine_that_rounds_otherwise_is_found_out(tmp_path: Path, monkeypatch: Any) -> None:
    """The verdict compares with a network whose roundings are all cut off: it must differ."""
    network = random_networks.network_of(1)
    words = random_networks.words_of(network, 600)
    cut = replace(
        network,
        nodes=tuple(
            replace(node, type=replace(node.type, rounding=Rounding.TRN)) for node in network.nodes
        ),
    )
    verdict = random_networks._verdict("net_1", network, words, {"hls": cut.scores(words)}, "", "")
    assert verdict.bad
    assert verdict.first["hls"] >= 0


def test_a_finished_batch_is_not_made_again(tmp_path: Path, monkeypatch: Any) -> None:
    made = []

    def check(networks: Any, folder: Path, events: int) -> list[Any]:
        made.extend(networks)
        return [
            random_networks._verdict(name, n, w, {"hls": n.scores(w)}, "", "")
            for name, n in networks.items()
            for w in [random_networks.words_of(n, events)]
        ]

    monkeypatch.setattr(random_networks, "check", check)
    for networks in (2, 4):
        verdicts = random_networks.run(tmp_path, networks, 2, 100)
    assert made == ["net_0", "net_1", "net_2", "net_3"]
    assert [v.number for v in verdicts] == [0, 1, 2, 3]
