"""Thresholds of the hardware score for requested rates, and how well they are known.

    rate = crossing rate x fraction of zero-bias crossings with score >= threshold

A threshold is settled on one half of the sample, the calibration half, and its rate measured on the
other. Of all integer thresholds the lowest is taken whose rate does not exceed the request. Its
interval holds every integer threshold whose own interval of the fraction holds the request; for
crossings that are simply counted these are the order statistics of intervals.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.validation.intervals import CONFIDENCES, clopper_pearson_of
from naetrigger.validation.tail import Fraction, Sample, Tail, fraction_of

Floats = npt.NDArray[np.float64]

MIN_EVENTS = 30.0  # effective, in the tail: a relative error of 18%


@dataclass(frozen=True)
class Neighbour:
    """An integer threshold next to the request, and its fraction on the calibration half."""

    threshold: int
    fraction: Fraction


@dataclass(frozen=True)
class Threshold:
    """A threshold for a requested fraction.

    value : fires at score >= value; None where it is refused, and `note` says why
    low, high : integer thresholds between which the right one lies, by confidence; absent where no
        threshold is compatible with the request
    at, above : the chosen threshold with its fraction, and the next lower one, which lets more pass
    reached : some integer threshold has the request within its 95% interval
    needs : crossings that the calibration half would need, where it is too small
    """

    requested: float
    value: int | None
    intervals: dict[float, tuple[int, int]]
    at: Neighbour
    above: Neighbour | None
    reached: bool
    needs: int | None = None
    note: str = ""


def threshold_for(
    tail: Tail,
    requested: float,
    *,
    maximum: int | None = None,
    min_events: float = MIN_EVENTS,
    pool: Tail | None = None,
) -> Threshold:
    """The lowest threshold that lets at most `requested` of the crossings pass.

    maximum : the largest integer of the score's format; where more than the request stands at it,
        no threshold can tell crossings apart
    pool : the tail without clusters; says whether more crossings of the same pool would help

    Raises InputError for a request that is no fraction.
    """
    if not 0 < requested < 1:
        raise InputError(f"rates: a request must be a fraction between 0 and 1, got {requested:g}")
    passing = np.flatnonzero(tail.fraction <= requested * (1 + 1e-9))
    i = int(passing[-1]) if len(passing) else -1
    value = int(tail.below[i]) + 1 if i >= 0 else int(tail.values[0]) + 1
    at = Neighbour(value, tail.at(i))
    above = Neighbour(value - 1, tail.at(i + 1)) if i + 1 < len(tail.values) else None
    intervals = {
        confidence: found
        for confidence in CONFIDENCES
        if (found := threshold_interval(tail, requested, confidence)) is not None
    }
    reached = max(CONFIDENCES) in intervals
    result = Threshold(requested, value, intervals, at, above, reached)
    if maximum is not None and value > maximum:
        return _refused(
            result,
            f"the score saturates: {tail.fraction[0]:.3g} of the crossings stand at {maximum}, the "
            "end of its range; give the score more integer bits",
        )
    expected = expected_events(tail, requested)
    if at.fraction.events < min_events and expected < min_events:
        return _too_small(result, tail, expected, min_events, pool)
    if at.fraction.events < min_events:
        return _refused(
            result,
            f"only {at.fraction.events:.1f} effective events pass, though {expected:.0f} would at "
            "the requested rate: crossings share few scores (see the neighbours)",
        )
    return result


def threshold_interval(tail: Tail, requested: float, confidence: float) -> tuple[int, int] | None:
    """The integer thresholds compatible with a requested fraction, from the lowest to the highest.

    None where ties leap over the request.
    """
    low, high = clopper_pearson_of(tail.fraction * tail.trials, tail.trials, confidence)
    holds = np.flatnonzero((low <= requested) & (requested <= high))
    if not len(holds):
        return None
    return int(tail.below[holds[-1]]) + 1, int(tail.values[holds[0]])


def expected_events(tail: Tail, requested: float) -> float:
    """Effective events at a fraction, by proportion from the deepest point that is well known."""
    known = np.flatnonzero(tail.events >= MIN_EVENTS)
    i = int(known[0]) if len(known) else len(tail.values) - 1
    return float(tail.events[i] * requested / tail.fraction[i])


def _too_small(
    result: Threshold, tail: Tail, expected: float, min_events: float, pool: Tail | None
) -> Threshold:
    needs = math.ceil(tail.crossings * min_events / expected)
    note = (
        f"the sample is too small: {expected:.1f} effective events pass at this rate and "
        f"{min_events:g} are needed, which takes {needs} crossings in the calibration half"
    )
    if pool is not None and expected_events(pool, result.requested) >= min_events:
        note += (
            f", made from a pool {min_events / expected:.1f} times as large: more crossings of the "
            "same pool do not help"
        )
    return _refused(result, note, needs)


def _refused(result: Threshold, reason: str, needs: int | None = None) -> Threshold:
    return Threshold(
        result.requested,
        None,
        {},
        result.at,
        result.above,
        result.reached,
        needs,
        f"refused: {reason}",
    )


@dataclass(frozen=True)
class Part:
    """A fraction in one part of a sample: a range of pile-up, or a sub-sample.

    rows : the part, a mask of the sample's crossings
    """

    name: str
    low: float
    high: float
    rows: npt.NDArray[np.bool_]
    fraction: Fraction


def by_context(
    sample: Sample, threshold: int, context: npt.NDArray[np.floating], bins: int = 5
) -> list[Part]:
    """The fraction passing in ranges of a context column, (N,), that hold like many crossings."""
    finite = np.isfinite(context)
    if not finite.any():
        return []
    edges = np.unique(np.quantile(context[finite], np.linspace(0, 1, bins + 1)))
    if len(edges) < 2:
        return []
    place = np.clip(np.searchsorted(edges, context, side="right") - 1, 0, len(edges) - 2)
    found = []
    for i, (low, high) in enumerate(pairwise(edges.tolist())):
        rows = (place == i) & finite
        if rows.any():
            passing = _passing(sample.select(rows), threshold)
            found.append(Part(f"{low:g} to {high:g}", low, high, rows, passing))
    return found


def by_order(
    sample: Sample, threshold: int, file_rows: npt.NDArray[np.int64], parts: int = 5
) -> list[Part]:
    """The fraction passing in consecutive parts of the file, of as many crossings each.

    file_rows : (N,), where in the file each crossing stands, ascending; a part is named by its
        first and its last one. Rows between them may be outside the sample.
    """
    edges = np.linspace(0, len(sample), min(parts, len(sample)) + 1).astype(int)
    number = np.arange(len(sample))
    found = []
    for a, b in pairwise(edges.tolist()):
        rows = (number >= a) & (number < b)
        first, last = int(file_rows[a]), int(file_rows[b - 1])
        passing = _passing(sample.select(rows), threshold)
        found.append(Part(f"rows {first} to {last}", float(first), float(last), rows, passing))
    return found


def _passing(sample: Sample, threshold: int) -> Fraction:
    return fraction_of(sample, sample.scores >= threshold)


@dataclass(frozen=True)
class Overlap:
    """One simple seed beside a threshold, as fractions of all crossings.

    alone : the seed's own; both : both fire; shared : of what the threshold selects, the seed does
    """

    name: str
    alone: Fraction
    both: Fraction
    shared: float


def overlaps(
    sample: Sample, threshold: int, seeds: dict[str, npt.NDArray[np.bool_]]
) -> tuple[list[Overlap], Fraction]:
    """(overlap with every seed and with their OR, the pure fraction that no seed selects)."""
    fires = sample.scores >= threshold
    any_seed = np.zeros(len(sample), bool)
    for chosen in seeds.values():
        any_seed |= chosen
    rate = fraction_of(sample, fires).value
    found = []
    for name, chosen in {**seeds, "any seed": any_seed}.items():
        both = fraction_of(sample, fires & chosen)
        shared = both.value / rate if rate else 0.0
        found.append(Overlap(name, fraction_of(sample, chosen), both, shared))
    return found, fraction_of(sample, fires & ~any_seed)
