"""Make the pile-up pool that ships with the package; see docs/simulation.md for what is in it.

    python benchmarks/make_pileup_pool.py --work DIR --out training/simulate/pool.h5.xz

Needs the extra `generate` and about ten minutes of one core. Chunks already in DIR are not made
again, so an interrupted run goes on where it was; every chunk has a seed of its own, so the pool
does not depend on the number of workers.

A muon that matters has pT > 4 GeV and |eta| < 2.4. Collisions with one are rare, so they are made
apart: a parton-level event with a charm or bottom quark of pT > 4 GeV is hadronised twenty times,
and every outcome with such a muon is kept. The other strata leave such events out.

The soft stratum takes the probability that the others leave: of its own events, those with a hard
scale above the boundary are dropped. What Pythia's soft process says itself is printed beside it.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import importlib.metadata
import json
import time
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.training.simulate import pool, towers

MUON_PT_GEV, MUON_ETA = 4.0, 2.4
KEPT_MUON_PT_GEV = 2.0
HEAVY_QUARK_PT_GEV, HEAVY_QUARK_ETA = 4.0, 3.5
REPEATS = 20
BOUNDARY_GEV = 15.0
# Rounding adds 1.6 GeV to the 7.2 GeV by which 50 soft collisions fluctuate in 9 x 9 towers.
STEP_GEV = 0.625
HARD_STEP_GEV = 1.25  # one or two a crossing
BEAMS = ("Beams:eCM=13000",)
NEUTRINOS = (12, 14, 16)
W_AND_Z = (
    "WeakSingleBoson:ffbar2W=on",
    "WeakSingleBoson:ffbar2gmZ=on",
    "PhaseSpace:mHatMin=50",
)


@dataclass(frozen=True)
class Source:
    """One Pythia run and the strata it fills.

    upper_gev : events whose hardest scale is above are dropped (0: none)
    tries : events made; the quiet stratum holds those without a muon that matters
    muon_tries : parton-level events searched for muons; 0: muons stay where they are
    """

    name: str
    description: str
    commands: tuple[str, ...]
    upper_gev: float
    tries: int
    muon_tries: int
    chunk: int


def hard(low: int, high: int, tries: int, muon_tries: int) -> Source:
    """A slice of QCD scattering."""
    limits = [f"PhaseSpace:pTHatMin={low}"] + ([f"PhaseSpace:pTHatMax={high}"] if high else [])
    name = f"qcd_{low}_{high}" if high else f"qcd_{low}"
    text = f"QCD scattering, pTHat {low} to {high} GeV" if high else f"QCD, pTHat above {low} GeV"
    return Source(name, text, ("HardQCD:all=on", *limits), 0.0, tries, muon_tries, 1_000)


SOURCES = (
    # Pythia's set-up for diffraction takes 10 s: few, large chunks.
    Source(
        "soft",
        f"inelastic collisions, hardest scale below {BOUNDARY_GEV:g} GeV",
        ("SoftQCD:inelastic=on",),
        BOUNDARY_GEV,
        tries=51_500,
        muon_tries=8_000,
        chunk=10_300,
    ),
    hard(15, 30, 3_000, 3_000),
    hard(30, 50, 2_000, 1_500),
    hard(50, 80, 1_500, 800),
    hard(80, 120, 1_500, 0),
    hard(120, 170, 1_200, 0),
    hard(170, 300, 1_000, 0),
    hard(300, 0, 600, 0),
    Source("w_z", "W and Z bosons, all decays", W_AND_Z, 0.0, 800, 0, 1_000),
)


@dataclass(frozen=True)
class Job:
    """One chunk: `tries` events of a source, searched for muons or not."""

    source: Source
    muons: bool
    index: int
    tries: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.source.name}{'_mu' if self.muons else ''}_{self.index:03d}"


def jobs(sources: tuple[Source, ...], seed: int) -> list[Job]:
    """All chunks, each with a seed from the sample's seed and its own name."""
    found = []
    for source in sources:
        for muons, total in ((False, source.tries), (True, source.muon_tries)):
            for index in range(-(-total // source.chunk)):
                tries = min(source.chunk, total - index * source.chunk)
                key = (seed, zlib.crc32(f"{source.name} {muons} {index}".encode()))
                state = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])
                found.append(Job(source, muons, index, tries, 1 + state % 900_000_000))
    return found


