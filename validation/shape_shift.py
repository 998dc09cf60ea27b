"""How a selection changes a distribution: Jensen-Shannon divergence, and rank correlation.

The divergence of p and q is H((p + q) / 2) - (H(p) + H(q)) / 2 in bits, 0 for equal and 1 for
disjoint ones (Lin, IEEE Trans. Inf. Theory 37 (1991) 145). Few events differ from many by chance:
a random selection of as many has a divergence too, which is given beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BINS = 20
RANDOM_SELECTIONS = 100


def jensen_shannon(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Of two histograms (B,), any normalization; NaN if one is empty."""
    p, q = (np.asarray(x, np.float64) for x in (first, second))
    if p.sum() <= 0 or q.sum() <= 0:
        return float("nan")
    p, q = p / p.sum(), q / q.sum()
    return max(0.0, float(_entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2))


def _entropy(p: Floats) -> float:
    inside = p[p > 0]
    return float(-(inside @ np.log2(inside)))


def bin_edges(values: Floats, bins: int = BINS) -> Floats:
    """Edges of about equally many values each; of a few distinct values, one bin each."""
    distinct = np.unique(values)
    if len(distinct) <= bins:
        between = (distinct[1:] + distinct[:-1]) / 2
        return np.concatenate([[-np.inf], between, [np.inf]])
    inner = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.concatenate([[-np.inf], inner, [np.inf]])


@dataclass(frozen=True)
class Divergence:
    """Of selected rows from all: measured, and for random rows of as many."""

    value: float
    expected: float
    deviation: float


def random_rows(
    n: int, size: int, rng: np.random.Generator, selections: int = RANDOM_SELECTIONS
) -> list[npt.NDArray[np.int64]]:
    """Random selections of `size` of n rows, without replacement."""
    return [rng.choice(n, size, replace=False, shuffle=False) for _ in range(selections)]


def divergence(
    values: Floats,
    weights: Floats,
    selected: npt.NDArray[np.bool_],
    random: Sequence[npt.NDArray[np.int64]],
) -> Divergence:
    """Of the selected rows' values from those of all rows, (N,) each; bins as of `bin_edges`.

    random : `random_rows` as many as are selected
    """
    edges = bin_edges(values)
    bins, size = np.searchsorted(edges, values, side="right") - 1, len(edges) - 1
    whole = np.bincount(bins, weights, minlength=size)

    def from_all(rows: npt.NDArray[np.int64]) -> float:
        return jensen_shannon(np.bincount(bins[rows], weights[rows], minlength=size), whole)

    by_chance = [from_all(rows) for rows in random]
    return Divergence(
        from_all(np.flatnonzero(selected)),
        float(np.mean(by_chance)),
        float(np.std(by_chance, ddof=1)),
    )


def rank_correlation(a: Floats, b: Floats, weights: Floats) -> float | None:
    """Spearman's coefficient with weights: Pearson's of weighted mid-ranks; None if one is flat."""
    x, y = (_mid_ranks(values, weights) for values in (a, b))
    w = weights / weights.sum()
    x, y = x - w @ x, y - w @ y
    scale = float(np.sqrt((w @ x**2) * (w @ y**2)))
    return float(w @ (x * y)) / scale if scale > 1e-12 else None


def _mid_ranks(values: Floats, weights: Floats) -> Floats:
    """Weight below each value plus half of that at it, as a fraction of all."""
    distinct, rank = np.unique(values, return_inverse=True)
    sums = np.bincount(rank, weights, minlength=len(distinct))
    return np.asarray(((np.cumsum(sums) - sums / 2) / sums.sum())[rank])
