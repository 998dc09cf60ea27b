"""The further layers in RTL: alkaid's emulator against the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Overflow, Rounding
from naetrigger.contracts.network import FixedPointNetwork, Node
from naetrigger.export.rtl import RtlModel, write_rtl
from naetrigger.export.settings import FirmwareSettings
from naetrigger.firmware_configs.board import Board
from tests.export.targets.layer_networks import LAYER_NETWORKS, Layers, cut_network
from tests.export.targets.projects import vectors_of

VERILOG = FirmwareSettings(square="lookup", languages=("verilog",))


@pytest.mark.parametrize("name", [*LAYER_NETWORKS, "cut"])
def test_scores_equal_the_network(name: str, tmp_path: Path, board: Board) -> None:
    network = (LAYER_NETWORKS | {"cut": cut_network})[name]()
    write_rtl(network, tmp_path / "rtl", board, VERILOG)
    words = vectors_of(network, 1500)
    np.testing.assert_array_equal(RtlModel(tmp_path / "rtl").scores(words), network.scores(words))


def test_a_constant_is_squared_by_lookup(tmp_path: Path, board: Board) -> None:
    """Behind weights that are all zero a unit is its bias, 5/4, and its square 25/16 rounded."""
    kind = Fixed(True, 5, 3)
    dense = Node(
        "d",
        "dense",
        ("x",),
        2,
        Fixed(True, 12, 8),
        weights=np.array([[0, 1]]),
        weight_type=Fixed(True, 2, 2),
        bias=np.array([5, 0]),
        bias_type=kind,
    )
    square = Node("q", "square", ("d",), 2, Fixed(False, 6, 4, Rounding.RND_CONV, Overflow.SAT))
    total = Node("s", "sum", ("q",), 1, Fixed(False, 9, 7))
    x = Node("x", "input", (), 1, Fixed(True, 4, 3))
    network = FixedPointNetwork((x, dense, square, total), "s", 1.0)
    write_rtl(network, tmp_path / "rtl", board, VERILOG)
    words = np.arange(-8, 8)[:, None]
    np.testing.assert_array_equal(RtlModel(tmp_path / "rtl").scores(words), network.scores(words))


def test_a_table_too_large_is_refused_by_name(tmp_path: Path, board: Board) -> None:
    layers = Layers(0, (2,), Fixed(True, 13, 4))
    layers.table()
    with pytest.raises(InputError, match=r"table_1: a table of 2\^13 entries has no RTL"):
        write_rtl(layers.network(), tmp_path / "rtl", board, VERILOG)
    assert not list(tmp_path.iterdir())
