"""Estimates within and beyond a board's budget."""

from __future__ import annotations

import pytest

from naetrigger.firmware_configs.board import board_names, load_board
from naetrigger.validation.budget import UNITS, board_summary, budget_checks, unmeasured
from naetrigger.validation.report.schema import FirmwareEstimate


@pytest.mark.parametrize("name", board_names())
def test_every_board_bounds_what_an_estimate_can_break(name):
    board = load_board(name)
    for line in board_summary(board).budget:
        at = FirmwareEstimate(target="rtl", source="yosys", **{line.quantity: int(line.value)})
        above = at.model_copy(update={line.quantity: int(line.value) + 1})
        assert [check.passed for check in budget_checks([at, above], board)] == [True, False]


def test_a_failed_check_says_what_and_whose():
    board = load_board("vu13p-5ns")
    estimate = FirmwareEstimate(target="rtl", source="vendor", lut=10_000_000)
    (check,) = budget_checks([estimate], board)
    assert not check.passed
    assert check.name == "budget lut of rtl (vendor)"
    assert check.unit == "LUT"


def test_each_step_of_a_vendors_tool_has_checks_of_its_own():
    board = load_board("vu13p-5ns")
    figures = {"target": "hls Vitis", "source": "vendor", "lut": 10}
    steps = [FirmwareEstimate(**figures, step=step) for step in ("C synthesis", "implementation")]
    assert [check.name for check in budget_checks(steps, board)] == [
        "budget lut of hls Vitis (vendor, C synthesis)",
        "budget lut of hls Vitis (vendor, implementation)",
    ]


def test_unstated_quantities_are_named():
    board = load_board("vu13p-5ns")
    estimate = FirmwareEstimate(target="rtl", source="estimate", lut=1, latency_ns=1.0)
    assert set(unmeasured([estimate], board)) == set(UNITS) - {"lut", "latency_ns"}
    assert set(unmeasured([], board)) == set(UNITS)


def test_a_failed_check_says_by_how_much_and_what_would_help():
    board = load_board("virtex7-690t")
    estimate = FirmwareEstimate(target="rtl", source="yosys", lut=25_000, dsp=0)
    lut, dsp = budget_checks([estimate], board)
    assert lut.advice.startswith("3340 LUT (15%) too much; narrow student.weight_bits")
    assert dsp.passed
    assert dsp.advice == ""


@pytest.mark.parametrize(("levels", "passed"), [(8, True), (9, False)])
def test_lut_levels_are_held_against_the_clock(levels, passed):
    board = load_board("virtex7-690t")  # 4.167 ns, 0.5 ns a level
    estimate = FirmwareEstimate(
        target="rtl", source="yosys", lut_levels=levels, lut_level_ns=board.lut_level_ns.value
    )
    (check,) = budget_checks([estimate], board)
    assert check.passed == passed
    assert check.value == levels * 0.5
    assert check.name == "logic depth of rtl (yosys)"  # the same for any number of levels
    assert (f"{levels} LUT levels of 0.5 ns: " in check.advice) != passed
    assert ("lower the board's latency_cutoff" in check.advice) != passed


def test_what_another_device_needs_is_not_held_against_this_board():
    board = load_board("virtex7-690t")
    assert budget_checks([FirmwareEstimate(target="rtl", source="nextpnr", lut=10**6)], board) == []
