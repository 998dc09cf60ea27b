"""Pile-up: many collisions of the pool laid over each other in one bunch crossing, with weights.

A crossing holds Poisson(mu) collisions, each from stratum s with probability p_s: n_s of them is
Poisson(mu p_s). Crossings with a rare stratum are what a trigger sees, so a fraction f of all
crossings gets one collision more, of stratum s with probability g_s. By Slivnyak's theorem adding
a point to a Poisson process multiplies its density by n_s / (mu p_s), so crossings follow

    sampled(x) = natural(x) [1 - f + f sum_s g_s n_s / (mu p_s)]

and weigh the inverse of the bracket. Weighted means are those of natural crossings, exactly and at
any pile-up, those with two hard collisions included; no weight exceeds 1 / (1 - f), their mean is 1
(the balance heuristic of Veach and Guibas, 1995, for the two ways of drawing a crossing).

Every collision is turned by a random number of towers in phi and mirrored in eta half of the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.training.simulate.particles import Floats, Integers
from naetrigger.training.simulate.pool import Pool
from naetrigger.training.simulate.towers import N_ETA, N_PHI, N_TOWERS

RARE = 0.004  # strata below this probability (0.2 collisions a crossing at 50) are worth adding


@dataclass(frozen=True)
class PileUp:
    """Mean number of collisions of a crossing: a Gaussian over crossings, clipped at both ends.

    Defaults: about what CMS saw in 2018 at the start of a fill; width 0 gives a fixed mean.
    """

    mean: float = 50.0
    width: float = 10.0
    low: float = 20.0
    high: float = 80.0

    def __post_init__(self) -> None:
        if not (0 <= self.low <= self.mean <= self.high <= 1000 and self.width >= 0):
            raise InputError(
                "pile-up: needs 0 <= low <= mean <= high <= 1000 and width >= 0, got "
                f"mean {self.mean}, width {self.width}, low {self.low}, high {self.high}"
            )

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        """Means of n crossings, shape (n,)."""
        return np.clip(rng.normal(self.mean, self.width, n), self.low, self.high)


@dataclass(frozen=True)
class Crossings:
    """Which collisions make up B crossings, C of them in all, in the order of their crossings.

    crossing : (C,); pool_event : (C,) index into the pool
    turn : (C,) towers in phi, 0..71; flip : (C,) mirrored in eta
    n_pileup : (B,) number of collisions; mean_pileup : (B,)
    weights : (B,) natural over sampling probability, mean 1
    """

    crossing: Integers
    pool_event: Integers
    turn: Integers
    flip: npt.NDArray[np.bool_]
    n_pileup: Integers
    mean_pileup: Floats
    weights: Floats


def draw_crossings(
    pool: Pool, mean_pileup: Floats, rare_fraction: float, rng: np.random.Generator
) -> Crossings:
    """Crossings of the given mean pile-ups, shape (B,); `rare_fraction` is f above, in [0, 1)."""
    if not 0 <= rare_fraction < 1:
        raise InputError(f"rare_fraction: must be at least 0 and below 1, got {rare_fraction}")
    n = len(mean_pileup)
    probability, first = pool.probabilities, pool.first_event
    natural = rng.poisson(mean_pileup)
    stratum = _choose(probability, natural.sum(), rng)
    share = shares(pool)
    can_add = (mean_pileup > 0) & (share.sum() > 0)
    added = (rng.random(n) < rare_fraction) & can_add
    extra = _choose(share, added.sum(), rng) if added.any() else np.zeros(0, np.int64)

    crossing = np.concatenate([np.repeat(np.arange(n), natural), np.flatnonzero(added)])
    stratum = np.concatenate([stratum, extra])
    order = np.argsort(crossing, kind="stable")
    crossing, stratum = crossing[order], stratum[order]

    # sum_s g_s n_s / p_s: each collision adds g_s / p_s of its stratum
    ratio = np.divide(share, probability, out=np.zeros_like(share), where=probability > 0)
    score = np.bincount(crossing, ratio[stratum], n) / np.maximum(mean_pileup, 1e-9)
    bracket = 1 - rare_fraction + rare_fraction * score
    size = np.diff(first)[stratum]
    return Crossings(
        crossing=crossing,
        pool_event=first[stratum] + (rng.random(len(stratum)) * size).astype(np.int64),
        turn=rng.integers(0, N_PHI, len(stratum)),
        flip=rng.integers(0, 2, len(stratum)).astype(bool),
        n_pileup=natural + added,
        mean_pileup=mean_pileup,
        weights=np.where(can_add, 1 / bracket, 1.0),
    )


def shares(pool: Pool) -> Floats:
    """g_s: the same for every rare stratum, zero for the common ones; shape (S,)."""
    rare = (pool.probabilities < RARE) & (pool.probabilities > 0)
    share: Floats = rare / max(rare.sum(), 1)
    return share


def _choose(probability: Floats, n: int, rng: np.random.Generator) -> Integers:
    edges = np.cumsum(probability)
    found: Integers = np.searchsorted(edges, rng.random(n) * edges[-1], side="right")
    return found.clip(max=len(edges) - 1)


def add_collisions(pool: Pool, crossings: Crossings, em: Any, had: Any) -> None:
    """Add the collisions' energies to dense towers em and had, shape (B, 80, 72) float32 GeV."""
    _add(
        crossings.crossing,
        crossings.pool_event,
        crossings.turn,
        crossings.flip,
        pool.first,
        pool.tower,
        pool.em,
        pool.had,
        em.reshape(-1, N_TOWERS),
        had.reshape(-1, N_TOWERS),
    )


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _add(
    crossing: Any,
    pool_event: Any,
    turn: Any,
    flip: Any,
    first: Any,
    tower: Any,
    pool_em: Any,
    pool_had: Any,
    em: Any,
    had: Any,
) -> None:
    for c in range(len(crossing)):
        b, event = crossing[c], pool_event[c]
        for i in range(first[event], first[event + 1]):
            row, column = divmod(tower[i], N_PHI)
            if flip[c]:
                row = N_ETA - 1 - row
            column += turn[c]
            if column >= N_PHI:
                column -= N_PHI
            target = row * N_PHI + column
            em[b, target] += pool_em[i]
            had[b, target] += pool_had[i]


