"""The pile-up pool: simulated proton-proton collisions as sparse trigger towers, in strata.

A stratum is a class of collisions, no two of which overlap, with the probability that a collision
belongs to it. Rare classes (hard scattering, muons) hold far more events than their share, so that
:mod:`overlay` can sample them often and weight them down.

File: HDF5 inside xz (whose SHA-256 is checked on reading), ``format = "naetrigger-pileup-pool"``,
version 1. Attributes: label, citation, generator, seeds. One group a stratum, its attributes
naming commands, probability and step in GeV. Of each event the towers that were hit
are stored along a curve that keeps neighbours together:

=============  ========  =================================================================
``towers``     uint16    number of towers hit, one an event
``gap``        uint8     steps along the curve since the last tower hit; 255: see long_gap
``et``         uint8     16 * EM + hadronic transverse energy in steps; 15: see large_et
``long_gap``   uint16    gaps of 255 and more, in order
``large_et``   uint16    energies of 15 steps and more, in order, EM before hadronic
``n_muons``    uint8     number of true muons with pT > 2 GeV and |eta| < 2.4, one an event
``muons``      float32   (M, 3): pt in GeV, eta, phi
``hardness``   uint16    largest transverse energy in 9 x 9 towers, GeV, one an event
=============  ========  =================================================================
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import lzma
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.training.simulate.particles import Floats, Integers
from naetrigger.training.simulate.towers import (
    END_CENTRAL,
    FIRST_CENTRAL,
    N_ETA,
    N_PHI,
    N_TOWERS,
)

FORMAT, VERSION = "naetrigger-pileup-pool", 1
SHIPPED = Path(__file__).with_name("pool.h5.xz")
MAX_BYTES = 2_000_000_000
LONG_GAP, LARGE_ET = 255, 15
ARRAYS = {
    "towers": ("uint16", 1),
    "gap": ("uint8", 1),
    "et": ("uint8", 1),
    "long_gap": ("uint16", 1),
    "large_et": ("uint16", 1),
    "n_muons": ("uint8", 1),
    "muons": ("float32", 2),
    "hardness": ("uint16", 1),
}


@dataclass(frozen=True)
class Stratum:
    """A class of collisions.

    probability : that an inelastic collision belongs to it
    n_events : how many the pool holds
    commands : Pythia 8 settings
    step_gev : energies are stored in multiples of it, of twice as much beyond |eta| = 3; a
        multiple of 1/8, so that sums are exact in single precision
    """

    name: str
    description: str
    commands: tuple[str, ...]
    probability: float
    n_events: int
    step_gev: float


@dataclass(frozen=True)
class Pool:
    """Collisions of all strata, one stratum after the other, N of them with D deposits in all.

    first : (N + 1,) where the deposits of an event begin
    tower : (D,) int16, row * 72 + column
    em, had : (D,) float32 GeV
    first_muon : (N + 1,); muons : (M, 3) true pt in GeV, eta, phi
    hardness : (N,) largest transverse energy in 9 x 9 towers, GeV
    attributes : of the file; sha256 : of the file, "" for a pool made in memory
    """

    strata: tuple[Stratum, ...]
    first: Integers
    tower: npt.NDArray[np.int16]
    em: npt.NDArray[np.float32]
    had: npt.NDArray[np.float32]
    first_muon: Integers
    muons: npt.NDArray[np.float32]
    hardness: Floats
    attributes: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""

    def __len__(self) -> int:
        return len(self.first) - 1

    @property
    def probabilities(self) -> Floats:
        """Of the strata, shape (S,); they sum to one."""
        return np.array([stratum.probability for stratum in self.strata])

    @property
    def first_event(self) -> Integers:
        """Where the events of a stratum begin, shape (S + 1,)."""
        return np.concatenate([[0], np.cumsum([s.n_events for s in self.strata])]).astype(np.int64)


@dataclass(frozen=True)
class StratumEvents:
    """What :func:`write_pool` stores of one stratum, K events with D deposits.

    event, tower : (D,), in any order, each pair once; em, had : (D,) true values in GeV
    muon_event : (M,) ascending; muons : (M, 3) pt, eta, phi
    hardness : (K,) GeV
    """

    stratum: Stratum
    event: Integers
    tower: Integers
    em: Floats
    had: Floats
    muon_event: Integers
    muons: Floats
    hardness: Floats


@functools.lru_cache(maxsize=2)
def read_pool(path: Path = SHIPPED) -> Pool:
    """Read and check a pool file; InputError where it is missing, damaged or something else."""
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the pile-up pool cannot be read ({error})") from error
    try:
        decoder = lzma.LZMADecompressor()
        content = decoder.decompress(packed, MAX_BYTES)
    except (lzma.LZMAError, EOFError) as error:
        raise InputError(f"{path}: damaged or not an xz file ({error}); get it anew") from error
    if not decoder.eof or decoder.unused_data:
        raise InputError(f"{path}: truncated, or something follows its end; get it anew")
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            return _read(file, hashlib.sha256(packed).hexdigest())
    except (OSError, KeyError, ValueError, TypeError, IndexError) as error:
        raise InputError(f"{path}: not the layout of a pile-up pool ({error})") from error


def _read(file: h5py.File, sha256: str) -> Pool:
    attributes = dict(file.attrs)
    if attributes.get("format") != FORMAT or int(attributes["version"]) != VERSION:
        raise ValueError(f"expected {FORMAT}, version {VERSION}")
    strata, parts = [], []
    for name in json.loads(str(file.attrs["strata"])):
        arrays = {key: np.asarray(file[name][key]) for key in ARRAYS}
        for key, (kind, dimensions) in ARRAYS.items():
            if arrays[key].dtype != kind or arrays[key].ndim != dimensions:
                raise ValueError(f"{name}/{key} is {arrays[key].dtype}, {arrays[key].ndim}-d")
        head = file[name].attrs
        parts.append(_decoded(arrays, float(head["step_gev"])))
        strata.append(
            Stratum(
                name=name,
                description=str(head["description"]),
                commands=tuple(json.loads(str(head["commands"]))),
                probability=float(head["probability"]),
                n_events=len(arrays["towers"]),
                step_gev=float(head["step_gev"]),
            )
        )
    return assembled(strata, parts, attributes, sha256)


def assembled(
    strata: Sequence[Stratum],
    parts: Sequence[Mapping[str, npt.NDArray[Any]]],
    attributes: Mapping[str, Any] | None = None,
    sha256: str = "",
) -> Pool:
    """A pool from the arrays of its strata: towers and n_muons an event, tower, em, had, muons,
    hardness. ValueError where numbers do not fit together."""
    whole = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    first = np.concatenate([[0], np.cumsum(whole["towers"], dtype=np.int64)])
    first_muon = np.concatenate([[0], np.cumsum(whole["n_muons"], dtype=np.int64)])
    if first[-1] != len(whole["tower"]) or first_muon[-1] != len(whole["muons"]):
        raise ValueError("the numbers of towers or muons do not add up")
    if len(whole["tower"]) and not 0 <= whole["tower"].min() <= whole["tower"].max() < N_TOWERS:
        raise ValueError("towers outside the grid")
    if not np.isfinite(whole["muons"]).all() or whole["muons"].shape[1:] != (3,):
        raise ValueError("muons must be finite triples")
    total = sum(stratum.probability for stratum in strata)
    if abs(total - 1) > 1e-6 or min(s.probability for s in strata) < 0:
        raise ValueError(f"probabilities of the strata sum to {total}")
    if min(s.n_events for s in strata) < 1 or len(whole["hardness"]) != len(first) - 1:
        raise ValueError("every stratum needs events, every event its hardness")
    return Pool(
        strata=tuple(strata),
        first=first,
        tower=whole["tower"].astype(np.int16),
        em=whole["em"].astype(np.float32),
        had=whole["had"].astype(np.float32),
        first_muon=first_muon,
        muons=whole["muons"].astype(np.float32),
        hardness=whole["hardness"].astype(np.float64),
        attributes=dict(attributes or {}),
        sha256=sha256,
    )


def write_pool(
    path: Path, parts: Sequence[StratumEvents], attributes: Mapping[str, Any], seed: int
) -> None:
    """Round the energies (see :func:`rounded`) and write the file, whole or not at all."""
    content = io.BytesIO()
    rng = np.random.default_rng(seed)
    with h5py.File(content, "w") as file:
        file.attrs.update({**attributes, "format": FORMAT, "version": VERSION})
        file.attrs["strata"] = json.dumps([part.stratum.name for part in parts])
        file.attrs["rounding_seed"] = seed
        for part in parts:
            group = file.create_group(part.stratum.name)
            group.attrs["description"] = part.stratum.description
            group.attrs["commands"] = json.dumps(part.stratum.commands)
            group.attrs["probability"] = part.stratum.probability
            group.attrs["step_gev"] = part.stratum.step_gev
            for key, array in _encoded(part, rng).items():
                group[key] = array.astype(ARRAYS[key][0])
    # Literals hardly depend on what came before: no context bits.
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "pb": 0}]
    packed = lzma.compress(content.getvalue(), check=lzma.CHECK_SHA256, filters=filters)
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(packed)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def rounded(et: Floats, event: Integers, rng: np.random.Generator) -> Integers:
    """Energies in steps to whole steps, without bias: systematic sampling along the curve.

    With u uniform for each event, tower i gets floor(u + sum_j<=i) - floor(u + sum_j<i): its mean
    is its energy, and the sum over any stretch of the curve is off by less than one step, where
    independent rounding of n towers would be off by about sqrt(n) / 2. `event` ascends.
    """
    start = np.diff(event, prepend=-1) != 0
    number = np.cumsum(start) - 1
    total = np.cumsum(et)
    before = (total - et)[start]
    running = total - before[number] + rng.random(start.sum())[number]
    reached: Integers = np.floor(running).astype(np.int64)
    return reached - np.where(start, 0, np.roll(reached, 1))


def curve() -> Integers:
    """Position of each tower on a path that fills one block of 4 x 4 towers after the other."""
    row, column = np.divmod(np.arange(N_TOWERS), N_PHI)
    block_row, block_column = row // 4, column // 4
    back = block_row % 2 == 1
    block = block_row * (N_PHI // 4) + np.where(back, N_PHI // 4 - 1 - block_column, block_column)
    down = (column % 4) % 2 == 1
    inside = (column % 4) * 4 + np.where(down, 3 - row % 4, row % 4)
    position: Integers = np.where(back, block * 16 + 15 - inside, block * 16 + inside)
    return position


def tower_steps(step_gev: float) -> Floats:
    """The step of every tower's energy, shape (5760,): twice as large beyond |eta| = 3."""
    row = np.arange(N_TOWERS) // N_PHI
    central = (row >= FIRST_CENTRAL) & (row < END_CENTRAL)
    return np.where(central, step_gev, 2 * step_gev)


