"""A part of a sample: the same rows whatever the chunks and the order, alike the whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from naetrigger.contracts.events import Events, split_of
from naetrigger.training.data.subset import stable_subset

N = 5000


def rows(ids: np.ndarray) -> Events:
    values = ids.astype(np.float32)[:, None]
    return Events("b", "background", ("x",), values, np.ones(len(ids)), ids.astype(np.uint64))


def chunked(events: Events, size: int) -> Iterator[Events]:
    for start in range(0, len(events), size):
        yield events.select(slice(start, start + size))


def chosen(events: Events, limit: int, size: int = 700) -> list[int]:
    parts = stable_subset(chunked(events, size), limit)
    return [i for part in parts for i in part.event_ids.tolist()]


@pytest.mark.parametrize("limit", [1, 10, 400, N - 1])
@pytest.mark.parametrize("size", [7, 333, N])
def test_neither_chunks_nor_order_matter(limit: int, size: int) -> None:
    expected = chosen(rows(np.arange(N)), limit)
    assert len(expected) == limit
    assert chosen(rows(np.arange(N)), limit, size) == expected
    shuffled = np.random.default_rng(0).permutation(N)
    found = chosen(rows(shuffled), limit, size)
    assert sorted(found) == expected
    assert found == [i for i in shuffled if i in set(expected)]  # in the file's order


def test_a_larger_part_holds_the_smaller_and_all_is_all() -> None:
    events = rows(np.arange(N))
    assert set(chosen(events, 50)) < set(chosen(events, 60))
    assert chosen(events, N) == chosen(events, 2 * N) == list(range(N))
    assert stable_subset(iter(()), 5) == []


def test_rows_of_one_event_stay_together() -> None:
    found = chosen(rows(np.repeat(np.arange(1000), 3)), 300)
    assert np.unique(found, return_counts=True)[1].tolist() == [3] * 100


def test_a_part_splits_as_the_whole_does() -> None:
    """Choosing and splitting hash the same ids; what is chosen must not all go to one split."""
    fractions = (0.6, 0.2, 0.2)
    ids = np.array(chosen(rows(np.arange(N)), 1000), np.uint64)
    shares = np.bincount(split_of(ids, fractions), minlength=3) / 1000
    assert shares == pytest.approx(fractions, abs=4 * np.sqrt(0.24 / 1000))
