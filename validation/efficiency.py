"""ROC curves, their area, working points, and the errors of all three.

AUC = P(s > b) + P(s = b) / 2 for weighted draws of signal and background scores. Larger scores
are more anomalous; an event fires if score >= threshold. Errors come from resampling whole
events (jets of one event stay together) and, for efficiencies, from Clopper-Pearson intervals
(Biometrika 26 (1934) 404) at the effective counts of weighted, clustered events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from scipy import special

from naetrigger.contracts.errors import InputError
from naetrigger.validation.intervals import effective_trials

Floats = npt.NDArray[np.float64]
Scores = npt.NDArray[Any]

CONFIDENCE = 0.682689492137086  # one standard deviation of a Gaussian, two-sided


@dataclass(frozen=True)
class Scored:
    """Scores of one sample.

    scores : (N,) floats or hardware integers
    weights : (N,), not negative
    event_ids : (N,); rows of one event share their id
    """

    scores: Scores
    weights: Floats
    event_ids: npt.NDArray[np.uint64]

    def __post_init__(self) -> None:
        shape = (len(self.scores),)
        for name in ("scores", "weights", "event_ids"):
            if getattr(self, name).shape != shape:
                raise InputError(f"{name} must have shape {shape}, got {getattr(self, name).shape}")
        if shape == (0,):
            raise InputError("there are no events to score")
        if np.issubdtype(self.scores.dtype, np.floating) and np.isnan(self.scores).any():
            raise InputError(
                f"{int(np.isnan(self.scores).sum())} scores are NaN, the first in row "
                f"{int(np.flatnonzero(np.isnan(self.scores))[0])}"
            )

    def select(self, rows: npt.NDArray[np.bool_]) -> Scored:
        """The rows of a mask."""
        return Scored(self.scores[rows], self.weights[rows], self.event_ids[rows])


def scored(
    scores: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    event_ids: npt.ArrayLike | None = None,
) -> Scored:
    """A Scored; without weights all are one, without ids each row is its own event."""
    values = np.asarray(scores)
    n = len(values)
    return Scored(
        values,
        np.ones(n) if weights is None else np.asarray(weights, np.float64),
        np.arange(n, dtype=np.uint64) if event_ids is None else np.asarray(event_ids, np.uint64),
    )


@dataclass(frozen=True)
class Measured:
    """A value and its standard error; None where the sample is too small to tell."""

    value: float
    error: float | None


@dataclass(frozen=True)
class Roc:
    """Efficiencies of ``score >= threshold`` at every distinct score, thresholds descending."""

    thresholds: Scores
    background_efficiency: Floats
    signal_efficiency: Floats


def roc(background: Scored, signal: Scored) -> Roc:
    """The exact weighted ROC curve."""
    values, both = _ranks(background, signal)
    b, s = (
        np.cumsum(np.bincount(rank, sample.weights, minlength=len(values))[::-1])
        for rank, sample in zip(both, (background, signal), strict=True)
    )
    return Roc(values[::-1], b / b[-1], s / s[-1])


def auc(background: Scored, signal: Scored) -> float:
    """P(signal > background) + P(equal) / 2, exact for weights and ties."""
    return _Placements.of(background, signal).auc(background.weights, signal.weights)


def auc_replicas(
    background: Scored, signal: Scored, counts: tuple[npt.NDArray[Any], npt.NDArray[Any]]
) -> Floats:
    """AUC of each bootstrap resample, shape (R,); NaN where a resample lost all weight.

    counts : `resample_counts` of background and signal; given the same counts, two models are
        compared on the same resamples.
    """
    placements = _Placements.of(background, signal)
    return np.array(
        [
            placements.auc(background.weights * b, signal.weights * s)
            for b, s in zip(*counts, strict=True)
        ]
    )


def resample_counts(
    event_ids: npt.NDArray[np.uint64], replicas: int, rng: np.random.Generator
) -> npt.NDArray[np.uint16]:
    """How often each row is drawn, shape (replicas, N): whole events, with replacement."""
    ids, row_of = np.unique(event_ids, return_inverse=True)
    n = len(ids)
    counts = np.empty((replicas, len(event_ids)), np.uint16)
    for replica in counts:
        replica[:] = np.bincount(rng.integers(n, size=n), minlength=n)[row_of]
    return counts


def spread(replicas: Floats) -> float | None:
    """Standard deviation over the resamples that have a value; None for fewer than two."""
    finite = replicas[np.isfinite(replicas)]
    return float(finite.std(ddof=1)) if len(finite) > 1 else None


def _ranks(background: Scored, signal: Scored) -> tuple[Scores, tuple[Scores, Scores]]:
    both = np.concatenate([background.scores, signal.scores])
    values, rank = np.unique(both, return_inverse=True)
    n = len(background.scores)
    return values, (rank[:n], rank[n:])


@dataclass(frozen=True)
class _Placements:
    """Where each signal score falls among the sorted background: sorted once, used by all weights.

    order : sorts the background
    below, up_to : how many background scores are < and <= each signal score
    """

    order: npt.NDArray[np.intp]
    below: npt.NDArray[np.intp]
    up_to: npt.NDArray[np.intp]

    @classmethod
    def of(cls, background: Scored, signal: Scored) -> _Placements:
        order = np.argsort(background.scores, kind="stable")
        ordered = background.scores[order]
        return cls(
            order,
            np.searchsorted(ordered, signal.scores, side="left"),
            np.searchsorted(ordered, signal.scores, side="right"),
        )

    def auc(self, background_weights: Floats, signal_weights: Floats) -> float:
        weight = np.concatenate([[0.0], np.cumsum(background_weights[self.order])])
        total = weight[-1] * signal_weights.sum()
        if total <= 0:
            return float("nan")
        return float(signal_weights @ (weight[self.below] + weight[self.up_to]) / 2 / total)


@dataclass(frozen=True)
class Efficiency:
    """An efficiency with its 68.3% interval and the effective number of events passing."""

    value: float
    low: float
    high: float
    effective_passing: float

    @property
    def error(self) -> float:
        return (self.high - self.low) / 2


def efficiency(sample: Scored, threshold: float) -> Efficiency:
    """Fraction of the sample's weight with score >= threshold, and its interval.

    The interval is Clopper-Pearson at the effective number of events, as intervals.py has it; for
    unweighted rows that are each an event, their number exactly.
    """
    passing = sample.scores >= threshold
    p = min(float(sample.weights[passing].sum() / sample.weights.sum()), 1.0)
    _, event = np.unique(sample.event_ids, return_inverse=True)
    total = np.asarray(np.bincount(event, sample.weights), np.float64)
    deviation = float(np.sum(np.bincount(event, sample.weights * (passing - p)) ** 2))
    n = float(effective_trials(p, deviation, total))
    low, high = clopper_pearson(p * n, n)
    return Efficiency(p, low, high, p * n)


def clopper_pearson(passed: float, n: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Central interval of a binomial fraction; counts may be effective, hence not integer."""
    if not 0 <= passed <= n or n <= 0:
        raise InputError(f"expected 0 <= passed <= n and n > 0, got passed={passed}, n={n}")
    tail = (1 - confidence) / 2
    low = special.betaincinv(passed, n - passed + 1, tail) if passed > 0 else 0.0
    high = special.betaincinv(passed + 1, n - passed, 1 - tail) if passed < n else 1.0
    return float(low), float(high)


