"""Every shipped board states its numbers and where they come from."""

import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.firmware_configs.board import Board, board_names, load_board


@pytest.mark.parametrize("name", board_names())
def test_a_shipped_board_is_complete(name):
    board = load_board(name)
    assert board.name == name
    limits = [getattr(board.budget, field) for field in type(board.budget).model_fields]
    assert all(limit is not None and limit.source for limit in limits)
    assert board.lut_level_ns.source
    # an algorithm that takes every crossing has at most the clocks of one crossing
    assert board.budget.initiation_interval.value == int(board.crossing_ns / board.clock_ns + 0.01)


def test_the_global_trigger_board_is_the_published_one():
    board = load_board("virtex7-690t")
    assert round(1000 / board.clock_ns) == 240  # MHz
    assert board.budget.latency_ns.value == 2 * board.crossing_ns
    assert board.budget.dsp.value == 0


def test_an_unknown_board_is_refused_with_the_near_name():
    with pytest.raises(InputError, match="did you mean 'vu13p-5ns'"):
        load_board("vu13p-5n")


def test_all_problems_of_a_board_file_come_at_once(tmp_path):
    path = tmp_path / "board.yaml"
    text = load_board("pynq-z2").model_dump(mode="json")
    del text["part"]
    text |= {"clock_ns": -1.0, "colour": "green"}
    path.write_text(
        "\n".join(f"{key}: {value!r}" for key, value in text.items() if key != "budget")
        + "\nbudget: {}\n"
    )
    with pytest.raises(InputError) as error:
        load_board(str(path))
    lines = str(error.value).splitlines()
    assert len(lines) == 3
    assert any("part: is missing" in line for line in lines)
    assert any("clock_ns: must be > 0, got -1.0" in line for line in lines)
    assert any("colour: unknown key" in line for line in lines)
    assert all(str(path) in line for line in lines)


def test_a_board_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        load_board("pynq-z2").clock_ns = 1.0
    assert Board.model_config["extra"] == "forbid"
