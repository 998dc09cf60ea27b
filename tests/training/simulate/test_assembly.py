"""What a file says of the pool that it rests on, however many rows it has."""

from __future__ import annotations

import numpy as np
import pytest

from naetrigger.training.simulate.assembly import EFFECTIVE_ABOVE_GEV, PoolUse
from naetrigger.training.simulate.chunks import Chunk, Order
from naetrigger.training.simulate.overlay import effective_pool_events
from naetrigger.training.simulate.views import layout

ORDER = Order("zero_bias", "l1-objects", 1, 1000)
TABLE = layout(ORDER.view)
JET, POOL = TABLE.columns.index("jet1_pt"), TABLE.context_columns.index("pool_event")


def chunk_of(rng: np.random.Generator, n: int, pool_size: int) -> Chunk:
    values = np.zeros((n, len(TABLE.columns)), np.int16)
    values[:, JET] = rng.integers(0, 480, n)
    context = np.zeros((n, len(TABLE.context_columns)), np.float32)
    context[:, POOL] = rng.integers(-1, pool_size, n)
    return Chunk(
        values=values,
        context=context,
        weights=rng.uniform(0.1, 3, n),
        event=np.arange(n),
        piece=np.zeros(n, np.int16),
        generated=np.asarray([n]),
        sigma_mb=np.asarray([np.nan]),
        dropped=0,
    )


def test_chunk_by_chunk_it_is_that_of_all_rows() -> None:
    rng = np.random.default_rng(3)
    chunks = [chunk_of(rng, 200, size) for size in (5, 40, 20)]
    use = PoolUse()
    for chunk in chunks:
        use.add(ORDER, chunk)
    weights = np.concatenate([chunk.weights for chunk in chunks])
    pool = np.concatenate([chunk.context[:, POOL] for chunk in chunks]).astype(np.int64)
    leading = np.concatenate([chunk.values[:, JET] for chunk in chunks]) / 2
    expected = {"all": effective_pool_events(weights, pool)} | {
        f"leading jet >= {gev} GeV": effective_pool_events(
            weights[leading >= gev], pool[leading >= gev]
        )
        for gev in EFFECTIVE_ABOVE_GEV
    }
    assert use.effective() == pytest.approx(expected, abs=0.051)  # rounded to one digit
    assert min(expected.values()) > 1


def test_what_is_kept_does_not_grow_with_the_rows() -> None:
    rng, use = np.random.default_rng(3), PoolUse()
    for _ in range(20):
        use.add(ORDER, chunk_of(rng, 500, 50))
    assert {len(weights) for weights in use._weights.values()} == {50}


def test_rows_without_a_collision_rest_on_none() -> None:
    use = PoolUse()
    use.add(ORDER, chunk_of(np.random.default_rng(3), 10, 0))
    assert set(use.effective().values()) == {0.0}
