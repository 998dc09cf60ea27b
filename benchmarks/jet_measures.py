"""Measures of a tagger of which nobody knows the signal: at low rates, not over the whole curve.

Finke et al., arXiv:2104.09051, ask for them because an area under the whole curve is decided where
no trigger works, and because a system must do both tasks, tops among QCD jets and QCD among tops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from naetrigger.validation.efficiency import Roc, auc, auc_replicas, resample_counts, roc, scored
from naetrigger.validation.efficiency import Scored as Scored

SIGNAL_EFFICIENCIES = (0.1, 0.3, 0.5)
LOW = 0.1  # background efficiency up to which the low-rate area counts
FEWEST = 20  # background events that a significance improvement must rest on


@dataclass(frozen=True)
class Measures:
    """auc, its bootstrap error, 1/e_B at SIGNAL_EFFICIENCIES, max e_S/sqrt(e_B), low-rate area."""

    auc: float
    error: float
    rejection: tuple[float, ...]
    significance: float
    low_rate: float


def measures(background: Scored, signal: Scored, replicas: int = 100, seed: int = 0) -> Measures:
    """All of a score's measures; the error is that of the two samples, by bootstrap."""
    curve = roc(background, signal)
    rng = np.random.default_rng(seed)
    counts = tuple(resample_counts(x.event_ids, replicas, rng) for x in (background, signal))
    return Measures(
        auc(background, signal),
        float(auc_replicas(background, signal, (counts[0], counts[1])).std(ddof=1)),
        tuple(rejection(curve, e, len(background.scores)) for e in SIGNAL_EFFICIENCIES),
        significance(curve, FEWEST / len(background.scores)),
        low_rate_area(curve, LOW),
    )


def rejection(curve: Roc, signal_efficiency: float, n_background: int) -> float:
    """1 / e_B of the tightest cut that keeps this share of the signal; n_background at most."""
    first = int(np.searchsorted(curve.signal_efficiency, signal_efficiency))
    return 1 / max(float(curve.background_efficiency[first]), 1 / n_background)


def significance(curve: Roc, least: float) -> float:
    """The greatest e_S / sqrt(e_B) of cuts that keep the share `least` of the background."""
    kept = curve.background_efficiency >= least
    return float(np.max(curve.signal_efficiency[kept] / curve.background_efficiency[kept] ** 0.5))


def low_rate_area(curve: Roc, highest: float) -> float:
    """Mean e_S over e_B from 0 to `highest`; a coin's is highest / 2."""
    x = np.concatenate([[0.0], curve.background_efficiency])
    y = np.concatenate([[0.0], curve.signal_efficiency])
    end = float(np.interp(highest, x, y))
    inside = x < highest
    return float(np.trapezoid(np.append(y[inside], end), np.append(x[inside], highest)) / highest)


__all__ = ["Measures", "Scored", "low_rate_area", "measures", "rejection", "scored", "significance"]
