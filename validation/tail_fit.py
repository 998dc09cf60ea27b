"""Beyond the sample: a generalized Pareto distribution fitted to the tail of the score.

Above a high enough u, excesses of almost any distribution follow (Pickands 1975; Coles, An
Introduction to Statistical Modeling of Extreme Values, ch. 4)

    P(S >= t | S >= u) = (1 + xi (t - u) / sigma)^(-1/xi)

Scores are integers, so a crossing of score s counts with the probability of [s, s + 1): ties of
coarse scores do no harm. What it says of thresholds that no event reaches rests on this form alone;
the error from the fit is given, and the threshold with half and twice the tail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from naetrigger.contracts.errors import InputError
from naetrigger.validation.tail import Sample, tail_of

Floats = npt.NDArray[np.float64]

TAIL_EVENTS = 1000.0  # effective
LARGEST_TAIL = 0.1  # of the sample
MIN_TAIL_EVENTS = 100.0
MIN_SCORES = 3
LARGEST_SHAPE = 2.0  # beyond it a tail is heavier than any score's
SHAPE_STEP = 1e-3  # how closely shape and ln(scale) are sought


@dataclass(frozen=True)
class TailFit:
    """A fitted tail.

    start : u; fraction : of all weight at or above it; shape : xi; scale : sigma, in score LSBs
    """

    start: int
    fraction: float
    shape: float
    scale: float

    def threshold(self, requested: float) -> float:
        """Where a fraction smaller than `fraction` passes; inf where that is beyond any number."""
        beyond = stats.genpareto.isf(requested / self.fraction, self.shape, scale=self.scale)
        return float(self.start + beyond)


@dataclass(frozen=True)
class Extrapolated:
    """An extrapolated threshold.

    intervals : by confidence, from resampling the fit
    half, twice : the threshold from half the tail, and from twice as much
    """

    value: int
    intervals: dict[float, tuple[int, int]]
    fit: TailFit
    half: int
    twice: int


@dataclass(frozen=True)
class _Tail:
    """Rows at or above a start: their weights, distinct excesses, and which each row has.

    events : effective; crossings of one pool event count as one
    """

    start: int
    events: float
    rows: npt.NDArray[np.intp]
    weights: Floats
    excess: Floats
    which: npt.NDArray[np.intp]


def fit_tail(sample: Sample, events: float = TAIL_EVENTS) -> TailFit:
    """The tail of about so many effective events, at most a tenth of the sample; by likelihood.

    Raises InputError where fewer than 100 effective events make a tail, where all share few scores,
    and where no Pareto tail is like them.
    """
    tail = _tail(sample, events)
    if tail.events < MIN_TAIL_EVENTS or len(tail.excess) < MIN_SCORES:
        raise InputError(
            f"rates: the tail above {tail.start} holds {tail.events:.0f} effective events with "
            f"{len(tail.excess)} different scores; an extrapolation needs {MIN_TAIL_EVENTS:g} and "
            f"{MIN_SCORES}"
        )
    fit = _fitted(tail, tail.weights, float(sample.weights.sum()))
    if abs(fit.shape) > LARGEST_SHAPE - 10 * SHAPE_STEP:
        raise InputError(
            f"rates: scores above {tail.start} are not like a Pareto tail: its shape came out as "
            f"{fit.shape:.2f}, the end of what is tried, so nothing can be extrapolated from them; "
            "ask for rates that the sample resolves, or give more crossings"
        )
    return fit


def _tail(sample: Sample, events: float) -> _Tail:
    """Down to the first score with so many events above, or the last within a tenth of all."""
    known = tail_of(sample, LARGEST_TAIL)
    within = int(np.sum(known.fraction <= LARGEST_TAIL * (1 + 1e-9)))
    if not within:
        raise InputError(
            f"rates: {known.fraction[0]:.3g} of the crossings share the highest score "
            f"{known.values[0]}, and a tail is at most {LARGEST_TAIL:g} of them: there is nothing "
            "to extrapolate from"
        )
    enough = known.events[:within] >= events
    last = int(np.argmax(enough)) if enough.any() else within - 1
    start = int(known.values[last])
    rows = np.flatnonzero(sample.scores >= start)
    excess, which = np.unique(sample.scores[rows] - start, return_inverse=True)
    weights = sample.weights[rows]
    return _Tail(start, float(known.events[last]), rows, weights, excess.astype(float), which)


def _fitted(tail: _Tail, weights: Floats, total: float, first: TailFit | None = None) -> TailFit:
    """The fit with these weights of the tail's rows; `total` is that of the whole sample."""
    counts = np.bincount(tail.which, weights, len(tail.excess))
    guess = (0.05, float(counts @ (tail.excess + 0.5) / counts.sum()))
    if first is not None:
        guess = first.shape, first.scale
    shape, scale = _most_likely(tail.excess, counts / counts.sum(), guess)
    return TailFit(tail.start, float(counts.sum() / total), shape, scale)


