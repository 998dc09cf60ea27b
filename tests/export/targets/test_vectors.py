"""The test vectors: reproducible, in range, and made to saturate and tie."""

from __future__ import annotations

import numpy as np
import pytest

from naetrigger.contracts.decision import with_decision
from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Rounding
from naetrigger.export.vectors import agreement_vectors, boundary_words, pattern_vectors
from tests.export.targets.networks import random_network


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", [1, 2, 8, 13, 40])
def test_patterns_hold_the_corners_and_stay_in_range(width: int, signed: bool) -> None:
    kind = Fixed(signed, width, 3)
    vectors = pattern_vectors(kind, 7)
    rows = {tuple(row) for row in vectors.tolist()}
    assert len(rows) == len(vectors)
    for corner in (kind.min_mantissa, kind.max_mantissa, 0):
        assert (corner,) * 7 in rows
    assert vectors.min() == kind.min_mantissa
    assert vectors.max() == kind.max_mantissa


def test_boundary_words_hold_the_tie_of_every_coarser_step() -> None:
    words = set(boundary_words(Fixed(True, 10, 3)).tolist())
    for drop in range(1, 9):
        assert 3 << (drop - 1) in words, "halfway between two steps of 2**drop"


def test_vectors_are_of_the_number_asked_for_and_reproducible() -> None:
    network = random_network(0)
    events = np.random.default_rng(1).integers(-20, 20, (3000, 5))
    first, second, other = (
        agreement_vectors(network, 10_000, np.random.default_rng(seed), events)
        for seed in (4, 4, 5)
    )
    assert first.shape == (10_000, 5)
    np.testing.assert_array_equal(first, second)
    assert np.any(first != other)
    rows = {tuple(row) for row in first.tolist()}
    assert len(rows & {tuple(row) for row in events.tolist()}) > 2500
    assert len(agreement_vectors(network, 10, np.random.default_rng(0))) == 10


def test_vectors_saturate_every_edge_that_can() -> None:
    network = random_network(0)
    saturated = network.saturation(agreement_vectors(network, 10_000, np.random.default_rng(0)))
    for name in ("a0", "latent", "d2", "diff", "score"):
        assert saturated[name] > 0, name


def test_vectors_tie() -> None:
    """Exact results halfway between two members of the latent's format occur."""
    network = random_network(0)
    edges = network.trace(agreement_vectors(network, 10_000, np.random.default_rng(0)))
    kind = network["latent"].type
    assert kind.rounding is Rounding.RND_CONV
    drop = network["d1"].type.fraction - kind.fraction
    rest = edges["d1"] & ((1 << drop) - 1)
    assert np.count_nonzero(rest == 1 << (drop - 1)) > 20


def test_events_of_another_width_are_refused() -> None:
    with pytest.raises(InputError, match="events must have shape"):
        agreement_vectors(
            random_network(0), 1000, np.random.default_rng(0), np.zeros((3, 4), np.int64)
        )


def test_events_at_the_thresholds_are_among_the_vectors() -> None:
    network = random_network(0)
    events = np.random.default_rng(2).integers(-128, 128, (100_000, network.input.size))
    scores = network.scores(events)
    threshold = int(np.sort(scores)[300])
    patterns = pattern_vectors(network.input.type, network.input.size)
    deciding = with_decision(network, [threshold])
    vectors = agreement_vectors(deciding, len(patterns) + 16, np.random.default_rng(0), events)
    seen = network.scores(vectors[len(patterns) :])
    assert np.sum(seen < threshold) == np.sum(seen >= threshold) == 8
    assert seen.min() == np.sort(scores[scores < threshold])[-8]
    assert seen.max() == np.sort(scores[scores >= threshold])[7]
