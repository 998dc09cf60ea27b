"""How fast simulation runs on one core, step by step; a table in Markdown.

    OMP_NUM_THREADS=1 python benchmarks/simulation_speed.py

CPU seconds of this process, best of three; compiling is not counted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from naetrigger.training.simulate import calibration, overlay, towers
from naetrigger.training.simulate.overlay import PileUp
from naetrigger.training.simulate.pool import read_pool
from naetrigger.training.simulate.regions import regions
from naetrigger.training.simulate.trigger_detector import TriggerDetector
from naetrigger.training.simulate.trigger_objects import calorimeter_objects, missing_et

REPEATS = 3
Row = tuple[str, int, float]


def zero_bias_rows(n: int = 1000) -> list[Row]:
    """Zero bias from the pool to objects and regions, and where its time goes: rows of what was
    done, how often, and CPU seconds."""
    detector, rng = TriggerDetector(), np.random.default_rng(1)
    detector.observe(None, 10, rng)
    rows = [("zero bias: pool to objects and regions", n, lambda: detector.observe(None, n, rng))]
    batch, scales = 100, calibration.shipped()
    crossings = overlay.draw_crossings(read_pool(), PileUp().draw(batch, rng), 0.5, rng)
    em = np.zeros((batch, towers.N_ETA, towers.N_PHI), np.float32)
    had = np.zeros_like(em)
    overlay.add_collisions(read_pool(), crossings, em, had)
    em_counts, had_counts = towers.digitise(em, had, rng)
    total = em_counts.astype(np.int32) + had_counts
    spare = np.zeros_like(em)
    steps: list[tuple[str, int, Callable[[], object]]] = [
        *rows,
        (
            "... overlay of 50 collisions",
            batch,
            lambda: overlay.add_collisions(read_pool(), crossings, spare, spare),
        ),
        ("... smearing of 2 x 5760 towers", batch, lambda: towers.digitise(em, had, rng)),
        (
            "... jets, e/gamma, missing ET",
            batch,
            lambda: calorimeter_objects(em_counts, had_counts, scales),
        ),
        ("... of that missing ET", batch, lambda: [missing_et(counts) for counts in total]),
        ("... regions", batch, lambda: regions(total)),
    ]
    return [(name, count, best_of(REPEATS, what)) for name, count, what in steps]


def jet_rows(n: int = 250) -> list[Row]:
    """Jets of boosted tops to the eight inputs, and where the time goes. FastJet contrib makes the
    N-subjettiness; its soft drop and C2 are there for comparison alone."""
    import fastjet

    from naetrigger.training.simulate import detector, jets, pythia, shapes
    from naetrigger.training.simulate.particles import around
    from naetrigger.training.simulate.processes import process_named

    generator = pythia.EventGenerator(process_named("top").commands, 1)
    particles = generator.batch(n)
    candidates = detector.reconstruct(particles, np.random.default_rng(1))
    found = jets.cluster(candidates)
    members = found.constituents
    phi = around(members.phi, np.repeat(found.phi, found.counts))
    cambridge = fastjet.JetDefinition(fastjet.cambridge_algorithm, jets.RECLUSTERING_RADIUS)

    def sequence() -> object:
        return fastjet.ClusterSequence(jets.momenta(members, found.counts), cambridge)

    whole = sequence()
    steps: list[tuple[str, int, Callable[[], object]]] = [
        ("events of boosted tops in Pythia", n, lambda: generator.batch(n)),
        (
            "particles to candidates",
            n,
            lambda: detector.reconstruct(particles, np.random.default_rng(1)),
        ),
        ("anti-kt jets of an event", n, lambda: jets.cluster(candidates)),
        ("jet to eight inputs", len(found), lambda: jets.substructure(found)),
        ("... four-momenta for FastJet", len(found), sequence),
        ("... N-subjettiness (FastJet contrib)", len(found), lambda: jets.n_subjettiness(whole)),
        (
            "... all other shapes (compiled here)",
            len(found),
            lambda: shapes.shapes(members.pt, members.eta, phi, found.counts),
        ),
        (
            "for comparison: soft drop in FastJet contrib",
            len(found),
            lambda: whole.exclusive_jets_softdrop_grooming(  # type: ignore[attr-defined]
                njets=1, beta=0.0, symmetry_cut=0.1, R0=jets.RADIUS
            ),
        ),
        (
            "for comparison: C2 in FastJet contrib",
            len(found),
            lambda: whole.exclusive_jets_energy_correlator(  # type: ignore[attr-defined]
                njets=1, beta=0.5, func="c2"
            ),
        ),
    ]
    for _, _, what in steps[3:]:
        what()  # compiles
    return [(name, count, best_of(REPEATS, what)) for name, count, what in steps]


def pool_rows() -> list[Row]:
    """Reading the shipped pool."""

    def read() -> None:
        read_pool.cache_clear()
        read_pool()

    return [("reading the pile-up pool", 1, best_of(REPEATS, read))]


def best_of(repeats: int, what: Callable[[], object]) -> float:
    """Fewest CPU seconds of a few calls."""
    seconds = []
    for _ in range(repeats):
        started = time.process_time()
        what()
        seconds.append(time.process_time() - started)
    return min(seconds)


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = ["| what | a second | ms each |", "|---|---|---|"]
    lines += [f"| {name} | {n / s:.0f} | {1000 * s / n:.3g} |" for name, n, s in rows]
    return "\n".join(lines)


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None).parse_args()
    print(table([*pool_rows(), *zero_bias_rows(), *jet_rows()]))


if __name__ == "__main__":
    main()
