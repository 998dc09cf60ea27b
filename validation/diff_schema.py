"""The models of `naetrigger diff --json`, version 1. docs/diff.md explains them."""

from __future__ import annotations

from typing import Any, Literal

from naetrigger.validation.report.entry import Entry


class Setting(Entry):
    """A key of the recipe, a package, or another value that is not the same in both runs."""

    key: str
    a: Any = None
    """None where that run has none."""
    b: Any = None


class StageChange(Entry):
    """A stage of either run."""

    stage: str
    files_changed: int
    """Files of one name and other bytes."""
    only_a: int
    only_b: int
    missing: Literal["", "a", "b"] = ""
    """Where it is not finished."""


class CheckChange(Entry):
    """A check that is judged otherwise, or whose value is another."""

    name: str
    change: Literal["fails now", "passes now", "gone", "new", "value"]
    a: float | None = None
    b: float | None = None
    passed_a: bool | None = None
    passed_b: bool | None = None
    limit_a: float | None = None
    limit_b: float | None = None
    unit: str = ""


class AucChange(Entry):
    """One model on one signal."""

    signal: str
    model: str
    engine: str
    a: float | None
    """None where that run does not have it."""
    error_a: float | None
    b: float | None
    error_b: float | None
    difference: float | None
    """b - a; None where one run alone has it."""
    error: float | None
    paired: bool
    """Of resamples that both runs share, as they have the same test events; else in quadrature."""

    @property
    def sigma(self) -> float | None:
        """The difference in standard deviations."""
        return None if self.difference is None or not self.error else self.difference / self.error


class SignalChange(Entry):
    """How much of a signal a threshold keeps."""

    signal: str
    a: float | None
    """None where that run does not have it."""
    interval_a: tuple[float, float] | None
    """68%."""
    b: float | None
    interval_b: tuple[float, float] | None


class ThresholdChange(Entry):
    """A threshold and what it keeps."""

    point: str
    """'student, background 0.01', 'decision bit 0', '1 kHz'."""
    threshold_a: float | None
    threshold_b: float | None
    kept_a: float | None
    """Background efficiency, or kHz of rates."""
    interval_a: tuple[float, float] | None
    kept_b: float | None
    interval_b: tuple[float, float] | None
    signals: tuple[SignalChange, ...] = ()
    """Signal efficiencies that differ."""


class FigureChange(Entry):
    """A figure of the firmware: latency, LUTs and the like."""

    target: str
    source: str
    quantity: str
    a: float | None
    b: float | None
    tool_a: str = ""
    tool_b: str = ""


class DiffReport(Entry):
    """What changed from one run to another."""

    format: Literal["naetrigger-diff"] = "naetrigger-diff"
    version: Literal[1] = 1
    a: str
    b: str
    same: bool
    """Nothing at all differs but notes."""
    worse: tuple[str, ...]
    """Checks that run A passes and run B does not; with any, the exit status is 1."""
    recipe: tuple[Setting, ...] = ()
    packages: tuple[Setting, ...] = ()
    about: tuple[Setting, ...] = ()
    """Score, its format and scale, board, seed, program."""
    stages: tuple[StageChange, ...] = ()
    checks: tuple[CheckChange, ...] = ()
    auc: tuple[AucChange, ...] = ()
    thresholds: tuple[ThresholdChange, ...] = ()
    firmware: tuple[FigureChange, ...] = ()
    notes: tuple[str, ...] = ()
