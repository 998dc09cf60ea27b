"""Signals of a validated run with their hardware scores, as scores.h5 holds them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.validation.efficiency import Scored, scored

REFERENCE = "network"  # every integer engine of a run that passed has its scores


def signal_scores(path: Path, engine: str = REFERENCE) -> dict[str, Scored]:
    """Signal -> its test events with the student's integers, by `engine` or the reference.

    A signal that neither of them scored in full is left out. Raises InputError for a damaged file.
    """
    try:
        with h5py.File(path, "r") as file:
            names = [str(p) for p in file.attrs["processes"]]
            signals = [name for name in names if file[name].attrs["role"] == "signal"]
            found = {name: _sample(file[name], engine) for name in signals}
    except (OSError, KeyError) as error:
        raise InputError(f"{path}: not readable ({error}); make it anew") from error
    return {name: sample for name, sample in found.items() if sample is not None}


def _sample(group: h5py.Group, engine: str) -> Scored | None:
    ids = group["event_ids"][:]
    for name in (engine, REFERENCE):
        scores = group.get(f"scores/student/{name}")
        if scores is not None and len(scores) == len(ids):
            return scored(np.asarray(scores[:], np.int64), group["weights"][:], ids)
    return None
