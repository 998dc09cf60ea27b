"""The weights that training draws events by, where they are not the events' own (`data.flatten`).

They lie in a file of their own. So train.h5 and validation.h5 hold the weights of the data, and
whatever reads them finds background efficiencies of the data; only what learns asks for these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events, read_events
from naetrigger.contracts.npz_file import load_arrays

TRAINING_WEIGHTS = "training_weights.npz"  # an array (N,) for each of train and validation


def write_training_weights(folder: Path, weights: Mapping[str, npt.NDArray[np.float64]]) -> None:
    """The weights of 'train' and 'validation', beside their events in `folder`."""
    train, validation = weights["train"], weights["validation"]
    np.savez(folder / TRAINING_WEIGHTS, train=train, validation=validation)


def training_events(folder: Path, name: str) -> Events:
    """'train' or 'validation' of a data folder, weighted as training is to see it.

    Raises InputError where the weights are unreadable, or not those of these events.
    """
    (events,) = read_events(folder / f"{name}.h5")
    path = folder / TRAINING_WEIGHTS
    if not path.exists():
        return events
    try:
        weights = load_arrays(path)[name].astype(np.float64)
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(f"{path}: not readable ({error}); make the data stage anew") from error
    if weights.shape != (len(events),):
        raise InputError(
            f"{path}: '{name}' must be {len(events)} weights, one an event of {name}.h5, got shape "
            f"{weights.shape}; make the data stage anew"
        )
    return replace(events, weights=weights).check(str(path))
