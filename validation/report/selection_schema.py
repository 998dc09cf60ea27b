"""Parts of report.json: what is selected, and where efficiencies turn on."""

from __future__ import annotations

from naetrigger.validation.report.entry import Entry


class ShapeShift(Entry):
    """One column of the background before and after a selection."""

    column: str
    divergence: float
    """Jensen-Shannon, in bits, between the selected background and all of it."""
    random: float
    """The same for as many rows drawn at random: what chance alone gives."""
    random_deviation: float
    correlation: float | None
    """Weighted rank correlation of score and column on all background; None for a constant."""


class Selection(Entry):
    """What the background that fires at a working point looks like."""

    model: str
    target: float
    rows: int
    effective: float
    shifts: tuple[ShapeShift, ...] = ()


class AnomalousEvent(Entry):
    """A row of the test background with one of the largest scores."""

    process: str
    row: int
    """Of the process' test events, from 0."""
    event_id: int
    weight: float
    score: int | float
    """In hardware integers of the student; the teacher's float where there is no student."""
    values: dict[str, float | None]
    """Inputs and context; null where it is NaN or infinite."""


class TurnOnBin(Entry):
    """Efficiency of the rows with lower <= column < upper (the last bin: <= upper)."""

    lower: float
    upper: float
    rows: int
    efficiency: float
    low: float
    high: float
    """68.3% Clopper-Pearson interval; effective counts where events are weighted."""


class TurnOn(Entry):
    """Efficiency of one process at one working point in bins of a column; empty bins left out."""

    column: str
    process: str
    model: str
    target: float
    bins: tuple[TurnOnBin, ...]
