"""The trigger's view of crossings: collisions, towers, trigger objects and calorimeter regions."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.training.simulate import calibration, overlay, towers
from naetrigger.training.simulate.calibration import Calibration
from naetrigger.training.simulate.overlay import PileUp
from naetrigger.training.simulate.particles import Floats, Integers, Particles
from naetrigger.training.simulate.pool import Pool, read_pool
from naetrigger.training.simulate.regions import regions
from naetrigger.training.simulate.trigger_objects import (
    JETS,
    MUONS,
    calorimeter_objects,
    muon_objects,
)

BATCH = 100  # crossings whose towers are in memory at a time: 10 MB
HT_MIN_PT, HT_MAX_ETA = 60, 55  # hardware integers: 30 GeV, |eta| < 2.4

CONTEXT_COLUMNS = ("n_pileup", "mean_pileup", "ht", "pool_event")
CONTEXT_UNITS = ("1", "1", "GeV", "1")


@dataclass(frozen=True)
class TriggerView:
    """What the trigger sees of N crossings.

    objects : (N, 19, 3) int16, pt, eta, phi in hardware integers (trigger_objects.py)
    regions : (N, 18, 14) uint16, in 0.5 GeV (regions.py)
    weights : (N,) natural over sampling probability, mean 1; all 1 where particles were given
    mean_pileup, n_pileup : (N,) expected and drawn number of collisions
    pool_event : (N,) index into the pool of the hardest pile-up collision, -1: none
    """

    objects: npt.NDArray[np.int16]
    regions: npt.NDArray[np.uint16]
    weights: Floats
    mean_pileup: Floats
    n_pileup: Integers
    pool_event: Integers

    def __len__(self) -> int:
        return len(self.weights)

    def select(self, rows: slice | npt.NDArray[np.bool_]) -> TriggerView:
        """Some of the crossings."""
        return TriggerView(*(getattr(self, f.name)[rows] for f in fields(self)))

    @property
    def ht(self) -> Floats:
        """Sum of the pT of jets above 30 GeV with |eta| < 2.4, GeV, shape (N,)."""
        pt, eta = self.objects[:, JETS, 0], self.objects[:, JETS, 1]
        counted = (pt > HT_MIN_PT) & (np.abs(eta) < HT_MAX_ETA)
        total: Floats = np.where(counted, pt, 0).sum(axis=1) * towers.LSB_GEV
        return total

    def context(self) -> npt.NDArray[np.float32]:
        """The columns of CONTEXT_COLUMNS, shape (N, 4)."""
        columns = (self.n_pileup, self.mean_pileup, self.ht, self.pool_event)
        return np.stack(columns, axis=1).astype(np.float32)


def joined(views: list[TriggerView]) -> TriggerView:
    """One after the other."""
    return TriggerView(
        *(np.concatenate([getattr(v, f.name) for v in views]) for f in fields(TriggerView))
    )


class TriggerDetector:
    """Pile-up, towers and trigger algorithms.

    pool : pile-up collisions (default: the shipped ones)
    pileup : distribution of the mean pile-up
    scales : energy scales (default: the shipped ones)
    rare_fraction : of zero-bias crossings, the part that gets a rare collision added; see overlay
    """

    def __init__(
        self,
        pool: Pool | None = None,
        pileup: PileUp | None = None,
        scales: Calibration | None = None,
        rare_fraction: float = 0.5,
    ) -> None:
        self.pool = pool if pool is not None else read_pool()
        self.pileup = pileup if pileup is not None else PileUp()
        self.scales = scales if scales is not None else calibration.shipped()
        self.rare_fraction = rare_fraction

    def observe(
        self, particles: Particles | None, n_events: int, rng: np.random.Generator
    ) -> TriggerView:
        """Crossings of zero bias (None), or of the given events, each with pile-up around it.

        The result depends on the generator, the particles and `n_events` alone. Pile-up around
        given events is drawn naturally: their weights here are 1.
        """
        if particles is None:
            return joined(
                [
                    self._crossings(None, min(BATCH, n_events - first), rng)
                    for first in range(0, max(n_events, 1), BATCH)
                ]
            )
        if particles.n_events != n_events:
            raise InputError(f"{particles.n_events} events of particles given, not {n_events}")
        signal = _Signal.of(particles)
        return joined(
            [
                self._crossings(
                    signal.part(first, first + BATCH), min(BATCH, n_events - first), rng
                )
                for first in range(0, max(n_events, 1), BATCH)
            ]
        )

    def _crossings(self, signal: _Signal | None, n: int, rng: np.random.Generator) -> TriggerView:
        fraction = self.rare_fraction if signal is None else 0.0
        mean_pileup = self.pileup.draw(n, rng)
        crossings = overlay.draw_crossings(self.pool, mean_pileup, fraction, rng)
        em = np.zeros((n, towers.N_ETA, towers.N_PHI), np.float32)
        had = np.zeros_like(em)
        muon_event, muons = overlay.collision_muons(self.pool, crossings)
        if signal is not None:
            signal.add_to(em, had)
            muon_event = np.concatenate([muon_event, signal.muon_event])
            muons = np.concatenate([muons, signal.muons])
        overlay.add_collisions(self.pool, crossings, em, had)
        em_counts, had_counts = towers.digitise(em, had, rng)
        objects = calorimeter_objects(em_counts, had_counts, self.scales)
        objects[:, MUONS] = muon_objects(muon_event, muons, n, rng)
        return TriggerView(
            objects=objects,
            regions=regions(em_counts.astype(np.int32) + had_counts),
            weights=crossings.weights,
            mean_pileup=mean_pileup,
            n_pileup=crossings.n_pileup,
            pool_event=overlay.hardest_collision(self.pool, crossings),
        )


@dataclass(frozen=True)
class _Signal:
    """Deposits and muons of given events, in the order of their events."""

    deposits: towers.Deposits
    muon_event: Integers
    muons: Floats

    @classmethod
    def of(cls, particles: Particles) -> _Signal:
        muon = np.abs(particles.pdg_id) == towers.MUON
        kinematics = (particles.pt[muon], particles.eta[muon], particles.phi[muon])
        return cls(towers.deposit(particles), particles.event[muon], np.stack(kinematics, axis=1))

    def part(self, start: int, end: int) -> _Signal:
        """Events start to end, counted from start."""
        d = self.deposits
        rows = slice(*np.searchsorted(d.event, [start, end]))
        muons = slice(*np.searchsorted(self.muon_event, [start, end]))
        deposits = towers.Deposits(d.event[rows] - start, d.tower[rows], d.em[rows], d.had[rows])
        return _Signal(deposits, self.muon_event[muons] - start, self.muons[muons])

    def add_to(self, em: npt.NDArray[np.float32], had: npt.NDArray[np.float32]) -> None:
        """Add to dense towers (B, 80, 72) GeV."""
        flat = self.deposits.event * towers.N_TOWERS + self.deposits.tower
        for dense, energy in ((em, self.deposits.em), (had, self.deposits.had)):
            dense += np.bincount(flat, energy, dense.size).reshape(dense.shape).astype(np.float32)
