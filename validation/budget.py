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


def budget_checks(estimates: Sequence[FirmwareEstimate], board: Board) -> list[Check]:
    """One check for each figure of each estimate that the board bounds."""
    return [
        _check(estimate, line)
        for line in board_summary(board).budget
        for estimate in estimates
        if getattr(estimate, line.quantity) is not None
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
        name=f"budget {line.quantity} of {estimate.target} ({estimate.source})",
        passed=value <= line.value,
        value=value,
        limit=line.value,
        unit=line.unit,
    )
