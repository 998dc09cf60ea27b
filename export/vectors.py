"""Test vectors: the input words on which every engine must agree to the last bit.

Real events alone seldom saturate and never tie, so they are mixed with words made to: the
corners of the input format, words at and beside every power of two, words half an output step
apart, and words drawn uniformly over the whole range. Of a network that decides, the events whose
scores lie nearest to its thresholds, at either side, are among them.
"""

from __future__ import annotations

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Integers
from naetrigger.contracts.network import FixedPointNetwork

EVENTS_SHARE = 0.5
NEAREST = 8  # events at either side of each threshold


def agreement_vectors(
    network: FixedPointNetwork,
    n: int,
    rng: np.random.Generator,
    events: Integers | None = None,
) -> Integers:
    """Exactly `n` input words, shape (n, F), without repeats of the fixed patterns.

    events : mantissas of real events, shape (N, F); up to half of the vectors are drawn from
        them. The rest are the fixed patterns of :func:`pattern_vectors`, then uniform words.
    """
    fixed, width = network.input.type, network.input.size
    patterns = pattern_vectors(fixed, width)[:n]
    parts = [patterns]
    if events is not None and len(events):
        if events.ndim != 2 or events.shape[1] != width:
            raise InputError(f"test vectors: events must have shape (N, {width}): {events.shape}")
        wanted = min(len(events), int(n * EVENTS_SHARE), n - len(patterns))
        rows = np.concatenate([_at_thresholds(network, events), rng.permutation(len(events))])
        _, first = np.unique(rows, return_index=True)
        parts.append(events[np.sort(rows[np.sort(first)][:wanted])])
    rest = n - sum(len(part) for part in parts)
    low, high = fixed.min_mantissa, fixed.max_mantissa
    parts.append(rng.integers(low, high, size=(rest, width), endpoint=True, dtype=np.int64))
    return np.concatenate(parts)


def _at_thresholds(network: FixedPointNetwork, events: Integers) -> Integers:
    """Rows of the events whose scores lie nearest to a threshold, at either side of it."""
    if network.decision is None:
        return np.zeros(0, np.int64)
    scores = network.scores(events)
    order = np.argsort(scores, kind="stable")
    places = np.searchsorted(scores[order], network.thresholds)
    around = (order[max(place - NEAREST, 0) : place + NEAREST] for place in places)
    return np.concatenate(list(around))


def pattern_vectors(fixed: Fixed, width: int) -> Integers:
    """Corners, boundaries and ties of an input format, shape (M, width).

    Every boundary word on all inputs at once, with alternating signs, and alone on each of up
    to 16 inputs.
    """
    words = boundary_words(fixed)
    everywhere = np.repeat(words[:, None], width, axis=1)
    flipped = everywhere.copy()
    flipped[:, 1::2] = np.clip(-everywhere[:, 1::2] - 1, fixed.min_mantissa, fixed.max_mantissa)
    places = np.unique(np.linspace(0, width - 1, min(width, 16)).astype(int))
    alone = np.zeros((len(places) * len(words), width), np.int64)
    for i, place in enumerate(places):
        alone[i * len(words) : (i + 1) * len(words), place] = words
    ramps = words[(np.arange(len(words))[:, None] + np.arange(width)) % len(words)]
    return np.unique(np.concatenate([everywhere, flipped, alone, ramps]), axis=0)


def boundary_words(fixed: Fixed) -> Integers:
    """The ends of the range, zero, and every power of two with its neighbours and its ties."""
    powers = [1 << bit for bit in range(fixed.width)]
    near = {s * (p + d) for p in powers for d in (-1, 0, 1) for s in (-1, 1)}
    halves = {s * (p + p // 2) for p in powers for s in (-1, 1)}
    low, high = fixed.min_mantissa, fixed.max_mantissa
    words = {0, low, low + 1, high, high - 1} | near | halves
    return np.array(sorted(w for w in words if low <= w <= high), dtype=np.int64)
