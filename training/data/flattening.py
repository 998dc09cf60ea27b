"""Weights that make the training background flat in one column, say jet pT.

A model learns best where its background is, and spectra fall steeply. Drawn with weights 1/density,
training sees hard jets as often as soft ones, and its score depends less on pT. The density is a
histogram between `low` and `high`, interpolated; beyond them weights stay as at the edge, so the
tails fall as the data do. Nothing of it looks at a signal. `low` and `high` are physical also where
a column holds hardware integers of a known scale: 300 is 300 GeV, not 300 steps.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events
from naetrigger.contracts.settings import Settings
from naetrigger.firmware_configs.scale import Scale

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]

FEWEST = 5  # events in a bin, for its density to mean something
ROUNDS = 60  # of capping; each takes the excess of fewer events


class Flatten(Settings):
    """The column in which training events are made flat, and between what values."""

    column: str
    """A column of the source, input or not."""

    low: float = Field(allow_inf_nan=False)
    """Flat from here, in the column's physical unit; below, events weigh as at this value."""

    high: float = Field(allow_inf_nan=False)
    """Flat up to here, in the column's physical unit; above, events weigh as at this value."""

    bins: int = Field(40, ge=2, le=1000)
    """Of equal width, in which the density is counted."""

    cap: float = Field(20.0, ge=1, allow_inf_nan=False)
    """No event weighs more than this many times the mean."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, got {self.low:g} and {self.high:g}")
        return self


def flattened(events: Events, settings: Flatten, scale: Scale | None = None) -> Events:
    """The events with weights of mean 1 in which the column's spectrum is flat.

    scale : of a column that holds hardware integers; None: it holds what `low` and `high` are

    Their own weights count in the density and stay as factors, so that in every other respect
    they are what they were. Raises InputError where the column is missing, not finite, or has
    no events between low and high.
    """
    values = np.asarray(events.column(settings.column), np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise InputError(
            f"data.flatten: {events.process}: column '{settings.column}' holds {len(bad)} NaN or "
            f"infinite values, the first in row {bad[0]}; remove these rows"
        )
    if scale is not None:
        values = scale.physical(values)
    density, centres = _density(values, events.weights, settings)
    weights = _capped(events.weights / np.interp(values, centres, density), settings.cap)
    log.info(
        "data.flatten: %d events of %s, flat in %s, are worth %.0f",
        len(events),
        events.process,
        settings.column,
        weights.sum() ** 2 / np.square(weights).sum(),
    )
    return replace(events, weights=weights)


def _density(values: Floats, weights: Floats, settings: Flatten) -> tuple[Floats, Floats]:
    """Sum of weights in the bins that have enough events, and the centres of those bins."""
    edges = np.linspace(settings.low, settings.high, settings.bins + 1)
    counts, _ = np.histogram(values, edges)
    sums, _ = np.histogram(values, edges, weights=weights)
    enough = (counts >= FEWEST) & (sums > 0)
    if not enough.any():
        raise InputError(
            f"data.flatten: no bin of {settings.column} between {settings.low:g} and "
            f"{settings.high:g} holds {FEWEST} events; it goes from {values.min():.4g} to "
            f"{values.max():.4g}"
        )
    centres = (edges[:-1] + edges[1:]) / 2
    return sums[enough].astype(np.float64), centres[enough]


def _capped(weights: Floats, cap: float) -> Floats:
    """Weights of mean 1, none above `cap`; what is cut off is shared by all others alike."""
    weights = weights / weights.mean()
    for _ in range(ROUNDS):
        if weights.max() <= cap * (1 + 1e-9):
            break
        weights = np.minimum(weights, cap)
        weights /= weights.mean()
    return np.minimum(weights, cap)
