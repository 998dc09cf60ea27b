"""The error of AUC(b) - AUC(a) of two runs that were tested on the same events."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.validation.efficiency import (
    Floats,
    Scored,
    auc_replicas,
    resample_counts,
    scored,
    spread,
)

REPLICAS = 100
Populations = tuple[Scored, Scored]


def paired_auc_error(
    a: Path, b: Path, signal: str, model: str, engine: str, replicas: int = REPLICAS
) -> float | None:
    """Standard deviation of the difference over resamples of whole events that both share.

    a, b : scores.h5 of the two runs
    None where either file has not these scores, or not the same events. Raises InputError for a
    file that is damaged.
    """
    samples = [_read(path, signal, model, engine) for path in (a, b)]
    one, other = samples
    if one is None or other is None:
        return None
    if any(not np.array_equal(x.event_ids, y.event_ids) for x, y in zip(one, other, strict=True)):
        return None
    rng = np.random.default_rng(0)
    counts = tuple(resample_counts(sample.event_ids, replicas, rng) for sample in one)
    values: list[Floats] = [auc_replicas(*found, (counts[0], counts[1])) for found in (one, other)]
    return spread(values[1] - values[0])


def _read(path: Path, signal: str, model: str, engine: str) -> Populations | None:
    try:
        return _populations(path, signal, model, engine)
    except (OSError, KeyError) as error:
        raise InputError(f"{path}: not readable ({error}); make it anew") from error


def _populations(path: Path, signal: str, model: str, engine: str) -> Populations | None:
    """Background, as it follows the signal, and signal."""
    name = f"scores/{model}/{engine}"
    with h5py.File(path, "r") as file:
        groups = [file[str(p)] for p in file.attrs["processes"]]
        backgrounds = [group for group in groups if group.attrs["role"] == "background"]
        if signal not in file or any(name not in group for group in (*backgrounds, file[signal])):
            return None
        ids = np.concatenate([group["event_ids"][:] for group in backgrounds])
        values = np.concatenate([group[name][:] for group in backgrounds])
        following = file[signal].get("background_weights")
        weights = (
            np.concatenate([group["weights"][:] for group in backgrounds])
            if following is None
            else following[:]
        )
        own = file[signal]
        if len(values) != len(ids) or len(own[name]) != len(own["event_ids"]):
            return None  # an engine that was asked for the first events only
        return (
            scored(values, weights, ids),
            scored(own[name][:], own["weights"][:], own["event_ids"][:]),
        )
