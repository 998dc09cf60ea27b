"""Measure the energy scales of the trigger objects, and how well they close.

    python benchmarks/calibrate_trigger_jets.py --out training/simulate/trigger_calibration.yaml

Needs the extra `generate` and about three minutes. Jets: QCD events flat in pTHat with pile-up
around them; a generator jet (anti-kt, R = 0.4, everything visible) without another of 10 GeV within
0.8 is matched to the highest trigger jet within 0.3; one without a match counts as zero. Electrons:
one in each crossing, flat in log pT. Missing ET: Z -> neutrinos against jets. The closure table is
from events of another seed.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import awkward as ak
import fastjet
import numpy as np
import yaml

from naetrigger.contracts.trigger_objects import LSB
from naetrigger.training.simulate import calibration, overlay, towers
from naetrigger.training.simulate.calibration import Calibration
from naetrigger.training.simulate.overlay import PileUp
from naetrigger.training.simulate.particles import Floats, Particles
from naetrigger.training.simulate.pool import read_pool
from naetrigger.training.simulate.pythia import EventGenerator
from naetrigger.training.simulate.trigger_detector import TriggerDetector
from naetrigger.training.simulate.trigger_objects import EGAMMA, MET, jets

QCD = (
    "HardQCD:all=on",
    "PhaseSpace:pTHatMin=15",
    "PhaseSpace:bias2Selection=on",
    "PhaseSpace:bias2SelectionPow=4.5",
    "PhaseSpace:bias2SelectionRef=15",
)
Z_TO_NEUTRINOS = (
    "WeakBosonAndParton:qqbar2gmZg=on",
    "WeakBosonAndParton:qg2gmZq=on",
    "23:onMode=off",
    "23:onIfAny=12 14 16",
    "PhaseSpace:pTHatMin=50",
    "PhaseSpace:mHatMin=70",
)
POINTS_GEV = (20, 25, 30, 40, 50, 65, 80, 100, 130, 170, 220, 300, 400)
ETA_EDGES = (0.0, 0.696, 1.305, 1.74, 2.172, 2.65, 3.0, 3.664, 4.363, 5.191)
EGAMMA_EDGES = (0.0, 0.696, 1.305, 1.74, 2.172, 2.5)
HALF_BIN = 1.15  # a point's bin reaches from p / 1.15 to 1.15 p
FEWEST = 25
MATCH, ISOLATION, ISOLATION_PT = 0.3, 0.8, 10.0
BATCH = 100
TRIED_JETS = 80


@dataclass(frozen=True)
class Pairs:
    """Generator jets and what the trigger made of them: pt and |eta|, measured pt (0: nothing)."""

    pt: Floats
    eta: Floats
    measured: Floats


def qcd_pairs(n: int, seed: int, scales: Calibration) -> Pairs:
    """Matched jets of n QCD events with pile-up."""
    generator, rng = EventGenerator(QCD, seed), np.random.default_rng(seed)
    parts = []
    for _ in range(n // BATCH):
        particles = generator.batch(BATCH)
        generated = generator_jets(particles)
        found = trigger_jets(particles, scales, rng)
        for truth, measured in zip(generated, found, strict=True):
            parts += matched(truth, measured)
    return Pairs(*np.array(parts).reshape(-1, 3).T)


def generator_jets(particles: Particles) -> list[Floats]:
    """pt, eta, phi of the jets above 10 GeV of each event."""
    momenta = {
        "px": particles.pt * np.cos(particles.phi),
        "py": particles.pt * np.sin(particles.phi),
        "pz": particles.pt * np.sinh(particles.eta),
        "E": particles.energy,
    }
    counts = np.bincount(particles.event, minlength=particles.n_events)
    events = ak.unflatten(ak.zip(momenta, with_name="Momentum4D"), counts)
    sequence = fastjet.ClusterSequence(events, fastjet.JetDefinition(fastjet.antikt_algorithm, 0.4))
    found = sequence.inclusive_jets(min_pt=ISOLATION_PT)
    rows = []
    for event in found:
        px, py, pz = (ak.to_numpy(event[name]) for name in ("px", "py", "pz"))
        pt = np.hypot(px, py)
        rows.append(np.stack([pt, np.arcsinh(pz / pt), np.arctan2(py, px)], axis=1))
    return rows


def trigger_jets(
    particles: Particles, scales: Calibration, rng: np.random.Generator
) -> Iterator[Floats]:
    """pt, eta, phi of all trigger jets of each event, with pile-up."""
    pool = read_pool()
    crossings = overlay.draw_crossings(pool, PileUp().draw(particles.n_events, rng), 0.0, rng)
    em = np.zeros((particles.n_events, towers.N_ETA, towers.N_PHI), np.float32)
    had = np.zeros_like(em)
    overlay.add_collisions(pool, crossings, em, had)
    deposits = towers.deposit(particles)
    flat = deposits.event * towers.N_TOWERS + deposits.tower
    em += np.bincount(flat, deposits.em, em.size).reshape(em.shape).astype(np.float32)
    had += np.bincount(flat, deposits.had, em.size).reshape(em.shape).astype(np.float32)
    em_counts, had_counts = towers.digitise(em, had, rng)
    for counts in em_counts.astype(np.int32) + had_counts:
        out = np.zeros((TRIED_JETS, 3), np.int16)
        jets(counts, scales, out)
        yield out[out[:, 0] > 0] * LSB[-1]


def matched(truth: Floats, measured: Floats) -> list[tuple[float, float, float]]:
    """Isolated generator jets, each with the pt of its trigger jet."""
    pairs = []
    for i, (pt, eta, _) in enumerate(truth):
        apart = distance(truth[i], np.delete(truth, i, axis=0))
        if abs(eta) > 5 or np.any(apart < ISOLATION):
            continue
        near = measured[distance(truth[i], measured) < MATCH]
        pairs.append((pt, abs(eta), near[:, 0].max() if len(near) else 0.0))
    return pairs


def distance(one: Floats, many: Floats) -> Floats:
    d_phi = np.mod(many[:, 2] - one[2] + np.pi, 2 * np.pi) - np.pi
    return np.asarray(np.hypot(many[:, 1] - one[1], d_phi))


def jet_scale(pairs: Pairs) -> dict[str, list[object]]:
    """Median response at each point and |eta|; the last good one goes on where jets are few."""
    rows: list[object] = []
    for low, high in itertools.pairwise(ETA_EDGES):
        here = (pairs.eta >= low) & (pairs.eta < high)
        raw: list[float] = []
        response = 0.0
        for point in POINTS_GEV:
            near = here & (pairs.pt > point / HALF_BIN) & (pairs.pt < point * HALF_BIN)
            if near.sum() >= FEWEST:
                response = float(np.median(pairs.measured[near] / pairs.pt[near]))
            least = raw[-1] + 0.5 if raw else 1.0
            raw.append(round(max(response * point, least), 2))
        rows.append(raw)
    return {
        "eta_edges": list(ETA_EDGES),
        "generated_pt": [float(p) for p in POINTS_GEV],
        "raw_pt": rows,
    }


def closure_table(pairs: Pairs) -> list[str]:
    """Median measured over generated pT with its error, by pT and |eta|; Markdown rows."""
    ranges = ((0.0, 1.305), (1.305, 3.0), (3.0, 5.0))
    lines = ["| generator jet pT / GeV | " + " | ".join(f"|eta| {a:g} to {b:g}" for a, b in ranges)]
    lines = [lines[0].replace("|eta|", "abs(eta)") + " |", "|---" * (len(ranges) + 1) + "|"]
    edges = (20, 30, 40, 50, 60, 80, 100, 150, 200, 300, 400)
    for low, high in itertools.pairwise(edges):
        cells = []
        for eta_low, eta_high in ranges:
            here = (pairs.eta >= eta_low) & (pairs.eta < eta_high)
            here &= (pairs.pt >= low) & (pairs.pt < high)
            cells.append(median_cell(pairs.measured[here] / pairs.pt[here]))
        lines.append(f"| {low} to {high} | " + " | ".join(cells) + " |")
    return lines


def median_cell(ratio: Floats) -> str:
    """Median and its error, 1.25 sigma / sqrt(n), sigma from the central 68%."""
    if len(ratio) < 2 * FEWEST:
        return "too few"
    low, middle, high = np.quantile(ratio, [0.16, 0.5, 0.84])
    error = 1.25 * (high - low) / 2 / np.sqrt(len(ratio))
    return f"{middle:.3f} ± {error:.3f} (width {(high - low) / 2:.2f}, n {len(ratio)})"


def egamma_scale(n: int, seed: int) -> dict[str, list[float]]:
    """Inverse median response to single electrons of 20 to 80 GeV."""
    rng = np.random.default_rng(seed)
    pt, eta = np.exp(rng.uniform(np.log(20), np.log(80), n)), rng.uniform(-2.5, 2.5, n)
    phi = rng.uniform(-np.pi, np.pi, n)
    electrons = Particles(
        weights=np.ones(n),
        event=np.arange(n),
        pdg_id=np.full(n, towers.ELECTRON),
        charge=rng.choice([-1.0, 1.0], n),
        pt=pt,
        eta=eta,
        phi=phi,
        energy=pt * np.cosh(eta),
    )
    detector = TriggerDetector(scales=calibration.uncalibrated())
    seen = detector.observe(electrons, n, rng).objects[:, EGAMMA] * LSB[1]
    d_phi = np.mod(seen[:, :, 2] - phi[:, None] + np.pi, 2 * np.pi) - np.pi
    near = np.hypot(seen[:, :, 1] - eta[:, None], d_phi) < MATCH
    measured = np.where(near, seen[:, :, 0], 0).max(axis=1)
    factors = []
    for low, high in itertools.pairwise(EGAMMA_EDGES):
        here = (np.abs(eta) >= low) & (np.abs(eta) < high) & (measured > 0)
        found = np.mean(measured[(np.abs(eta) >= low) & (np.abs(eta) < high)] > 0)
        ratio = measured[here] / pt[here]
        factors.append(round(float(1 / np.median(ratio)), 4))
        width = np.subtract(*np.quantile(ratio, [0.84, 0.16])) / 2 / np.median(ratio)
        print(f"electrons, |eta| {low:g} to {high:g}: found {found:.3f}, width {width:.3f}")
    return {"eta_edges": list(EGAMMA_EDGES), "factor": factors}


def met_factor(n: int, seed: int) -> float:
    """Inverse median response of missing ET along the neutrinos, pT 60 to 200 GeV."""
    generator, rng = EventGenerator(Z_TO_NEUTRINOS, seed), np.random.default_rng(seed)
    detector = TriggerDetector(scales=calibration.uncalibrated())
    ratios = []
    for _ in range(n // BATCH):
        particles = generator.batch(BATCH)
        x = -np.bincount(particles.event, particles.pt * np.cos(particles.phi), BATCH)
        y = -np.bincount(particles.event, particles.pt * np.sin(particles.phi), BATCH)
        seen = detector.observe(particles, particles.n_events, rng).objects[:, MET] * LSB[0]
        true = np.hypot(x, y)
        along = seen[:, 0] * np.cos(seen[:, 2] - np.arctan2(y, x))
        chosen = (true > 60) & (true < 200)
        ratios.append(along[chosen] / true[chosen])
    ratio = np.concatenate(ratios)
    print(f"missing ET response {median_cell(ratio)}")
    return round(float(1 / np.median(ratio)), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, help="YAML file to write; none: closure only")
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=31)
    arguments = parser.parse_args()
    n, seed = arguments.events, arguments.seed
    if arguments.out:
        raw = calibration.uncalibrated()
        content = {
            "source": f"benchmarks/calibrate_trigger_jets.py, {n} events, seed {seed}: Pythia 8, "
            "mean pile-up 50 +- 10",
            "jets": jet_scale(qcd_pairs(n, seed, raw)),
            "egamma": egamma_scale(n, seed + 1),
            "met_factor": met_factor(max(n // 4, BATCH), seed + 2),
        }
        arguments.out.write_text(yaml.safe_dump(content, sort_keys=False, default_flow_style=None))
        calibration.shipped.cache_clear()
    print("\n".join(closure_table(qcd_pairs(n, seed + 3, calibration.shipped()))))


if __name__ == "__main__":
    main()
