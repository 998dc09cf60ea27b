"""What a score does where a trigger works: at low background efficiencies.

    mean_efficiency(curve, up_to)   the ROC curve's area below a background efficiency, over it
    rejection(b, s, target)         1 / background efficiency where the signal keeps `target`
    significance_improvement(...)   the largest signal efficiency / sqrt(background efficiency)

The area under the whole curve judges rates at which no trigger runs. These three are what
Finke et al. (arXiv:2104.09051) and the LHC Olympics (arXiv:2101.08320) compare detectors by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.validation.efficiency import Efficiency, Scored, efficiency, spread

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A ROC curve whose rows are ranked once, for any weights.

    values : distinct scores, descending
    background, signal : index of each row's score among `values`
    """

    values: npt.NDArray[Any]
    background: npt.NDArray[np.intp]
    signal: npt.NDArray[np.intp]

    @classmethod
    def of(cls, background: Scored, signal: Scored) -> Curve:
        both = np.concatenate([background.scores, signal.scores])
        values, rank = np.unique(both, return_inverse=True)
        descending = len(values) - 1 - rank
        n = len(background.scores)
        return cls(values[::-1], descending[:n], descending[n:])

    def efficiencies(self, background: Floats, signal: Floats) -> tuple[Floats, Floats]:
        """Of background and signal with these weights at each threshold, from (0, 0) on."""
        found = []
        for rank, weights in ((self.background, background), (self.signal, signal)):
            sums = np.cumsum(np.bincount(rank, weights, minlength=len(self.values)))
            found.append(
                np.concatenate([[0.0], sums / sums[-1] if sums[-1] > 0 else sums * np.nan])
            )
        return found[0], found[1]


def mean_efficiency(background: Floats, signal: Floats, up_to: float) -> float:
    """Mean signal efficiency over background efficiencies from 0 to `up_to`.

    background, signal : of a ROC curve, ascending from 0, (K,); straight between points, so that
        equal scores count half and `up_to` 1 gives the AUC. Chance is up_to / 2.
    """
    if not 0 < up_to <= 1:
        raise InputError(f"expected a background efficiency in (0, 1], got {up_to}")
    if np.isnan(background[-1]) or np.isnan(signal[-1]):
        return float("nan")
    end = int(np.searchsorted(background, up_to))  # where the curve gets there, not where it leaves
    x = np.concatenate([background[:end], [up_to]])
    last = np.interp(up_to, background[: end + 1], signal[: end + 1])
    y = np.concatenate([signal[:end], [last]])
    return float(np.trapezoid(y, x) / up_to)


def mean_efficiency_replicas(
    curve: Curve,
    background: Scored,
    signal: Scored,
    up_to: float,
    counts: tuple[npt.NDArray[Any], npt.NDArray[Any]],
) -> Floats:
    """`mean_efficiency` of each bootstrap resample (efficiency.resample_counts), shape (R,)."""
    return np.array(
        [
            mean_efficiency(
                *curve.efficiencies(background.weights * b, signal.weights * s), up_to=up_to
            )
            for b, s in zip(*counts, strict=True)
        ]
    )


@dataclass(frozen=True)
class Rejection:
    """The background at the largest threshold that keeps a wanted part of the signal."""

    target: float
    threshold: float | int
    signal: Efficiency
    background: Efficiency

    @property
    def value(self) -> float | None:
        """1 / background efficiency; None where no background event is left."""
        return 1 / self.background.value if self.background.value > 0 else None

    @property
    def low(self) -> float:
        """Lower end of the 68.3% interval."""
        return 1 / self.background.high

    @property
    def high(self) -> float | None:
        """Upper end; None where no background event is left."""
        return 1 / self.background.low if self.background.low > 0 else None


def rejection(background: Scored, signal: Scored, target: float) -> Rejection:
    """Where at least `target` of the signal's weight has score >= threshold.

    The interval is that of the background efficiency at this threshold; that another sample of the
    signal would give another threshold is not in it.
    """
    if not 0 < target < 1:
        raise InputError(f"expected a signal efficiency in (0, 1), got {target}")
    values, rank = np.unique(signal.scores, return_inverse=True)
    kept = np.cumsum(np.bincount(rank, signal.weights, minlength=len(values))[::-1])[::-1]
    enough = np.flatnonzero(kept >= target * kept[0] * (1 - 1e-12))
    threshold = values[enough[-1]].item()
    return Rejection(
        target, threshold, efficiency(signal, threshold), efficiency(background, threshold)
    )


@dataclass(frozen=True)
class Improvement:
    """The best significance improvement and where it is; its error at that threshold."""

    value: float
    error: float | None
    background_efficiency: float
    signal_efficiency: float


def significance_improvement(
    curve: Curve,
    background: Scored,
    signal: Scored,
    min_events: float,
    counts: tuple[npt.NDArray[Any], npt.NDArray[Any]],
) -> Improvement | None:
    """Largest signal efficiency / sqrt(background efficiency) over all thresholds.

    Only thresholds above which at least `min_events` effective background events lie count; None
    where there is none. Its error is the bootstrap's at that threshold, held still.
    """
    b, s = (e[1:] for e in curve.efficiencies(background.weights, signal.weights))
    size = len(curve.values)
    first, second = (
        np.cumsum(np.bincount(curve.background, background.weights**power, minlength=size))
        for power in (1, 2)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        enough = np.nan_to_num(first**2 / second) >= min_events
        improvement = np.where(enough, s / np.sqrt(b), -np.inf)
    best = int(np.argmax(improvement))
    if not enough[best]:
        return None
    passing = (curve.background <= best, curve.signal <= best)
    fractions = [
        (count * sample.weights) @ passed / (count @ sample.weights)
        for count, sample, passed in zip(counts, (background, signal), passing, strict=True)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        replicas = fractions[1] / np.sqrt(fractions[0])
    return Improvement(float(improvement[best]), spread(replicas), float(b[best]), float(s[best]))