@dataclass
class Flat:
    """Visible particles as :func:`towers.deposit` reads them."""

    event: npt.NDArray[np.int64]
    pdg_id: npt.NDArray[np.int64]
    charge: npt.NDArray[np.float64]
    pt: npt.NDArray[np.float64]
    eta: npt.NDArray[np.float64]
    phi: npt.NDArray[np.float64]
    energy: npt.NDArray[np.float64]


def make_chunk(job: Job, folder: Path) -> str:
    """Generate one chunk and write it whole; a line that says how it went."""
    path = folder / f"{job.name}.npz"
    if path.exists():
        return f"{job.name}: there already"
    started = time.process_time()
    arrays = muon_events(job) if job.muons else all_events(job)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, **arrays)
    partial.replace(path)
    seconds = time.process_time() - started
    return f"{job.name}: {len(arrays['event_of_kept'])} kept, {job.tries / seconds:.0f} tries/s"


def pythia(job: Job, *more: str) -> Any:
    """Pythia, ready."""
    import os

    os.environ.pop("PYTHIA8DATA", None)
    import pythia8mc

    generator = pythia8mc.Pythia("", False)
    technical = ("Print:quiet=on", "Random:setSeed=on", f"Random:seed={job.seed}")
    for command in (*technical, *BEAMS, *job.source.commands, *more):
        if not generator.readString(command):
            raise ValueError(f"Pythia does not know: {command}")
    if not generator.init():
        raise RuntimeError(f"{job.name}: Pythia could not be initialised")
    return generator


def all_events(job: Job) -> dict[str, Any]:
    """Events as they come, hard scales of all of them, and those kept."""
    import awkward as ak

    generator = pythia(job)
    parts, scales = [], []
    for first in range(0, job.tries, 250):
        batch = generator.nextBatch(min(250, job.tries - first))
        counts = ak.to_numpy(ak.num(batch.prt.id))
        flat = ak.flatten(batch.prt)
        record = {name: ak.to_numpy(flat[name]).astype(np.int64) for name in ("id", "status")}
        record |= {n: ak.to_numpy(flat.p[n]).astype(np.float64) for n in ("px", "py", "pz", "e")}
        record["event"] = np.repeat(np.arange(len(counts)), counts) + sum(map(len, scales))
        parts.append({name: array[record["status"] > 0] for name, array in record.items()})
        scales.append(np.sqrt(ak.to_numpy(batch.info.pT2Hat)))
    record = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return condensed(job, generator, record, np.concatenate(scales))


def muon_events(job: Job) -> dict[str, Any]:
    """Heavy-flavour events hadronised over and over; all outcomes with a muon are candidates."""
    import pythia8mc

    generator = pythia(job, "HadronLevel:all=off")
    before = pythia8mc.Event()
    rows: list[tuple[float, ...]] = []
    scales: list[float] = []
    for _ in range(job.tries):
        if not generator.next():
            continue
        scale = generator.infoPython().pTHat()
        if 0 < job.source.upper_gev <= scale or not has_heavy_quark(generator.event):
            continue
        before.assign(generator.event)
        for _ in range(REPEATS):
            generator.event.assign(before)
            if generator.forceHadronLevel() and has_muon(generator.event):
                rows += final_state(generator.event, len(scales))
                scales.append(scale)
    columns = np.array(rows).reshape(-1, 7).T
    names = ("event", "id", "px", "py", "pz", "e", "status")
    record = dict(zip(names, columns, strict=True))
    for name in ("event", "id", "status"):
        record[name] = record[name].astype(np.int64)
    return condensed(job, generator, record, np.array(scales))


def has_heavy_quark(event: Any) -> bool:
    """A charm or bottom quark that could give a muon that matters."""
    return any(
        p.idAbs() in (4, 5)
        and p.isFinal()
        and p.pT() > HEAVY_QUARK_PT_GEV
        and abs(p.eta()) < HEAVY_QUARK_ETA
        for p in event
    )


def has_muon(event: Any) -> bool:
    """A muon that matters."""
    return any(
        p.idAbs() == towers.MUON
        and p.isFinal()
        and p.pT() > MUON_PT_GEV
        and abs(p.eta()) < MUON_ETA
        for p in event
    )


def final_state(event: Any, index: int) -> list[tuple[float, ...]]:
    return [
        (index, p.id(), p.px(), p.py(), p.pz(), p.e(), p.status()) for p in event if p.isFinal()
    ]


