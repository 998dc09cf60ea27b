"""Is a distribution still the reference's? Kolmogorov-Smirnov, Wasserstein, chi2, dead and hot.

Many events make any difference significant, so a flag takes both: a p-value, corrected for all
tests (Holm, Scand. J. Stat. 6 (1979) 65), below `alpha`, and an effect of at least `min_effect`:
the Wasserstein distance in standard deviations of the reference, or Cohen's w of the chi2 test
(Statistical Power Analysis for the Behavioral Sciences, 1988; 0.1 is called small).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from naetrigger.validation.distributions import Distribution, Floats, Share
from naetrigger.validation.monitor_schema import Drift, Flag, Moments

BINS = 40  # of a chi2 test at most, of about equal parts of both samples
MIN_EXPECTED = 10.0  # events of the smaller sample in such a bin
TAIL = 0.01  # of the reference
FREQUENT = 0.05  # of the reference at one value, for its occupancy to mean anything
EXACT_BELOW = 100.0  # expected events of the rarer kind in the smaller sample
FACTOR = 5.0  # between occupancies, or tails, of a dead or hot input


@dataclass(frozen=True)
class Compared:
    """The tests of one quantity, uncorrected."""

    name: str
    reference: Moments
    found: Moments
    ks: float
    ks_p: float
    wasserstein: float
    chi2: float
    degrees: int
    chi2_p: float
    effect: float
    occupancy_p: float
    tail_p: float

    @property
    def p_values(self) -> tuple[float, ...]:
        return self.ks_p, self.chi2_p, self.occupancy_p, self.tail_p


def compared(name: str, reference: Distribution, found: Distribution) -> Compared:
    """One quantity of a file and the reference, on one axis."""
    n = _together(reference.effective, found.effective)
    n_ks = _together(reference.effective_cumulated, found.effective_cumulated)
    steps = np.cumsum(reference.fractions) - np.cumsum(found.fractions)
    ks = float(np.abs(steps).max())
    chi2, degrees = _chi2(reference, found)
    bins, mode = np.arange(len(reference.weights)), int(np.argmax(reference.weights))
    often = reference.fractions[mode] >= FREQUENT
    masks = (bins != mode) | (not often), bins >= _tail_from(reference)
    both = (reference, found)
    occupancies, tails = ([each.share(mask) for each in both] for mask in masks)
    moments = [
        Moments(
            events=each.n,
            effective=each.effective,
            mean=each.mean,
            deviation=each.deviation,
            occupancy=occupancy.value,
            tail=tail.value,
        )
        for each, occupancy, tail in zip(both, occupancies, tails, strict=True)
    ]
    return Compared(
        name=name,
        reference=moments[0],
        found=moments[1],
        ks=ks,
        ks_p=float(stats.kstwobign.sf(ks * np.sqrt(n_ks))),
        wasserstein=_wasserstein(reference, found),
        chi2=chi2,
        degrees=degrees,
        chi2_p=float(stats.chi2.sf(chi2, degrees)) if degrees else 1.0,
        effect=float(np.sqrt(max(chi2 - degrees, 0.0) / n)),
        occupancy_p=equal_fractions_p(*occupancies),
        tail_p=equal_fractions_p(*tails),
    )


def judged(
    one: Compared, corrected: Sequence[float], alpha: float, min_effect: float, is_input: bool
) -> Drift:
    """The flags of a quantity.

    corrected : its p-values, in the order of `Compared.p_values`, corrected for all tests
    """
    ks_p, chi2_p, occupancy_p, tail_p = corrected
    flags: list[Flag] = []
    stuck = one.found.deviation == 0 and one.reference.deviation > 0
    if stuck and min(corrected) < alpha:  # few events may lack what is rare
        flags.append("dead" if is_input else "constant")
    elif is_input and _fell(one.reference.occupancy, one.found.occupancy) and occupancy_p < alpha:
        flags.append("dead")
    if is_input and (
        (_fell(one.found.occupancy, one.reference.occupancy) and occupancy_p < alpha)
        or (_fell(one.found.tail, one.reference.tail) and tail_p < alpha)
    ):
        flags.append("hot")
    moved = ks_p < alpha and one.wasserstein >= min_effect
    if moved or (chi2_p < alpha and one.effect >= min_effect):
        flags.append("drift")
    return Drift(
        name=one.name,
        reference=one.reference,
        found=one.found,
        ks=one.ks,
        ks_p=one.ks_p,
        wasserstein=one.wasserstein,
        chi2=one.chi2,
        degrees=one.degrees,
        chi2_p=one.chi2_p,
        effect=one.effect,
        p=min(corrected),
        flags=tuple(flags),
    )


def holm(p_values: Floats) -> Floats:
    """P-values corrected for their number, in the same order: each controls the chance of any
    false alarm at all."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return corrected


