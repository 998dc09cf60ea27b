"""Measures of a tagger of which nobody knows the signal: at low rates, not over the whole curve.

Finke et al., arXiv:2104.09051, ask for them because an area under the whole curve is decided where
no trigger works, and because a system must do both tasks, tops among QCD jets and QCD among tops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from naetrigger.validation.efficiency import Scored, auc, auc_replicas, resample_counts
from naetrigger.validation.rejection import (
    Curve,
    mean_efficiency,
    rejection,
    significance_improvement,
)

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
    """All of a score's measures; the error is that of the two samples, by bootstrap.

    A rejection is at most the number of background events, where none of them is left.
    """
    rng = np.random.default_rng(seed)
    b, s = (resample_counts(x.event_ids, replicas, rng) for x in (background, signal))
    curve = Curve.of(background, signal)
    best = significance_improvement(curve, background, signal, FEWEST, (b, s))
    efficiencies = curve.efficiencies(background.weights, signal.weights)
    found = (rejection(background, signal, e).value for e in SIGNAL_EFFICIENCIES)
    return Measures(
        auc(background, signal),
        float(auc_replicas(background, signal, (b, s)).std(ddof=1)),
        tuple(len(background.scores) if value is None else value for value in found),
        float("nan") if best is None else best.value,
        mean_efficiency(*efficiencies, up_to=LOW),
    )