def condensed(job: Job, generator: Any, record: dict[str, Any], scales: Any) -> dict[str, Any]:
    """Deposits and muons of the events that belong to the stratum."""
    particles = visible(generator, record)
    muon = (np.abs(particles.pdg_id) == towers.MUON) & (np.abs(particles.eta) < MUON_ETA)
    matters = np.bincount(
        particles.event[muon & (particles.pt > MUON_PT_GEV)], minlength=len(scales)
    ).astype(bool)
    in_slice = np.ones(len(scales), bool)
    if job.source.upper_gev:
        in_slice = scales < job.source.upper_gev
    separate = job.source.muon_tries > 0
    kept = in_slice & ((matters == job.muons) if separate else True)
    new_index = np.cumsum(kept) - 1
    deposits = towers.deposit(particles)  # type: ignore[arg-type]
    ok = kept[deposits.event]
    key = new_index[deposits.event[ok]] * towers.N_TOWERS + deposits.tower[ok]
    towers_hit, inverse = np.unique(key, return_inverse=True)
    muon &= (particles.pt > KEPT_MUON_PT_GEV) & kept[particles.event]
    return {
        "event_of_kept": np.flatnonzero(kept),
        "key": towers_hit,
        "em": np.bincount(inverse, deposits.em[ok]).astype(np.float32),
        "had": np.bincount(inverse, deposits.had[ok]).astype(np.float32),
        "muon_event": new_index[particles.event[muon]],
        "muons": np.stack([getattr(particles, n)[muon] for n in ("pt", "eta", "phi")], 1),
        "scales": scales,
        "in_slice": in_slice,
        "with_muon": int(np.sum(in_slice & matters)),
        "tries": job.tries,
        "sigma_mb": generator.infoPython().sigmaGen(),
        "seed": job.seed,
    }


def visible(generator: Any, record: dict[str, Any]) -> Flat:
    """Everything but neutrinos."""
    rows = ~np.isin(np.abs(record["id"]), NEUTRINOS)
    px, py, pz, energy = (record[name][rows] for name in ("px", "py", "pz", "e"))
    pt = np.hypot(px, py)
    ids, inverse = np.unique(record["id"][rows], return_inverse=True)
    charge = np.array([generator.particleData.charge(int(i)) for i in ids])
    return Flat(
        record["event"][rows],
        record["id"][rows],
        charge[inverse],
        pt,
        np.arcsinh(pz / np.maximum(pt, 1e-9)),
        np.arctan2(py, px),
        energy,
    )


def strata(source: Source, folder: Path, todo: list[Job], inelastic_mb: float) -> list[Any]:
    """The quiet stratum of a source, then the one with muons where there is one."""
    found = []
    for muons in (False, True) if source.muon_tries else (False,):
        chunks = [
            dict(np.load(folder / f"{job.name}.npz"))
            for job in todo
            if job.source == source and job.muons == muons
        ]
        found.append((muons, chunks))
    tries = np.array([int(c["tries"]) for _, chunks in found for c in chunks])
    sigma = np.array([float(c["sigma_mb"]) for _, chunks in found for c in chunks])
    total = float(np.average(sigma, weights=tries)) / inelastic_mb
    with_muon = 0.0
    if source.muon_tries:
        kept = sum(len(c["event_of_kept"]) for c in found[1][1])
        with_muon = total * kept / (source.muon_tries * REPEATS)
        direct = [int(c["with_muon"]) for c in found[0][1]]
        print(
            f"{source.name}: per collision {total:.3g}, with muon {with_muon:.3g} from {kept}; "
            f"counted directly {total * sum(direct) / source.tries:.3g} from {sum(direct)}"
        )
    return [
        stratum_events(source, muons, chunks, with_muon if muons else total - with_muon)
        for muons, chunks in found
    ]


