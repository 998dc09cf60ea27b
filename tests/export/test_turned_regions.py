"""Turned and mirrored calorimeter regions: the same energies elsewhere, some of them raised."""

from __future__ import annotations

import numpy as np
import pytest

from naetrigger.contracts.calo_regions import COLUMNS, MAX_ET, N_ETA, N_PHI
from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events
from naetrigger.export.turned_regions import turned_regions


def crossings(n: int, columns: tuple[str, ...] = COLUMNS) -> Events:
    values = np.random.default_rng(1).poisson(12, (n, len(columns))).astype(np.float32)
    ids = np.arange(n, dtype=np.uint64)
    units = ("hw",) * len(columns)
    return Events("zero_bias", "background", columns, values, np.ones(n), ids, units=units)


def turns(values: np.ndarray) -> set[bytes]:
    """All 36 pictures that symmetry makes of one."""
    image = values.reshape(N_PHI, N_ETA)
    return {
        np.roll(side, step, axis=0).tobytes()
        for side in (image, np.ascontiguousarray(image[:, ::-1]))
        for step in range(N_PHI)
    }


def test_every_other_one_is_its_event_turned_and_mirrored() -> None:
    events = crossings(5)
    made = turned_regions(events, 400, np.random.default_rng(2))
    pictures = {int(i): turns(row) for i, row in zip(events.event_ids, events.values, strict=True)}
    for identity, row in zip(made.event_ids[::2], made.values[::2], strict=True):
        assert row.reshape(N_PHI, N_ETA).tobytes() in pictures[int(identity)]
    assert len({row.tobytes() for row in made.values[::2]}) > 100  # of 180


def test_the_others_have_a_few_cells_raised_and_none_lowered() -> None:
    event = crossings(40)
    made = turned_regions(event, 4000, np.random.default_rng(3))
    turned, raised = made.values[::2].sum(axis=1), made.values[1::2].sum(axis=1)
    assert raised.mean() > turned.mean() + 5
    assert made.values.max() <= MAX_ET
    np.testing.assert_array_equal(made.values, np.rint(made.values))
    original = {int(i): row for i, row in zip(event.event_ids, event.values, strict=True)}
    changed = [
        min(np.sum(np.frombuffer(t, np.float32) != row) for t in turns(original[int(i)]))
        for i, row in zip(made.event_ids[1:200:2], made.values[1:200:2], strict=True)
    ]
    assert 1.5 < np.mean(changed) < 4.5  # of 3.5 chosen some are raised by less than half a step


def test_other_columns_are_refused() -> None:
    with pytest.raises(InputError, match=r"regions_count.*met_pt"):
        turned_regions(crossings(3, ("met_pt", "met_phi")), 10, np.random.default_rng(0))