def equal_fractions_p(reference: Share, found: Share) -> float:
    """Two-sided p-value of equal fractions.

    Exact (Fisher) for few events of either kind, else by the normal approximation of pooled
    fractions.
    """
    old, n, new, m = reference.value, reference.effective, found.value, found.effective
    pooled = (old * n + new * m) / (n + m)
    if min(pooled, 1 - pooled) * min(n, m) < EXACT_BELOW:
        counts = [(round(share * events), round(events)) for share, events in ((old, n), (new, m))]
        table = np.array([[k, max(of - k, 0)] for k, of in counts])
        return float(stats.fisher_exact(table)[1])
    variance = pooled * (1 - pooled) * (1 / n + 1 / m)
    return float(2 * stats.norm.sf(abs(old - new) / np.sqrt(variance)))


def _together(n: float, m: float) -> float:
    return 1 / (1 / n + 1 / m)


def _fell(before: float, after: float) -> bool:
    return before > FACTOR * after


def _wasserstein(reference: Distribution, found: Distribution) -> float:
    """In standard deviations of the reference; of a constant one in steps of the axis."""
    values = reference.axis.values
    distance = stats.wasserstein_distance(
        values, found.axis.values, reference.weights, found.weights
    )
    step = float(values[1] - values[0]) if len(values) > 1 else 0.0
    return float(distance / (reference.deviation or step or abs(reference.mean) or 1.0))


def _chi2(reference: Distribution, found: Distribution) -> tuple[float, int]:
    """Of fractions of weighted events in merged bins, and its degrees of freedom.

    The variance of a bin is that of the pooled fraction, as Pearson's: a bin that happens to be
    empty is not known without error.
    """
    samples = (reference, found)
    shares = np.array([each.effective for each in samples])
    shares /= shares.sum()
    pooled = shares[0] * reference.fractions + shares[1] * found.fractions
    groups = _merged(pooled, min(each.effective for each in samples))
    expected = np.bincount(groups, pooled)
    fractions, variance = [], np.zeros_like(expected)
    for each in samples:
        own = np.bincount(groups, each.fractions)
        squares = np.bincount(groups, each.squares) / each.total**2
        by_event = np.full_like(own, 1 / each.effective)  # mean squared weight over mean weight
        np.divide(squares, own, out=by_event, where=own > 0)
        variance += expected * by_event
        fractions.append(own)
    return float(np.sum((fractions[0] - fractions[1]) ** 2 / variance)), len(expected) - 1


def _merged(pooled: Floats, smaller: float) -> npt.NDArray[np.int64]:
    """Number of the merged bin of each bin: about equal parts, and enough of the smaller sample."""
    parts = int(max(min(BINS, smaller / MIN_EXPECTED), 2))
    before = np.cumsum(pooled) - pooled  # the middle of a bin decides, so large ones stay alone
    part = np.minimum(((before + pooled / 2) * parts).astype(np.int64), parts - 1)
    groups, held = np.zeros(parts, np.int64), 0.0
    for i, content in enumerate(np.bincount(part, pooled, minlength=parts)):
        groups[i] = groups[i - 1] + (held >= MIN_EXPECTED) if i else 0
        held = content * smaller + (0.0 if held >= MIN_EXPECTED else held)
    if held < MIN_EXPECTED:  # too little is left for a bin of its own
        groups = np.minimum(groups, max(groups[-1] - 1, 0))
    return np.asarray(groups[part])


def _tail_from(reference: Distribution) -> int:
    """The lowest bin at or above which at most TAIL of the reference lies."""
    above = np.cumsum(reference.fractions[::-1])[::-1]
    return int(np.searchsorted(-above, -TAIL, side="left"))
