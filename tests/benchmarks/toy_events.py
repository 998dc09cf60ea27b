"""Events of named columns, for tables and rates with known answers."""

from __future__ import annotations

import numpy as np

from naetrigger.contracts.events import Events


def toy_events(process, columns, context=None, weights=None):
    """Events of named columns; background unless it is called 'signal'."""
    values = np.column_stack(list(columns.values())).astype(np.float32)
    context = context or {}
    return Events(
        process,
        "signal" if process == "signal" else "background",
        tuple(columns),
        values,
        np.ones(len(values)) if weights is None else weights,
        np.arange(len(values), dtype=np.uint64),
        tuple(context),
        np.column_stack(list(context.values())).astype(np.float32) if context else np.zeros((0, 0)),
        {"crossing_rate_khz": 1000.0},
    )