@dataclass(frozen=True)
class Threshold:
    """A threshold for a wanted background efficiency.

    value : fires if score >= value; an int for integer scores. None: refused, see `note`
    error : bootstrap standard deviation of `value`
    background : the efficiency it really has
    reliable : enough background events lie above it
    """

    target: float
    value: float | int | None
    error: float | None
    background: Efficiency | None
    reliable: bool
    note: str = ""


def threshold_for(
    background: Scored,
    target: float,
    *,
    maximum: int | None = None,
    counts: npt.NDArray[Any] | None = None,
    min_events: float = 10.0,
) -> Threshold:
    """The smallest threshold that lets at most `target` of the background fire.

    maximum : the largest value the score's number format holds. A threshold above which every
        event is saturated is refused: there the order of events is lost.
    counts : `resample_counts` of the background, for the threshold's error
    """
    values, tail = _tail(background, background.weights)
    allowed = np.flatnonzero(tail <= target * (1 + 1e-9))
    saturated = float(tail[-1]) if maximum is not None and values[-1] >= maximum else 0.0
    if saturated and (len(allowed) == 0 or values[allowed[0]] >= cast(int, maximum)):
        return _refused(
            target,
            f"the score saturates: {saturated:.3g} of the background stands at {maximum}, the end "
            f"of its range; give the score more integer bits",
        )
    if len(allowed) == 0:
        return _refused(
            target,
            f"the sample cannot resolve it: {float(tail[-1]):.3g} of the background shares the "
            f"largest score; use more background events",
        )
    value = _just_above(values, int(allowed[0]))
    passed = efficiency(background, value)
    reliable = passed.effective_passing >= min_events
    note = (
        ""
        if reliable
        else f"only {passed.effective_passing:.1f} effective background events fire "
        f"(wanted: {min_events:g})"
    )
    error = None if counts is None else _threshold_spread(background, target, counts)
    return Threshold(target, value, error, passed, reliable, note)


def _refused(target: float, reason: str) -> Threshold:
    return Threshold(target, None, None, None, False, f"refused: {reason}")


def _tail(sample: Scored, weights: Floats) -> tuple[Scores, Floats]:
    """Distinct scores, ascending, and the fraction of weight at or above each."""
    values, rank = np.unique(sample.scores, return_inverse=True)
    sums = np.bincount(rank, weights, minlength=len(values))
    tail = np.cumsum(sums[::-1])[::-1]
    return values, tail / tail[0]


def _just_above(values: Scores, first: int) -> float | int:
    """The smallest threshold at which values[first] is the lowest that fires."""
    if first == 0:
        return cast("float | int", values[0].item())
    below = values[first - 1]
    if np.issubdtype(values.dtype, np.integer):
        return int(below) + 1
    return float(np.nextafter(below, np.inf))


def _threshold_spread(sample: Scored, target: float, counts: npt.NDArray[Any]) -> float | None:
    values, rank = np.unique(sample.scores, return_inverse=True)
    return spread(np.array(list(_thresholds(values, rank, sample.weights, target, counts))))


def _thresholds(
    values: Scores, rank: Scores, weights: Floats, target: float, counts: npt.NDArray[Any]
) -> Iterator[float]:
    for count in counts:
        sums = np.bincount(rank, weights * count, minlength=len(values))
        above = sums.sum() - np.cumsum(sums)  # weight strictly above each value
        index = int(np.argmax(above <= target * sums.sum() * (1 + 1e-9)))
        yield float(values[index])