def _encoded(part: StratumEvents, rng: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
    position = curve()[part.tower]
    order = np.lexsort((position, part.event))
    event, position = part.event[order], position[order]
    step = tower_steps(part.stratum.step_gev)[part.tower[order]]
    em = rounded(part.em[order] / step, event, rng)
    had = rounded(part.had[order] / step, event, rng)
    kept = (em > 0) | (had > 0)
    event, position, em, had = event[kept], position[kept], em[kept], had[kept]
    n_events = part.stratum.n_events
    gap = position - np.where(np.diff(event, prepend=-1) != 0, 0, np.roll(position, 1))
    pairs = np.stack([em, had], 1)
    small = np.minimum(pairs, LARGE_ET)
    return {
        "towers": np.bincount(event, minlength=n_events),
        "gap": np.minimum(gap, LONG_GAP),
        "et": small[:, 0] * 16 + small[:, 1],
        "long_gap": gap[gap >= LONG_GAP],
        "large_et": pairs[pairs >= LARGE_ET],
        "n_muons": np.bincount(part.muon_event, minlength=n_events),
        "muons": part.muons.reshape(-1, 3),
        "hardness": np.minimum(np.round(part.hardness), 65535),
    }


def _decoded(
    arrays: Mapping[str, npt.NDArray[Any]], step_gev: float
) -> dict[str, npt.NDArray[Any]]:
    gap = arrays["gap"].astype(np.int64)
    gap[gap == LONG_GAP] = arrays["long_gap"]
    counts = arrays["towers"].astype(np.int64)
    if counts.sum() != len(gap) or len(arrays["et"]) != len(gap):
        raise ValueError("the numbers of towers do not add up")
    total = np.cumsum(gap)
    ends = np.cumsum(counts)
    before = np.concatenate([[0], total])[ends - counts]
    position = total - np.repeat(before, counts)
    if len(position) and position.max() >= N_TOWERS:
        raise ValueError("towers outside the grid")
    pairs = np.stack([arrays["et"] >> 4, arrays["et"] & 15], 1).astype(np.int64)
    pairs[pairs == LARGE_ET] = arrays["large_et"]
    tower = np.argsort(curve())[position]
    energies = pairs * tower_steps(step_gev)[tower][:, None]
    return {
        "towers": arrays["towers"],
        "tower": tower,
        "em": energies[:, 0],
        "had": energies[:, 1],
        "n_muons": arrays["n_muons"],
        "muons": arrays["muons"],
        "hardness": arrays["hardness"],
    }


assert N_ETA % 4 == 0  # the curve is made of blocks of four rows
