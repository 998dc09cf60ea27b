"""Parts of report.json: models at background efficiencies where a trigger works."""

from __future__ import annotations

from typing import Literal

from naetrigger.validation.report.entry import Entry


class BackgroundRejection(Entry):
    """1 / background efficiency at the largest threshold that keeps a part of the signal."""

    target: float
    """The wanted signal efficiency."""
    signal_efficiency: float
    """The measured one: at or above the target, since a threshold never splits equal scores."""
    background_efficiency: float
    rejection: float | None
    """None where no background event is left: it is above `low`."""
    low: float
    high: float | None
    """68.3% interval of the background efficiency, inverted."""
    reliable: bool
    """Enough background events are left."""


class LowRate(Entry):
    """One model on one signal at background efficiencies where a trigger works."""

    signal: str
    model: str
    up_to: float
    """The background efficiency below which `mean_efficiency` is taken."""
    mean_efficiency: float
    """Mean signal efficiency over background efficiencies from 0 to `up_to`; chance: up_to / 2."""
    error: float | None
    """Standard deviation of bootstrap resamples of whole events."""
    rejections: tuple[BackgroundRejection, ...] = ()
    significance_improvement: float | None = None
    """Largest signal efficiency / sqrt(background efficiency) of any threshold above which enough
    background events lie. Choosing the threshold looked at the signal."""
    significance_error: float | None = None
    """Bootstrap error at that threshold, held still."""
    significance_at: float | None = None
    """Background efficiency at that threshold."""


class Independence(Entry):
    """One model over all signals: how little it depends on what is looked for."""

    model: str
    measure: Literal["auc", "mean_efficiency"]
    chance: float
    """What a coin has in this measure."""
    mean: float
    error: float | None
    """Of the mean; signals share the resamples of the background."""
    worst: float
    worst_error: float | None
    worst_signal: str
    above: int
    below: int
    """Signals above and below chance by more than two errors."""
    signals: int
