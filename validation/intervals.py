"""Intervals of binomial fractions and of thresholds, and the coverage that they have.

An interval of confidence 1 - a covers the truth in at least that share of experiments. Counts are
whole numbers, so it covers more than that by how much their steps ask for; `coverage` says how
much, exactly, by summing the binomial distribution.

A threshold t lets a fraction p of events pass: P(S >= t) = p. Of n events K ~ Bin(n, p) pass, and
K >= k means that the k-th highest score is at least t. So if a <= K <= b with probability 1 - a,
t lies above the (b+1)-th highest score and not above the a-th: an interval by order statistics,
whatever the distribution of scores (David and Nagaraja, Order Statistics, 7.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special, stats

Floats = npt.NDArray[np.float64]

CONFIDENCES = (0.68, 0.95)


def clopper_pearson_of(passed: Floats, n: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Central intervals of binomial fractions (Biometrika 26 (1934) 404), elementwise.

    passed, n : counts, effective ones included, 0 <= passed <= n
    """
    tail = (1 - confidence) / 2
    passed, n = np.broadcast_arrays(np.asarray(passed, float), np.asarray(n, float))
    with np.errstate(all="ignore"):
        low = np.where(passed > 0, special.betaincinv(passed, n - passed + 1, tail), 0.0)
        high = np.where(passed < n, special.betaincinv(passed + 1, n - passed, 1 - tail), 1.0)
    return low, high


def effective_trials(p: Floats | float, deviation: Floats | float, total: Floats) -> Floats:
    """n = p (1 - p) / var p of a ratio of sums over clusters; elementwise in p and deviation.

    p = sum A_c / sum W_c, of which `deviation` is sum (A_c - p W_c)^2 and `total` all W_c, (C,).
    Clusters that all have p passing do not scatter and leave n open; like those of which none or
    all pass, they count by their weights: (sum W_c)^2 / sum W_c^2.
    """
    binomial, squares = np.asarray(p * (1 - p)), np.sum(total**2)
    scatters = (binomial > 0) & (deviation > 1e-12 * binomial * squares)  # more than rounding
    ratio = np.where(scatters, binomial, 1.0) / np.where(scatters, deviation, squares)
    return np.asarray(ratio * total.sum() ** 2)


def clopper_pearson_coverage(n: int, p: float, confidence: float) -> float:
    """The share of experiments of n events whose Clopper-Pearson interval holds p, exactly."""
    passed = np.arange(n + 1)
    low, high = clopper_pearson_of(passed.astype(float), np.array(float(n)), confidence)
    covers = (low <= p) & (p <= high)
    return float(stats.binom.pmf(passed[covers], n, p).sum())


@dataclass(frozen=True)
class Ranks:
    """Which order statistics hold the threshold of a fraction, the highest score being rank 1.

    above : at least so many of the events pass; 0 where that cannot be said
    up_to : at most so many pass
    """

    above: int
    up_to: int


def order_ranks(n: int, p: float, confidence: float) -> Ranks:
    """Ranks for the threshold that a fraction p of events passes: central, at least `confidence`.

    The threshold lies above the score of rank up_to + 1, and not above that of rank `above`.
    """
    tail = (1 - confidence) / 2
    above = int(stats.binom.ppf(tail, n, p))  # the first k with P(K <= k) >= tail
    up_to = int(stats.binom.isf(tail, n, p))  # the first k with P(K > k) <= tail
    return Ranks(above, up_to)


def order_coverage(n: int, p: float, confidence: float) -> float:
    """The share of experiments in which :func:`order_ranks` hold the threshold, exactly."""
    ranks = order_ranks(n, p, confidence)
    inside = stats.binom.cdf(ranks.up_to, n, p) - stats.binom.cdf(ranks.above - 1, n, p)
    return float(inside)
