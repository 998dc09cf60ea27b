"""Pairs counted block by block against the same pairs as whole arrays."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from naetrigger.validation.agreement import compare_pair
from naetrigger.validation.compare_schema import PairComparison, WorkingThreshold
from naetrigger.validation.pair_counts import KEPT, SAMPLE, Block, PairCounts, RankSample

POINTS = [
    WorkingThreshold(name="background 0.1", student=60, teacher=6.0),
    WorkingThreshold(name="bit 0", student=80),
]


def counted(
    x: np.ndarray, y: np.ndarray, cuts: list[int], models: tuple[str, str] = ("student", "student")
) -> PairCounts:
    pair = PairCounts("a", "b", models, POINTS, 1e-5, "file")
    for start, stop in zip([0, *cuts], [*cuts, len(x)], strict=True):
        rows = slice(start, stop)
        ids = np.arange(start, stop, dtype=np.uint64) + np.uint64(100)
        inputs = np.arange(start, stop)[:, None]
        scores = {"a": x[rows], "b": y[rows]}
        pair.add(Block((0, "background"), start, ids, scores, inputs))
    return pair


@pytest.fixture(scope="module")
def integers() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 100, 5000)
    y = x + np.where(rng.random(5000) < 0.05, rng.integers(-9, 10, 5000), 0)
    return x, y


def test_it_says_what_whole_arrays_say(integers: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = integers
    found = counted(x, y, [1000, 1001, 4096]).document()
    whole = compare_pair("student/a", x, "student/b", y, "file")
    for name in ("n", "exact_fraction", "max_lsb", "spearman", "expectation", "a", "b", "events"):
        assert getattr(found, name) == pytest.approx(getattr(whole, name)), name
    assert found.mean_lsb == pytest.approx(np.abs(x - y).mean())
    assert sum(b.events for b in found.differences) == 5000
    assert sum(b.events for b in found.differences if b.low > 0) == np.sum(y > x)
    assert {(b.low, b.high) for b in found.differences} <= {
        (0, 0), (1, 1), (2, 3), (4, 7), (8, 15), (-1, -1), (-3, -2), (-7, -4), (-15, -8)
    }  # fmt: skip


def test_both_directions_of_a_flip(integers: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = integers
    found = counted(x, y, [777]).document()
    for flip, threshold in zip(found.flips, (60, 80), strict=True):
        assert flip.only_a == np.sum((x >= threshold) & (y < threshold))
        assert flip.only_b == np.sum((x < threshold) & (y >= threshold))
        assert flip.both == np.sum((x >= threshold) & (y >= threshold))
    assert found.flips[0].only_a > 0
    assert found.flips[0].only_b > 0


def test_nothing_depends_on_how_the_stream_was_cut(
    integers: tuple[np.ndarray, np.ndarray],
) -> None:
    documents: list[PairComparison] = []
    for cuts in ([], [1], [4999], list(range(100, 5000, 100))):
        pair = counted(*integers, cuts)
        documents.append(pair.document())
        assert [event.place for event in pair.kept] == [
            event.place for event in counted(*integers, []).kept
        ]
    assert all(document == documents[0] for document in documents)


def test_the_first_and_the_worst_events_are_kept(integers: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = integers
    pair = counted(x, y, [2500])
    differing = np.flatnonzero(x != y)
    rows = [event.place[1] for event in pair.kept]
    assert set(differing[:KEPT]) <= set(rows)
    sizes = np.abs(x - y)
    assert sizes[rows].max() == sizes.max()
    assert len(rows) <= 2 * KEPT
    document = pair.document()
    assert document.first is not None
    assert (document.first.row, document.first.event_id) == (differing[0], differing[0] + 100)
    assert document.worst[0].difference == sizes.max()
    assert all(event.inputs == [event.place[1]] for event in pair.kept)


def test_floats_are_close_or_not() -> None:
    x = np.linspace(1, 2, 1000)
    y = x * (1 + 1e-7)
    assert counted(x, y, [10], ("teacher", "teacher")).agrees
    y[7] = np.nan
    y[8] *= 1.001
    pair = counted(x, y, [10], ("teacher", "teacher"))
    assert pair.beyond == 2
    assert pair.document().max_relative == np.inf
    assert not pair.is_exact


@pytest.mark.parametrize("no_number", [np.nan, np.inf])
def test_what_is_no_number_on_both_sides_differs_and_sets_no_scale(no_number: float) -> None:
    x = np.linspace(1, 2, 1000)
    x[:600] = no_number  # more than half of the first block, which settles the scale
    y = x.copy()
    y[700] *= 1.001
    pair = counted(x, y, [800], ("teacher", "teacher"))
    assert pair.beyond == 601


def test_teacher_and_student_are_compared_by_rank_each_at_its_own_threshold() -> None:
    x = np.linspace(0, 10, 101)
    pair = counted(x, np.rint(10 * x).astype(np.int64), [50], ("teacher", "student"))
    found = pair.document()
    assert (found.expectation, found.max_lsb, found.differences) == ("rank", None, ())
    assert found.spearman == pytest.approx(1.0)
    assert [flip.point for flip in found.flips] == ["background 0.1"]  # the bit has no teacher
    assert (found.flips[0].only_a, found.flips[0].only_b, found.flips[0].both) == (0, 0, 41)


def test_an_engine_that_stops_early_is_compared_on_what_it_scored() -> None:
    pair = PairCounts("a", "b", ("student", "student"), [], 1e-5, "file")
    x = np.arange(10)
    scores = {"a": x, "b": x[:4]}
    pair.add(Block((0, "p"), 0, x.astype(np.uint64), scores, x[:, None]))
    scores = {"a": x, "b": x[:0]}
    pair.add(Block((0, "p"), 10, x.astype(np.uint64), scores, x[:, None]))
    assert pair.document().n == 4


def test_one_event_has_no_rank_correlation() -> None:
    assert counted(np.array([3]), np.array([3]), []).document().spearman is None
    assert counted(np.array([3, 3]), np.array([3, 3]), []).document().spearman is None


def test_the_sample_of_ranks_is_bounded_and_unbiased() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=200_000)
    y = x + rng.normal(size=200_000)
    sample = RankSample()
    for start in range(0, len(x), 30_000):
        rows = slice(start, start + 30_000)
        sample.add(np.arange(start, min(start + 30_000, len(x)), dtype=np.uint64), x[rows], y[rows])
    a, b = sample.pairs()
    assert SAMPLE / 3 < len(a) <= SAMPLE
    assert stats.spearmanr(a, b)[0] == pytest.approx(stats.spearmanr(x, y)[0], abs=0.012)


def test_differences_beyond_63_bits() -> None:
    low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    found = counted(np.array([low, 0]), np.array([high, 0]), []).document()
    assert found.max_lsb == 2**64 - 1