def collision_muons(pool: Pool, crossings: Crossings) -> tuple[Integers, Floats]:
    """True muons of the collisions: (M,) crossings, ascending, and (M, 3) pt in GeV, eta, phi."""
    event = crossings.pool_event
    counts = pool.first_muon[event + 1] - pool.first_muon[event]
    collision = np.repeat(np.arange(len(event)), counts)
    within = np.arange(len(collision)) - np.repeat(np.cumsum(counts) - counts, counts)
    muons = pool.muons[pool.first_muon[event[collision]] + within].astype(np.float64)
    muons[:, 1] *= np.where(crossings.flip[collision], -1, 1)
    muons[:, 2] += crossings.turn[collision] * (2 * np.pi / N_PHI)
    return crossings.crossing[collision], muons


def hardest_collision(pool: Pool, crossings: Crossings) -> Integers:
    """Pool event of each crossing's hardest collision, shape (B,); -1 where there is none."""
    n = len(crossings.n_pileup)
    order = np.lexsort((pool.hardness[crossings.pool_event], crossings.crossing))
    last = np.cumsum(np.bincount(crossings.crossing, minlength=n)) - 1
    found = np.full(n, -1, np.int64)
    some = crossings.n_pileup > 0
    found[some] = crossings.pool_event[order][last[some]]
    return found


def effective_pool_events(weights: Floats, pool_events: Integers) -> float:
    """How many distinct pool events a weighted selection of crossings rests on.

    (sum W)^2 / sum W^2, W being the weight that each pool event has in all crossings it is the
    hardest collision of: the statistical power of a tail is that of this many events, however
    many crossings are made from them. Shapes (N,); crossings without a collision (-1) are left out.
    """
    counted = pool_events >= 0
    if not counted.any():
        return 0.0
    total = np.bincount(pool_events[counted], weights[counted])
    return float(total.sum() ** 2 / np.sum(total**2))