def _most_likely(x: Floats, share: Floats, guess: tuple[float, float]) -> tuple[float, float]:
    """(xi, sigma) of integer excesses x that occur with these shares."""

    def loss(parameters: Floats) -> float:
        shape, scale = float(parameters[0]), float(np.exp(parameters[1]))
        chance = survival(x / scale, shape) - survival((x + 1) / scale, shape)
        if abs(shape) > LARGEST_SHAPE or np.any(chance[share > 0] <= 0):
            return 1e6 + abs(shape) * 1e3  # a tail that ends below an event
        return -float(share[share > 0] @ np.log(chance[share > 0]))

    best = optimize.minimize(
        loss,
        [guess[0], np.log(guess[1])],
        method="Nelder-Mead",
        options={"xatol": SHAPE_STEP, "fatol": 1e-8},
    )
    return float(best.x[0]), float(np.exp(best.x[1]))


def survival(z: Floats, shape: float) -> Floats:
    """scipy.stats.genpareto.sf(z, shape) for z >= 0, without its overhead."""
    if abs(shape) < 1e-9:
        return np.asarray(np.exp(-z))
    inside = np.maximum(1 + shape * z, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp(-np.log(inside) / shape))


def extrapolate(
    sample: Sample,
    requested: float,
    rng: np.random.Generator,
    *,
    replicas: int = 100,
    confidences: tuple[float, ...] = (0.68, 0.95),
) -> Extrapolated:
    """The threshold of a fraction that the sample itself cannot resolve.

    Its intervals come from resampled tails, clusters drawn whole with Poisson(1) multiplicity.

    Raises InputError where the tail cannot be fitted, where the request is within the sample or as
    near to it as the tail's fraction is known, and where the fit sets no end to the score.
    """
    half, fit, twice = (fit_tail(sample, factor * TAIL_EVENTS) for factor in (0.5, 1.0, 2.0))
    if requested >= half.fraction:
        raise InputError(
            f"rates: {requested:.3g} is within the sample (half of its tail begins at "
            f"{half.fraction:.3g}); an extrapolation is for rarer requests"
        )
    again = list(_resampled(sample, fit, replicas, rng))
    least = min((one.fraction for one in again), default=fit.fraction)
    if requested >= least:
        raise InputError(
            f"rates: {requested:.3g} is too near to where the tail begins (at {fit.fraction:.3g}, "
            f"in a resample at {least:.3g}); an extrapolation is for rarer requests"
        )
    found = [one.threshold(requested) for one in (fit, half, twice, *again)]
    if not np.isfinite(found).all():
        raise InputError(
            f"rates: a tail of shape {fit.shape:.2f} sets no threshold for a fraction of "
            f"{requested:.3g}; ask for a larger one"
        )
    intervals = {
        c: (
            int(np.floor(np.quantile(found[3:], (1 - c) / 2))),
            int(np.ceil(np.quantile(found[3:], (1 + c) / 2))),
        )
        for c in confidences
    }
    value, with_half, with_twice = (int(np.ceil(t)) for t in found[:3])
    return Extrapolated(value, intervals, fit, with_half, with_twice)


def _resampled(
    sample: Sample, fit: TailFit, replicas: int, rng: np.random.Generator
) -> Iterator[TailFit]:
    """Fits to the tail with its clusters drawn anew."""
    tail, total = _tail(sample, TAIL_EVENTS), float(sample.weights.sum())
    _, cluster = np.unique(sample.cluster_of()[tail.rows], return_inverse=True)
    for _ in range(replicas):
        times = rng.poisson(1.0, int(cluster.max()) + 1)
        yield _fitted(tail, tail.weights * times[cluster], total, fit)
