"""How often intervals of rates and thresholds hold the truth, against what they promise.

    python benchmarks/interval_coverage.py --experiments 2000

Every experiment draws crossings whose scores have a known tail. `exact` is the coverage summed from
the binomial distribution, where crossings are simply counted; measured and exact must agree within
3 standard deviations of `experiments` trials. Weighted crossings and crossings of a pool have no
exact coverage; theirs is to be no smaller than nominal within 3 standard deviations.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from naetrigger.validation.intervals import (
    CONFIDENCES,
    clopper_pearson_coverage,
    order_coverage,
)
from naetrigger.validation.rates import threshold_interval
from naetrigger.validation.tail import Sample, fraction_of, tail_of

LSB = 1e-4  # of the score: ties are rare
Generator = np.random.Generator


@dataclass(frozen=True)
class Case:
    """A population of scores.

    draw : n crossings; threshold : the lowest integer at which at most p of them pass
    """

    name: str
    n: int
    p: float
    draw: Callable[[Generator, int], Sample]
    quantile: Callable[[float], float]
    counted: bool = True

    @property
    def threshold(self) -> int:
        return int(np.ceil(self.quantile(self.p) / LSB))


def counted(distribution: object) -> Callable[[Generator, int], Sample]:
    """Crossings of weight one."""

    def draw(rng: Generator, n: int) -> Sample:
        values = distribution.rvs(size=n, random_state=rng)  # type: ignore[attr-defined]
        return Sample(np.floor(values / LSB).astype(np.int64), np.ones(n))

    return draw


def importance(rng: Generator, n: int) -> Sample:
    """An exponential tail sampled from one half as steep, in half of the crossings.

    The balance heuristic: weight e^-x / (e^-x / 2 + e^(-x/2) / 4).
    """
    x = np.where(rng.random(n) < 0.5, rng.exponential(1, n), rng.exponential(2, n))
    weights = np.exp(-x) / (0.5 * np.exp(-x) + 0.25 * np.exp(-x / 2))
    return Sample(np.floor(x / LSB).astype(np.int64), weights)


def pooled(rng: Generator, n: int) -> Sample:
    """Crossings made from a pool of n / 4 events, whose score is the event's and its own."""
    pool = rng.exponential(1, n // 4)
    event = rng.integers(0, len(pool), n)
    x = np.maximum(pool[event], rng.exponential(0.5, n))
    return Sample(np.floor(x / LSB).astype(np.int64), np.ones(n), event)


def pooled_quantile(p: float) -> float:
    """Where P(max(X, Y) >= t) = p for exponentials of mean 1 and 1/2."""
    grid = np.linspace(0, 40, 400_001)
    above = 1 - (1 - np.exp(-grid)) * (1 - np.exp(-2 * grid))
    return float(np.interp(-p, -above, grid))


CASES = (
    Case("exponential", 3000, 0.02, counted(stats.expon()), stats.expon().isf),
    Case("exponential, rarer", 20_000, 0.002, counted(stats.expon()), stats.expon().isf),
    Case("Gaussian", 3000, 0.05, counted(stats.norm()), stats.norm().isf),
    Case("Pareto, xi = 1/3", 3000, 0.02, counted(stats.pareto(3)), stats.pareto(3).isf),
    Case("exponential, weighted", 3000, 0.02, importance, stats.expon().isf, False),
    Case("maximum of two, pool", 12_000, 0.02, pooled, pooled_quantile, False),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--experiments", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print("| tail | crossings | fraction | interval of | nominal | exact | measured | pull |")
    print("|---|---|---|---|---|---|---|---|")
    worst = 0.0
    for i, case in enumerate(CASES):
        rng = np.random.default_rng((arguments.seed, i))
        for line, pull in measured(case, arguments.experiments, rng):
            print(line, flush=True)
            worst = max(worst, abs(pull) if case.counted else -pull)
    print(f"\nlargest disagreement: {worst:.2f} standard deviations (must be below 3)")


def measured(case: Case, experiments: int, rng: Generator) -> list[tuple[str, float]]:
    """A line for each interval and confidence, and its pull."""
    truth = case.threshold
    p = case.p
    hits = {(what, c): 0 for what in ("the fraction", "the threshold") for c in CONFIDENCES}
    for _ in range(experiments):
        sample = case.draw(rng, case.n)
        tail = tail_of(sample, min(5 * p, 1.0))
        fraction = fraction_of(sample, sample.scores >= truth)
        for c in CONFIDENCES:
            low, high = fraction.interval(c)
            hits["the fraction", c] += low <= p <= high
            ends = threshold_interval(tail, p, c)
            hits["the threshold", c] += ends is not None and ends[0] <= truth <= ends[1]
    lines = []
    for (what, c), n in hits.items():
        exact = None
        if case.counted:
            coverage = clopper_pearson_coverage if what == "the fraction" else order_coverage
            exact = coverage(case.n, p, c)
        expected = c if exact is None else exact
        pull = (n / experiments - expected) / np.sqrt(expected * (1 - expected) / experiments)
        shown = "-" if exact is None else f"{exact:.4f}"
        cells = f"{case.name} | {case.n} | {p:g} | {what} | {c:g} | {shown}"
        lines.append((f"| {cells} | {n / experiments:.4f} | {pull:+.2f} |", float(pull)))
    return lines


if __name__ == "__main__":
    main()
