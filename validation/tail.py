"""The upper tail of a sample's scores: which fraction passes each threshold, and how well known.

Crossings may weigh differently, and several may be made from one event of a pile-up pool; these
form a cluster, which counts as one when errors are worked out. With W_c the weight of cluster c and
A_c that part of it which passes,

    p = sum A_c / sum W_c      var p = sum (A_c - p W_c)^2 / (sum W_c)^2      n = p (1 - p) / var p

and the interval of p is Clopper-Pearson at n effective trials; for crossings of equal weight, each
its own cluster, n is their number exactly. The effective number of events that pass is
(sum A_c)^2 / sum A_c^2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.validation.intervals import clopper_pearson_of, effective_trials

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """N crossings.

    scores : (N,) hardware integers; weights : (N,), positive
    clusters : (N,) whole numbers from 0, equal for crossings that hang together; None: none do.
        Negative ones are each their own.
    """

    scores: Integers
    weights: Floats
    clusters: Integers | None = None

    def __post_init__(self) -> None:
        if len(self.scores) == 0:
            raise InputError("rates: there are no crossings")
        if self.scores.dtype.kind not in "iu":
            raise InputError(f"rates: scores must be integers of the hardware: {self.scores.dtype}")
        lengths = {len(self.scores), len(self.weights)}
        if self.clusters is not None:
            lengths.add(len(self.clusters))
        if len(lengths) != 1:
            raise InputError(f"rates: scores, weights and clusters differ in length: {lengths}")

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, rows: npt.NDArray[np.bool_]) -> Sample:
        """The crossings of a mask."""
        clusters = None if self.clusters is None else self.clusters[rows]
        return Sample(self.scores[rows], self.weights[rows], clusters)

    @property
    def is_counted(self) -> bool:
        """Whether crossings are simply counted: all weigh the same, and none hang together."""
        return self.clusters is None and bool(np.all(self.weights == self.weights[0]))

    def cluster_of(self) -> Integers:
        """A number from 0 for the cluster of each crossing; not every number is taken."""
        if self.clusters is None:
            return np.arange(len(self))
        found = self.clusters
        if found.max() > 4 * len(self) + 1000:
            found = np.where(found < 0, -1, np.unique(found, return_inverse=True)[1])
        return np.where(found < 0, found.max() + 1 + np.arange(len(self)), found)

    def by_cluster(self, values: Floats) -> Floats:
        """Sums over clusters of values, (N,); zeros where a number is not taken."""
        if self.clusters is None:
            return values
        return np.asarray(np.bincount(self.cluster_of(), values), np.float64)


@dataclass(frozen=True)
class Fraction:
    """A fraction of the weight that passes, and what it rests on.

    trials : effective number of crossings; events : effective number of those that pass
    """

    value: float
    trials: float
    events: float

    def interval(self, confidence: float) -> tuple[float, float]:
        """Its central interval."""
        low, high = clopper_pearson_of(
            np.array(self.value * self.trials), np.array(self.trials), confidence
        )
        return float(low), float(high)


def fraction_of(sample: Sample, passing: npt.NDArray[np.bool_]) -> Fraction:
    """The fraction of a sample that passes; passing : (N,)."""
    total = sample.by_cluster(sample.weights)
    passed = sample.by_cluster(sample.weights * passing)
    p = min(float(passed.sum() / total.sum()), 1.0)
    squares = float(np.sum(passed**2))
    events = float(passed.sum()) ** 2 / squares if squares else 0.0
    trials = effective_trials(p, float(np.sum((passed - p * total) ** 2)), total)
    return Fraction(p, float(trials), events)


@dataclass(frozen=True)
class Tail:
    """What passes at each distinct score of the tail, the highest first; arrays of shape (J,).

    values : the scores; below : the next lower score, or one less than the sample's lowest
    fraction : of the weight with at least this score; trials, events : as of :class:`Fraction`
    crossings : of the whole sample
    """

    values: Integers
    below: Integers
    fraction: Floats
    trials: Floats
    events: Floats
    crossings: int

    def at(self, i: int) -> Fraction:
        """The fraction at values[i]; nothing passes at i = -1."""
        if i < 0:
            return Fraction(0.0, float(self.trials[0]), 0.0)
        return Fraction(float(self.fraction[i]), float(self.trials[i]), float(self.events[i]))

    def index(self, threshold: int) -> int:
        """Where the fraction of `threshold` stands; -1 above the highest score."""
        return int(np.searchsorted(-self.values, -threshold, side="right")) - 1


def tail_of(sample: Sample, largest: float = 1.0) -> Tail:
    """The tail down to a fraction of `largest` of the weight, and the score after that."""
    order = np.argsort(-sample.scores, kind="stable")
    weights = sample.weights[order]
    scores = sample.scores[order]
    running = np.cumsum(weights)
    last = np.flatnonzero(np.append(np.diff(scores) != 0, True))  # of each distinct score
    kept = int(np.searchsorted(running[last], largest * running[-1])) + 2
    ends = last[: min(kept, len(last))]
    rows = order[: ends[-1] + 1]
    total = sample.by_cluster(sample.weights)
    squares, mixed = _running_squares(sample.weights[rows], sample.cluster_of()[rows], total)
    p = np.minimum(running[ends] / float(total.sum()), 1.0)
    deviation = squares[ends] - 2 * p * mixed[ends] + p**2 * float(np.sum(total**2))
    values = scores[ends]
    after = np.append(scores, scores[-1] - 1)
    return Tail(
        values,
        after[ends + 1],
        p,
        effective_trials(p, deviation, total),
        running[ends] ** 2 / squares[ends],
        len(sample),
    )


def _running_squares(weights: Floats, cluster: Integers, total: Floats) -> tuple[Floats, Floats]:
    """sum A_c^2 and sum A_c W_c after each of the rows, which come in from the first."""
    order = np.argsort(cluster, kind="stable")
    inner = np.cumsum(weights[order]) - weights[order]  # before each row, all clusters
    sorted_clusters = cluster[order]
    starts = np.flatnonzero(np.append(True, np.diff(sorted_clusters) != 0))
    lengths = np.diff(np.append(starts, len(order)))
    before = np.empty_like(weights)
    before[order] = inner - np.repeat(inner[starts], lengths)
    squares = np.cumsum(2 * before * weights + weights**2)
    return squares, np.cumsum(weights * total[cluster])
