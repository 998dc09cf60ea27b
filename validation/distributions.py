"""Weighted distributions of a stream of events, in constant memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Integers

Floats = npt.NDArray[np.float64]

INPUT_BITS = 10  # of an input's histogram: 1024 values; inputs are rarely wider
SCORE_BITS = 16
QUANTILES = 1024  # bins of a score of floats


@dataclass(frozen=True)
class Axis:
    """Bins in ascending order.

    values : (B,), what a bin stands for
    """

    values: Floats


@dataclass(frozen=True)
class Share:
    """A fraction p of a sample's weight, and how many events it is known as well as by.

    effective : n = p (1 - p) / var(p), var(p) = ((1 - p)^2 sum w^2 inside + p^2 sum w^2 outside) /
        (sum w)^2. It depends on which events are heavy; of p = 0 or 1, that of the whole sample.
    """

    value: float
    effective: float


@dataclass(frozen=True)
class Distribution:
    """Sums of weights and of their squares in every bin of an axis, (B,) each, of n events."""

    axis: Axis
    weights: Floats
    squares: Floats
    n: int

    @property
    def total(self) -> float:
        return float(self.weights.sum())

    @property
    def effective(self) -> float:
        """(sum w)^2 / sum w^2."""
        squares = float(self.squares.sum())
        return self.total**2 / squares if squares else 0.0

    @property
    def effective_cumulated(self) -> float:
        """Effective events of the cumulated distribution F: max F (1 - F) / max var(F), which is n
        for weights that are all alike."""
        f = np.minimum(np.cumsum(self.fractions), 1.0)
        variance = self._variance(f, np.cumsum(self.squares))
        largest = float((f * (1 - f)).max())
        return largest / float(variance.max()) if largest > 0 else self.effective

    def share(self, bins: npt.NDArray[np.bool_]) -> Share:
        """What is in some bins, (B,)."""
        return self.share_of(float(self.weights[bins].sum()), float(self.squares[bins].sum()))

    def share_of(self, weight: float, squares: float) -> Share:
        """What events of this sum of weights, and of their squares, are of all."""
        p = min(weight / self.total, 1.0)
        variance = float(self._variance(np.array(p), np.array(squares)))
        return Share(p, p * (1 - p) / variance if 0 < p < 1 else self.effective)

    def _variance(self, p: Floats, inside: Floats) -> Floats:
        """Of fractions p whose events have these sums of squared weights."""
        outside = np.maximum(self.squares.sum() - inside, 0.0)
        return np.asarray(((1 - p) ** 2 * inside + p**2 * outside) / self.total**2)

    @property
    def fractions(self) -> Floats:
        return self.weights / self.total

    @property
    def mean(self) -> float:
        return float(self.fractions @ self.axis.values)

    @property
    def deviation(self) -> float:
        return float(np.sqrt(self.fractions @ (self.axis.values - self.mean) ** 2))


class IntegerCounts:
    """Distributions of some columns of integers of one format; wide ones share bins of 2^k."""

    def __init__(self, columns: int, kind: Fixed, bits: int = INPUT_BITS) -> None:
        self._low = kind.min_mantissa
        self._shift = max(kind.width - bits, 0)
        self._bins = ((kind.max_mantissa - self._low) >> self._shift) + 1
        step = 1 << self._shift
        lows = self._low + step * np.arange(self._bins, dtype=np.float64)
        self.axis = Axis((lows + (step - 1) / 2) * kind.lsb)
        self._weights = np.zeros((columns, self._bins))
        self._squares = np.zeros((columns, self._bins))
        self.n = 0

    def add(self, mantissas: Integers, weights: Floats) -> None:
        """Mantissas (N, columns) of events of such weights (N,)."""
        columns = len(self._weights)
        bins = (mantissas - self._low) >> self._shift
        flat = (bins + self._bins * np.arange(columns)).ravel()
        for sums, values in ((self._weights, weights), (self._squares, weights**2)):
            each = np.repeat(values, columns)
            sums += np.bincount(flat, each, minlength=sums.size).reshape(sums.shape)
        self.n += len(mantissas)

    def distribution(self, column: int) -> Distribution:
        return Distribution(self.axis, self._weights[column], self._squares[column], self.n)


class FloatCounts:
    """The distribution of a score of floats, in bins that hold equal parts of a reference.

    A bin stands for the mean of what is in it, which in the outermost may be far beyond the
    reference.
    """

    def __init__(self, reference: Floats) -> None:
        """reference : scores (N,), some thousands."""
        inner = np.unique(np.quantile(reference, np.linspace(0, 1, QUANTILES + 1)[1:-1]))
        ends = np.concatenate([[reference.min()], inner, [reference.max()]])
        self._edges = inner
        self._middles = (ends[1:] + ends[:-1]) / 2
        self._weights, self._squares, self._sums = np.zeros((3, len(self._middles)))
        self.n = 0

    def add(self, scores: Floats, weights: Floats) -> None:
        """Scores (N,); InputError for one that is no number, or infinite."""
        bad = np.flatnonzero(~np.isfinite(scores))
        if len(bad):
            raise InputError(
                f"{len(bad)} scores are NaN or infinite, the first in row {self.n + int(bad[0])}: "
                "the model cannot be used on these events"
            )
        bins = np.searchsorted(self._edges, scores, side="right")
        self._weights += np.bincount(bins, weights, minlength=len(self._weights))
        self._squares += np.bincount(bins, weights**2, minlength=len(self._weights))
        self._sums += np.bincount(bins, weights * scores, minlength=len(self._weights))
        self.n += len(scores)

    def distribution(self) -> Distribution:
        values = self._middles.copy()
        np.divide(self._sums, self._weights, out=values, where=self._weights > 0)
        return Distribution(Axis(values), self._weights, self._squares, self.n)
