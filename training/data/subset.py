"""A part of a sample that stands for all of it, whatever order its file is in.

Generated files come slice by slice in pT, recorded ones run by run: their first rows are not like
the rest. The rows kept are those whose event ids hash lowest, so the same rows come out again, a
larger part holds the smaller one, and neither chunks nor order of the file matter.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.events import Events, concatenated, hashed

STREAM = 2  # of the hash; the split takes the first


def stable_subset(chunks: Iterable[Events], limit: int) -> list[Events]:
    """At most `limit` rows of one process, in their order; the memory is that of a few chunks more.

    Rows of one event stay together, but for the last one kept, of which the first rows are.
    """
    parts: list[Events] = []
    rows = 0
    for events in chunks:
        parts.append(events)
        rows += len(events)
        if rows > 2 * limit:
            parts, rows = [_lowest(concatenated(parts), limit)], limit
    return [_lowest(concatenated(parts), limit)] if parts else []


def _lowest(events: Events, limit: int) -> Events:
    if len(events) <= limit:
        return events
    rows: npt.NDArray[np.intp] = np.argsort(hashed(events.event_ids, STREAM), kind="stable")
    return events.select(np.sort(rows[:limit]))
