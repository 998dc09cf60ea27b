"""Points from the symmetry of the calorimeter: background regions turned in phi, mirrored in eta.

A student of 252 noisy cells needs more events than a background sample holds. Collisions know no
direction in phi and no side in eta, so every event stands for 36; and where a few cells of one are
raised, the student meets what the tail of the background and signals are made of.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.calo_regions import COLUMNS, MAX_ET, N_ETA, N_PHI
from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events

RAISED_CELLS = 6  # at most, on average; one to six alike
RAISED_BY = (1, 3, 10)  # times the spread of a cell, times |normal|; chosen by scan on lq_btau


def turned_regions(events: Events, count: int, rng: np.random.Generator) -> Events:
    """`count` events drawn alike, turned and mirrored at random, a few cells of every other raised.

    Rare events are drawn as often as common ones: their scores are the ones to learn. Raises
    InputError for events that are not calorimeter regions.
    """
    if events.columns != COLUMNS:
        raise InputError(
            "student.points.regions_count: needs calorimeter regions as source columns "
            f"({COLUMNS[0]} ... {COLUMNS[-1]}), {events.process} has {events.columns[0]} ..."
        )
    rows = rng.integers(0, len(events), count)
    values = _turned(events.values[rows], rng)
    values[1::2] = _raised(values[1::2], events.values.std(axis=0), rng)
    return Events(
        process=events.process,
        role=events.role,
        columns=events.columns,
        values=values,
        weights=np.ones(count),
        event_ids=events.event_ids[rows],
        units=events.units,
    )


def _turned(values: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    image = values.reshape(-1, N_PHI, N_ETA)
    steps = rng.integers(0, N_PHI, len(image))
    turn = (np.arange(N_PHI) + steps[:, None]) % N_PHI
    image = np.take_along_axis(image, turn[:, :, None], axis=1)
    mirrored = rng.random(len(image)) < 0.5
    image[mirrored] = image[mirrored, :, ::-1]
    return image.reshape(len(values), -1)


def _raised(
    values: npt.NDArray[np.float32], spread: npt.NDArray[np.float32], rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    share = rng.integers(1, RAISED_CELLS + 1, (len(values), 1)) / values.shape[1]
    chosen = rng.random(values.shape) < share
    height = np.abs(rng.standard_normal(values.shape)) * rng.choice(RAISED_BY, (len(values), 1))
    raised: npt.NDArray[np.float32] = np.clip(np.rint(values + chosen * height * spread), 0, MAX_ET)
    return raised.astype(np.float32)
