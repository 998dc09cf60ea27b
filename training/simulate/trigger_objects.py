"""Trigger objects as CMS's Phase-1 Level-1 trigger makes them, simplified: 19 a crossing.

From tower counts of 0.5 GeV, in this order: missing ET (|eta| < 3); 4 e/gamma (3 x 5 towers, little
hadronic energy, isolated, |eta| < 2.5); 4 muons; 10 jets (9 x 9 towers around a local maximum, less
the pile-up seen in the donut around them). Each is pt, eta, phi in hardware integers, sorted by
falling pt; a missing object is three zeros. Scales: contracts/trigger_objects.py.

Sources: CMS Collaboration, JINST 15 (2020) P10017, arXiv:2006.10165 (algorithms); CMS Global
Trigger object scales.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from naetrigger.contracts.trigger_objects import KIND_OF_OBJECT, LIMITS, LSB
from naetrigger.training.simulate.calibration import Calibration
from naetrigger.training.simulate.particles import Floats, Integers
from naetrigger.training.simulate.towers import (
    END_CENTRAL,
    ETA_CENTRES,
    FIRST_CENTRAL,
    LSB_GEV,
    N_ETA,
    N_PHI,
)

N_EGAMMA, N_MUONS, N_JETS = 4, 4, 10
MET, EGAMMA, MUONS, JETS = 0, slice(1, 5), slice(5, 9), slice(9, 19)
N_OBJECTS = 19

CALORIMETER_PHI_STEPS = KIND_OF_OBJECT[MET].phi_steps
CALORIMETER_ETA_LSB, MUON_ETA_LSB = float(LSB[MET, 1]), float(LSB[MUONS.start, 1])
MUON_PHI_STEPS = KIND_OF_OBJECT[MUONS.start].phi_steps
MAX_MET, MAX_EGAMMA, MAX_MUON, MAX_JET = (
    int(LIMITS[first, 0, 1]) for first in (MET, EGAMMA.start, MUONS.start, JETS.start)
)

JET_SEED = 8  # counts: 4 GeV
JET_REACH, DONUT_WIDTH = 4, 3
EGAMMA_SEED, EGAMMA_LEAST = 4, 10  # 2 GeV, 5 GeV
EGAMMA_ETA = 2.5
MAX_HADRONIC = 0.1
ISOLATION_SHARE, ISOLATION_COUNTS = 0.2, 4
MUON_MIN_PT_GEV, MUON_MAX_ETA = 3.0, 2.4
MUON_EFFICIENCY, MUON_RESOLUTION = 0.92, 0.20

_ROW_ETA = np.round(ETA_CENTRES / CALORIMETER_ETA_LSB).astype(np.int16)
_EGAMMA_ROWS = np.abs(ETA_CENTRES) < EGAMMA_ETA
_PHI_CENTRES = (np.arange(N_PHI) + 0.5) * (2 * np.pi / N_PHI)
_COS, _SIN = np.cos(_PHI_CENTRES), np.sin(_PHI_CENTRES)
_MOST_CANDIDATES = 500


def calorimeter_objects(em: Any, had: Any, scales: Calibration) -> npt.NDArray[np.int16]:
    """Objects (B, 19, 3) from counts (B, 80, 72) of both parts; the muons are left at zero."""
    objects = np.zeros((len(em), N_OBJECTS, 3), np.int16)
    for event in range(len(em)):
        towers = em[event].astype(np.int32) + had[event]
        jets(towers, scales, objects[event, JETS])
        _egamma(
            em[event].astype(np.int32),
            had[event],
            towers,
            _EGAMMA_ROWS,
            scales.egamma_range,
            scales.egamma,
            _ROW_ETA,
            objects[event, EGAMMA],
        )
        objects[event, MET] = missing_et(towers, scales.met)
    return objects


def jets(towers: npt.NDArray[np.int32], scales: Calibration, out: npt.NDArray[np.int16]) -> None:
    """The K hardest jets of one crossing into out, shape (K, 3), from its towers (80, 72)."""
    _jets(towers, scales.jet_range, scales.jet_raw, scales.jet_pt, _ROW_ETA, out)


def missing_et(towers: Any, factor: float = 1.0) -> tuple[int, int, int]:
    """Minus the vector sum of the towers (80, 72) with |eta| < 3: pt, 0, phi in counts."""
    columns = towers[FIRST_CENTRAL:END_CENTRAL].sum(axis=0)
    x, y = -(columns @ _COS), -(columns @ _SIN)
    pt = min(round(float(np.hypot(x, y)) * factor), MAX_MET)
    if pt == 0:
        return 0, 0, 0
    phi = round(float(np.arctan2(y, x)) * CALORIMETER_PHI_STEPS / (2 * np.pi))
    return pt, 0, phi % CALORIMETER_PHI_STEPS


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _is_maximum(towers: Any, row: int, column: int, reach_eta: int, reach_phi: int) -> bool:
    """No neighbour is higher; of equal ones, that with the largest row, then column, wins."""
    centre = towers[row, column]
    for d_row in range(-reach_eta, reach_eta + 1):
        if not 0 <= row + d_row < N_ETA:
            continue
        for d_column in range(-reach_phi, reach_phi + 1):
            other = towers[row + d_row, (column + d_column) % N_PHI]
            after = d_row > 0 or (d_row == 0 and d_column > 0)
            if other > centre or (after and other == centre):
                return False
    return True


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _window(
    towers: Any, first_row: int, last_row: int, first_column: int, last_column: int
) -> tuple[int, int]:
    """Sum over a window, ends included, and how many of its towers exist; phi goes round."""
    total = count = 0
    for row in range(max(first_row, 0), min(last_row, N_ETA - 1) + 1):
        for column in range(first_column, last_column + 1):
            total += towers[row, column % N_PHI]
            count += 1
    return total, count


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def raw_jet(towers: Any, row: int, column: int) -> float:
    """Sum of 9 x 9 towers less pile-up, in counts.

    Pile-up is the mean of the four 3 x 9 strips around, the highest left out: it may hold another
    jet. Strips and towers beyond the last row do not count.
    """
    r, w = JET_REACH, DONUT_WIDTH
    core, n_core = _window(towers, row - r, row + r, column - r, column + r)
    highest, total, count = -1.0, 0, 0
    highest_sum, highest_count = 0, 0
    for side in range(4):
        if side == 0:
            s, n = _window(towers, row - r, row + r, column - r - w, column - r - 1)
        elif side == 1:
            s, n = _window(towers, row - r, row + r, column + r + 1, column + r + w)
        elif side == 2:
            s, n = _window(towers, row - r - w, row - r - 1, column - r, column + r)
        else:
            s, n = _window(towers, row + r + 1, row + r + w, column - r, column + r)
        total += s
        count += n
        if n > 0 and s / n > highest:
            highest, highest_sum, highest_count = s / n, s, n
    return float(core - (total - highest_sum) * n_core / (count - highest_count))


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _calibrated(raw: float, table_raw: Any, table_pt: Any) -> float:
    """Linear between the points; the ratio of the end points beyond them. raw in GeV."""
    last = len(table_raw) - 1
    if raw <= table_raw[0]:
        return float(raw * table_pt[0] / table_raw[0])
    for k in range(last):
        if raw < table_raw[k + 1]:
            slope = (table_pt[k + 1] - table_pt[k]) / (table_raw[k + 1] - table_raw[k])
            return float(table_pt[k] + slope * (raw - table_raw[k]))
    return float(raw * table_pt[last] / table_raw[last])


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _fill(pt: Any, row: Any, column: Any, n: int, largest: int, row_eta: Any, out: Any) -> None:
    """The highest of n candidates into out, shape (K, 3); the first of equal ones first."""
    for k in range(len(out)):
        best = -1
        for i in range(n):
            if pt[i] > 0 and (best < 0 or pt[i] > pt[best]):
                best = i
        if best < 0:
            return
        out[k, 0] = min(pt[best], largest)
        out[k, 1] = row_eta[row[best]]
        out[k, 2] = 2 * column[best] + 1
        pt[best] = 0


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _jets(towers: Any, ranges: Any, table_raw: Any, table_pt: Any, row_eta: Any, out: Any) -> None:
    pt = np.zeros(_MOST_CANDIDATES, np.int64)
    rows, columns = np.zeros(_MOST_CANDIDATES, np.int64), np.zeros(_MOST_CANDIDATES, np.int64)
    n = 0
    for row in range(N_ETA):
        for column in range(N_PHI):
            if towers[row, column] < JET_SEED or n == _MOST_CANDIDATES:
                continue
            if not _is_maximum(towers, row, column, JET_REACH, JET_REACH):
                continue
            raw = raw_jet(towers, row, column) * LSB_GEV
            if raw > 0:
                k = ranges[row]
                value = _calibrated(raw, table_raw[k], table_pt[k]) / LSB_GEV
                pt[n], rows[n], columns[n] = int(value + 0.5), row, column
                n += 1
    _fill(pt, rows, columns, n, MAX_JET, row_eta, out)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _egamma(
    em: Any,
    had: Any,
    towers: Any,
    inside: Any,
    ranges: Any,
    factor: Any,
    row_eta: Any,
    out: Any,
) -> None:
    """3 x 5 clusters; pile-up density is that of the same rows elsewhere in phi."""
    pt = np.zeros(_MOST_CANDIDATES, np.int64)
    rows, columns = np.zeros(_MOST_CANDIDATES, np.int64), np.zeros(_MOST_CANDIDATES, np.int64)
    n = 0
    for row in range(N_ETA):
        if not inside[row]:
            continue
        for column in range(N_PHI):
            seed = em[row, column]
            if seed < EGAMMA_SEED or had[row, column] > MAX_HADRONIC * seed:
                continue
            if n == _MOST_CANDIDATES or not _is_maximum(em, row, column, 1, 2):
                continue
            cluster, n_cluster = _window(em, row - 1, row + 1, column - 2, column + 2)
            cone, n_cone = _window(towers, row - 3, row + 3, column - 4, column + 4)
            ring, n_ring = _window(towers, row - 3, row + 3, 0, N_PHI - 1)
            density = (ring - cone) / (n_ring - n_cone)
            around = cone - cluster - density * (n_cone - n_cluster)
            if around > ISOLATION_SHARE * cluster + ISOLATION_COUNTS:
                continue
            value = int(cluster * factor[ranges[row]] + 0.5)
            if value >= EGAMMA_LEAST:
                pt[n], rows[n], columns[n] = value, row, column
                n += 1
    _fill(pt, rows, columns, n, MAX_EGAMMA, row_eta, out)


def muon_objects(
    event: Integers, muons: Floats, n_events: int, rng: np.random.Generator
) -> npt.NDArray[np.int16]:
    """The four hardest muons of every event, shape (n_events, 4, 3), from true pt, eta, phi (M, 3).

    92% of those with pT > 3 GeV and |eta| < 2.4 are found; pT is smeared by 20% (log-normal, the
    median kept).
    """
    pt, eta, phi = muons.T
    found = (pt > MUON_MIN_PT_GEV) & (np.abs(eta) < MUON_MAX_ETA)
    found &= rng.random(len(pt)) < MUON_EFFICIENCY
    pt = pt * np.exp(MUON_RESOLUTION * rng.standard_normal(len(pt)))
    hardware = np.stack(
        [
            np.minimum(np.round(pt / LSB_GEV), MAX_MUON),
            np.round(eta / MUON_ETA_LSB),
            np.mod(np.round(phi * (MUON_PHI_STEPS / (2 * np.pi))), MUON_PHI_STEPS),
        ],
        axis=1,
    )[found].astype(np.int16)
    event = event[found]
    order = np.lexsort((hardware[:, 2], hardware[:, 1], -hardware[:, 0], event))
    event, hardware = event[order], hardware[order]
    rank = np.arange(len(event)) - np.searchsorted(event, event)
    objects = np.zeros((n_events, N_MUONS, 3), np.int16)
    first = rank < N_MUONS
    objects[event[first], rank[first]] = hardware[first]
    return objects
