"""Pipelines cut by LUT levels: no stage too deep, no stage too many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from naetrigger.export.rtl import RtlModel, write_rtl
from naetrigger.export.rtl_pipeline import pipelined, stage_levels
from naetrigger.export.settings import FirmwareSettings, Square
from naetrigger.firmware_configs.board import load_board
from tests.export.targets.networks import random_network
from tests.export.targets.projects import vectors_of

BOARD = load_board("virtex7-690t")


def logic_of(folder: Path, kind: str, square: Square) -> object:
    from alkaid.types import CombLogic

    settings = FirmwareSettings(languages=("verilog",), square=square)
    network = random_network(0, features=3, hidden=3, kind=kind)
    write_rtl(network, folder, BOARD, settings)
    words = vectors_of(network, 1000)
    np.testing.assert_array_equal(RtlModel(folder).scores(words), network.scores(words))
    return CombLogic.load(folder / "logic.json")


@pytest.mark.parametrize("levels", [4.0, 8.0, 1000.0])
@pytest.mark.parametrize(
    ("kind", "square"), [("abs", "auto"), ("square", "lookup"), ("square", "multiplier")]
)
def test_no_stage_is_deeper_than_asked(
    kind: str, square: Square, levels: float, tmp_path: Path
) -> None:
    machine = pipelined(logic_of(tmp_path / "rtl", kind, square), levels)
    depths = stage_levels(machine)
    assert max(depths) <= max(levels, 4.0)
    assert sum(depths) / levels <= len(depths)
    assert (len(depths) == 1) == (levels == 1000.0)


def test_more_levels_a_stage_are_fewer_stages(tmp_path: Path) -> None:
    logic = logic_of(tmp_path / "rtl", "abs", "auto")
    counts = [len(stage_levels(pipelined(logic, levels))) for levels in (3.0, 5.0, 8.0, 13.0)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


def test_a_project_states_what_its_board_counts(tmp_path: Path) -> None:
    from naetrigger.export.rtl import read_record

    logic_of(tmp_path / "rtl", "abs", "auto")
    record = read_record(tmp_path / "rtl")
    assert record["latency_cutoff"] == BOARD.latency_cutoff
    assert record["stage_delay"] == "lut_levels"
