"""Rates of single thresholds against mean pile-up, with the error of the finite pool."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.events import Events
from naetrigger.training.simulate.overlay import effective_pool_events
from shipped_samples import collisions, in_gev

THRESHOLDS = (
    ("leading jet", "jet1_pt", 60),
    ("leading jet", "jet1_pt", 120),
    ("HT", "ht", 200),
    ("missing ET", "met_pt", 80),
    ("leading e/gamma", "eg1_pt", 20),
    ("leading muon", "mu1_pt", 7),
)
PILE_UP = np.array([20.0, 38.0, 44.0, 48.0, 52.0, 56.0, 62.0, 80.0])


@dataclass(frozen=True)
class Rate:
    """Rate of a threshold if all crossings had this pile-up, and what it rests on.

    error : Poisson over pool events, each with the weight of all crossings it is the hardest of
    """

    khz: float
    error: float
    effective_pool_events: float


def rate(zero_bias: Events, passing: npt.NDArray[np.bool_]) -> Rate:
    """Crossing rate times weighted fraction of crossings."""
    scale = float(zero_bias.attributes["crossing_rate_khz"]) / zero_bias.weights.sum()
    w, pool = zero_bias.weights[passing], collisions(zero_bias)[passing].astype(np.int64)
    per_event = np.bincount(pool, w) if len(pool) else np.zeros(1)
    return Rate(
        float(scale * per_event.sum()),
        float(scale * np.sqrt(np.sum(per_event**2))),
        effective_pool_events(w, pool),
    )


def rates_by_pile_up(zero_bias: Events, column: str, threshold: float) -> list[Rate]:
    """One rate for each bin of PILE_UP."""
    bins = np.digitize(zero_bias.column("mean_pileup"), PILE_UP[1:-1])
    found = []
    for index in range(len(PILE_UP) - 1):
        here = zero_bias.select(bins == index)
        found.append(rate(here, in_gev(here, column) >= threshold))
    return found


def rates_markdown(zero_bias: Events) -> str:
    """Rate ± error (effective pool events), kHz, a row a threshold."""
    titles = [f"{a:.0f} to {b:.0f}" for a, b in pairwise(PILE_UP)]
    rows = [f"| at least / GeV | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for name, column, threshold in THRESHOLDS:
        cells = [
            f"{r.khz:.3g} ± {r.error:.1g} ({r.effective_pool_events:.0f})"
            for r in rates_by_pile_up(zero_bias, column, threshold)
        ]
        rows.append(f"| {name} {threshold} | {' | '.join(cells)} |")
    return "\n".join(rows)
