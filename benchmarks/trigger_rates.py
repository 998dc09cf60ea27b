"""Rates of single thresholds in simulated zero bias, as CMS's Level-1 trigger would have them.

    python benchmarks/trigger_rates.py --crossings 200000

Rate = 40 MHz x 2544/3564 filled bunches x weighted fraction of crossings. Errors: bootstrap over
the pool's events, each with all crossings it is the hardest collision of, which holds crossings and
pool events to account at once. Effective pool events: see overlay.effective_pool_events.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from naetrigger.contracts.trigger_objects import LSB
from naetrigger.training.simulate.overlay import PileUp, effective_pool_events
from naetrigger.training.simulate.particles import Floats
from naetrigger.training.simulate.pool import read_pool
from naetrigger.training.simulate.trigger_detector import TriggerView, joined
from naetrigger.training.simulate.zero_bias import CROSSING_RATE_KHZ, zero_bias_chunks

MET, EG, MUON, JET, FOURTH_JET = 0, 1, 5, 9, 12


def object_pt(index: int) -> Callable[[TriggerView], Floats]:
    """pT of one of the 19 objects in GeV."""
    return lambda view: view.objects[:, index, 0] * LSB[index, 0]


QUANTITIES: dict[str, tuple[Callable[[TriggerView], Floats], tuple[int, ...]]] = {
    "leading jet": (object_pt(JET), (35, 60, 90, 120, 150, 180)),
    "fourth jet": (object_pt(FOURTH_JET), (30, 40, 50)),
    "missing ET": (object_pt(MET), (40, 60, 80, 100, 120)),
    "HT": (lambda view: view.ht, (200, 300, 400)),
    "leading muon": (object_pt(MUON), (3, 7, 15, 22, 25)),
    "leading e/gamma": (object_pt(EG), (10, 20, 30, 40)),
    "hottest region": (lambda view: view.regions.max(axis=(1, 2)) * LSB[0, 0], (40, 80)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--crossings", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    view = joined(list(zero_bias_chunks(arguments.crossings, arguments.seed)))
    w = view.weights
    print(
        f"{len(view)} crossings, {w.sum() ** 2 / np.sum(w**2):.0f} effective, mean weight "
        f"{w.mean():.4f}; pool events {effective_pool_events(w, view.pool_event):.0f} effective"
    )
    for name, value in medians(view).items():
        print(f"median {name}: {value:.1f}")
    print("\n| stratum | events | a crossing at 50 |\n|---|---|---|")
    for s in read_pool().strata:
        print(f"| `{s.name}` | {s.n_events} | {50 * s.probability:.3g} |")
    print("\n| quantity | above / GeV | rate / kHz | crossings | effective pool events |")
    print("|---|---|---|---|---|")
    for name, (quantity, thresholds) in QUANTITIES.items():
        values = quantity(view)
        for threshold in thresholds:
            print(rate_row(view, name, values >= threshold, threshold))
    print("\n| mean pile-up | jet >= 60 | jet >= 120 | missing ET >= 80 | muon >= 15 |")
    print("|---|---|---|---|---|")
    for mean in (30.0, 50.0, 70.0):
        print(rate_at(mean, arguments.crossings // 5, arguments.seed))


def medians(view: TriggerView) -> dict[str, float]:
    """Weighted medians, GeV."""
    found = {}
    for name, (quantity, _) in QUANTITIES.items():
        values = quantity(view)
        order = np.argsort(values)
        total = np.cumsum(view.weights[order])
        found[name] = float(values[order][np.searchsorted(total, total[-1] / 2)])
    return found


def rate_row(view: TriggerView, name: str, above: np.ndarray, threshold: int) -> str:
    effective = effective_pool_events(view.weights[above], view.pool_event[above])
    rate, error = rate_khz(view, above)
    return f"| {name} | {threshold} | {rate:.3g} ± {error:.1g} | {above.sum()} | {effective:.0f} |"


def rate_khz(view: TriggerView, above: np.ndarray) -> tuple[float, float]:
    """Rate and its bootstrap error over pool events (Poisson: the variance is sum of W^2)."""
    per_event = np.bincount(view.pool_event[above], view.weights[above], len(read_pool()))
    scale = CROSSING_RATE_KHZ / len(view)
    return float(scale * per_event.sum()), float(scale * np.sqrt(np.sum(per_event**2)))


def rate_at(mean: float, n: int, seed: int) -> str:
    """Rates at one fixed mean pile-up."""
    view = joined(list(zero_bias_chunks(n, seed, PileUp(mean, 0, 0, 1000))))
    cells = []
    for index, threshold in ((JET, 60), (JET, 120), (MET, 80), (MUON, 15)):
        rate, error = rate_khz(view, object_pt(index)(view) >= threshold)
        cells.append(f"{rate:.3g} ± {error:.1g}")
    return f"| {mean:.0f} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
