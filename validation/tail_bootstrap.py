"""Thresholds of resampled samples: clusters are drawn with Poisson(1) multiplicity, whole.

A crossing made from a pool event is drawn with it, so crossings and pool events are resampled at
once. Only clusters that reach the tail are drawn one by one; the others enter through the total
weight alone, whose sum is Gaussian.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from naetrigger.validation.tail import Sample

Floats = npt.NDArray[np.float64]


def bootstrap_thresholds(
    sample: Sample, requested: list[float], replicas: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """The lowest threshold that lets at most each requested fraction pass; (replicas, requests)."""
    cluster = sample.cluster_of()
    _, cluster = np.unique(cluster, return_inverse=True)
    total = np.bincount(cluster, sample.weights)
    order = np.argsort(-sample.scores, kind="stable")
    running = np.cumsum(sample.weights[order])
    reach = min(3 * max(requested) + 100 * sample.weights.max() / running[-1], 1.0)
    rows = order[: int(np.searchsorted(running, reach * running[-1])) + 1]
    values, rank = np.unique(-sample.scores[rows], return_inverse=True)
    drawn, place = np.unique(cluster[rows], return_inverse=True)
    rest = np.delete(total, drawn)
    mean, width = rest.sum(), np.sqrt(np.sum(rest**2))
    found = np.empty((replicas, len(requested)), np.int64)
    for replica in found:
        times = rng.poisson(1.0, len(drawn))
        whole = times @ total[drawn] + mean + width * rng.normal()
        passing = np.cumsum(np.bincount(rank, sample.weights[rows] * times[place]))
        for k, request in enumerate(requested):
            first = int(np.searchsorted(passing, request * whole, side="right"))
            replica[k] = -values[min(first, len(values) - 1)] + 1
    return found