def stratum_events(source: Source, muons: bool, chunks: list[Any], probability: float) -> Any:
    """All chunks of one stratum, one after the other."""
    counts = [len(c["event_of_kept"]) for c in chunks]
    before = np.cumsum(counts) - counts
    key = np.concatenate(
        [c["key"] + n * towers.N_TOWERS for c, n in zip(chunks, before, strict=True)]
    )
    muon_event = np.concatenate([c["muon_event"] + n for c, n in zip(chunks, before, strict=True)])
    em, had, truth = (np.concatenate([c[name] for c in chunks]) for name in ("em", "had", "muons"))
    event, tower = np.divmod(key, towers.N_TOWERS)
    suffix = f" with a muon of pT > {MUON_PT_GEV:g} GeV, |eta| < {MUON_ETA:g}" if muons else ""
    extra = ("HadronLevel:all=off",) if muons else ()
    return pool.StratumEvents(
        stratum=pool.Stratum(
            name=source.name + ("_mu" if muons else ""),
            description=source.description + suffix,
            commands=(*BEAMS, *source.commands, *extra),
            probability=probability,
            n_events=sum(counts),
            step_gev=STEP_GEV if source.upper_gev else HARD_STEP_GEV,
        ),
        event=event,
        tower=tower,
        em=em.astype(np.float64),
        had=had.astype(np.float64),
        muon_event=muon_event,
        muons=truth.reshape(-1, 3),
        hardness=hardness(event, tower, em.astype(np.float64) + had, sum(counts)),
    )


def hardness(event: Any, tower: Any, et: Any, n: int) -> npt.NDArray[np.float64]:
    """Largest transverse energy in 9 x 9 towers of each event."""
    found = np.zeros(n)
    for first in range(0, n, 500):
        rows = slice(*np.searchsorted(event, [first, first + 500]))
        size = min(500, n - first)
        flat = (event[rows] - first) * towers.N_TOWERS + tower[rows]
        dense = np.bincount(flat, et[rows], size * towers.N_TOWERS)
        dense = dense.reshape(size, towers.N_ETA, towers.N_PHI)
        padded = np.pad(dense, ((0, 0), (5, 4), (0, 0)))
        padded = np.concatenate([padded[:, :, -5:], padded, padded[:, :, :4]], axis=2)
        sums = padded.cumsum(axis=1).cumsum(axis=2)
        window = sums[:, 9:, 9:] - sums[:, :-9, 9:] - sums[:, 9:, :-9] + sums[:, :-9, :-9]
        found[first : first + size] = window.max(axis=(1, 2))
    return found


def hard_scales(scales: npt.NDArray[np.float64], parts: list[Any]) -> None:
    """Print the hard scale's spectrum across the boundary: soft process against hard slices."""
    for low, high in ((15, 30), (30, 50)):
        inside = np.sum((scales >= low) & (scales < high))
        soft, error = inside / len(scales), np.sqrt(inside) / len(scales)
        hard = sum(
            p.stratum.probability for p in parts if p.stratum.name.startswith(f"qcd_{low}_{high}")
        )
        print(f"scale {low} to {high} GeV: soft {soft:.3g} +- {error:.2g}, slices {hard:.3g}")


def assemble(folder: Path, todo: list[Job], out: Path, seed: int) -> None:
    """The pool file from all chunks."""
    quiet = [job for job in todo if job.source is SOURCES[0] and not job.muons]
    soft = [dict(np.load(folder / f"{job.name}.npz")) for job in quiet]
    inelastic = float(soft[0]["sigma_mb"])
    parts = [part for source in SOURCES for part in strata(source, folder, todo, inelastic)]
    rest = sum(part.stratum.probability for part in parts if part.stratum.name != "soft")
    hard_scales(np.concatenate([c["scales"] for c in soft]), parts)
    parts[0] = dataclasses.replace(
        parts[0], stratum=dataclasses.replace(parts[0].stratum, probability=1 - rest)
    )
    attributes = {
        "label": "simulation: Pythia 8 + parametric detector, never collision data",
        "citation": "naetrigger; Pythia 8.3, arXiv:2203.11601",
        "generator": f"Pythia {importlib.metadata.version('pythia8mc')}, {' '.join(BEAMS)}",
        "inelastic_mb": inelastic,
        "seeds": json.dumps({"sample": seed, **{j.name: j.seed for j in todo}}),
        "muon_repeats": REPEATS,
        "boundary_gev": BOUNDARY_GEV,
    }
    pool.write_pool(out, parts, attributes, seed)
    for part in parts:
        s = part.stratum
        print(f"{s.name}: {s.n_events} events, {50 * s.probability:.4g} a crossing at 50")
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB, sha256 {digest}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, required=True, help="folder of the chunks")
    parser.add_argument("--out", type=Path, help="pool file to write (none: chunks only)")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=15)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    todo = jobs(SOURCES, arguments.seed)
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as workers:
        for line in workers.map(make_chunk, todo, [arguments.work] * len(todo)):
            print(line, flush=True)
    if arguments.out:
        assemble(arguments.work, todo, arguments.out, arguments.seed)


if __name__ == "__main__":
    main()
