"""Firmware estimates held against a board's budget."""

from __future__ import annotations

from collections.abc import Sequence

from naetrigger.firmware_configs.board import Board
from naetrigger.validation.report.schema import BoardSummary, BudgetLine, Check, FirmwareEstimate

UNITS = {
    "latency_ns": "ns",
    "initiation_interval": "cycles",
    "lut": "LUT",
    "ff": "FF",
    "dsp": "DSP",
    "bram": "BRAM36",
}


ADVICE = {
    "latency_ns": "raise the board's latency_cutoff if its clock allows, narrow student.weight_bits"
    " and activation_bits, take fewer or smaller layers, or score by absolute_error, which has no"
    " multipliers",
    "initiation_interval": "lower firmware.reuse_factor, or take firmware.hls_io io_parallel",
    "lut": "narrow student.weight_bits and activation_bits, take smaller student.hidden layers, or"
    " score by absolute_error, which has no multipliers",
    "ff": "raise the board's latency_cutoff if its clock allows (fewer stages), or narrow the"
    " student's bits",
    "dsp": "firmware.square: lookup, or firmware.hls_strategy: distributed_arithmetic",
    "bram": "narrow what is squared, or firmware.square: multiplier",
    "depth": "lower the board's latency_cutoff (more stages), or take a slower clock",
}
"""What helps where a quantity is too large."""


def budget_checks(estimates: Sequence[FirmwareEstimate], board: Board) -> list[Check]:
    """One check for each figure of each estimate that the board bounds, and one of its depth.

    A design that was placed on another device (nextpnr) is not held against this board's budget.
    """
    held = [estimate for estimate in estimates if estimate.source != "nextpnr"]
    return [
        *(
            _check(estimate, line)
            for line in board_summary(board).budget
            for estimate in held
            if getattr(estimate, line.quantity) is not None
        ),
        *(
            _depth_check(estimate, estimate.lut_levels, estimate.lut_level_ns, board)
            for estimate in held
            if estimate.lut_levels is not None and estimate.lut_level_ns is not None
        ),
    ]


def unmeasured(estimates: Sequence[FirmwareEstimate], board: Board) -> list[str]:
    """Quantities that the board bounds and no estimate states."""
    return [
        line.quantity
        for line in board_summary(board).budget
        if all(getattr(estimate, line.quantity) is None for estimate in estimates)
    ]


def board_summary(board: Board) -> BoardSummary:
    """The board as the report shows it: only the bounds that are set."""
    limits = {name: getattr(board.budget, name) for name in UNITS}
    return BoardSummary(
        name=board.name,
        part=board.part,
        clock_ns=board.clock_ns,
        budget=tuple(
            BudgetLine(quantity=name, value=limit.value, unit=UNITS[name], source=limit.source)
            for name, limit in limits.items()
            if limit is not None
        ),
    )


def _check(estimate: FirmwareEstimate, line: BudgetLine) -> Check:
    value = float(getattr(estimate, line.quantity))
    return Check(
        name=f"budget {line.quantity} of {estimate.target} ({estimate.origin})",
        passed=value <= line.value,
        value=value,
        limit=line.value,
        unit=line.unit,
        advice=_advice(line.quantity, value, line.value, line.unit),
    )


def _depth_check(estimate: FirmwareEstimate, levels: int, level_ns: float, board: Board) -> Check:
    """LUT levels times the delay of one, against the clock period; no timing closure."""
    delay = levels * level_ns
    advice = _advice("depth", delay, board.clock_ns, "ns")
    return Check(
        name=f"logic depth of {estimate.target} ({estimate.origin})",
        passed=delay <= board.clock_ns,
        value=delay,
        limit=board.clock_ns,
        unit="ns",
        advice=advice and f"{levels} LUT levels of {level_ns:g} ns: {advice}",
    )


def _advice(quantity: str, value: float, limit: float, unit: str) -> str:
    """By how much a value is above its limit and what would help; empty where it is not."""
    if value <= limit:
        return ""
    share = f" ({(value - limit) / limit:.0%})" if limit else ""
    return f"{value - limit:g} {unit}{share} too much; {ADVICE[quantity]}"
