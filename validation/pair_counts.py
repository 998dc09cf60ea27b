"""Two engines on a stream of events, in constant memory: agreement, flips, the worst events.

What `agreement.compare_pair` says of whole arrays, block by block: a rank correlation from a sample
that a hash of the rows chooses, so that nothing depends on how the stream was cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.fixed_point import Integers
from naetrigger.validation.agreement import (
    are_integers,
    expectation_of,
    lsb_difference,
    relative_difference,
    spearman,
    typical_size,
)
from naetrigger.validation.compare_schema import (
    DifferenceBin,
    DifferingEvent,
    Flips,
    PairComparison,
    WorkingThreshold,
)
from naetrigger.validation.report.schema import Expectation

Scores = npt.NDArray[Any]

SAMPLE = 65536  # pairs of a rank correlation: its error is below 0.004
KEPT = 16  # differing events that are kept: so many of the first, and so many of the worst
SHOWN = 5  # of these in the document
BITS = 64


@dataclass(frozen=True)
class Block:
    """Consecutive events of one process, N of them.

    process : its number in the file and its name
    scores : engine -> (N,), or fewer of the first where an engine is asked for some events only
    inputs : the student's input mantissas (N, F)
    """

    process: tuple[int, str]
    first_row: int
    event_ids: npt.NDArray[np.uint64]
    scores: Mapping[str, Scores]
    inputs: Integers

    def keys(self, n: int) -> npt.NDArray[np.uint64]:
        """Numbers that tell rows apart, the same however a stream was cut."""
        rows = np.arange(self.first_row, self.first_row + n, dtype=np.uint64)
        return rows + (np.uint64(self.process[0]) << np.uint64(48))


@dataclass(frozen=True, order=True)
class KeptEvent:
    """An event on which two engines differ; ordered by its place in the file."""

    place: tuple[int, int]
    process: str = field(compare=False)
    event_id: int = field(compare=False)
    a: float = field(compare=False)
    b: float = field(compare=False)
    size: float = field(compare=False)
    inputs: Integers = field(compare=False)

    def document(self) -> DifferingEvent:
        return DifferingEvent(
            process=self.process,
            row=self.place[1],
            event_id=self.event_id,
            a=self.a,
            b=self.b,
            difference=self.size,
        )


class Agreement:
    """All pairs of some engines."""

    def __init__(
        self,
        models: Mapping[str, str],
        thresholds: Sequence[WorkingThreshold],
        relative: float,
        events: str,
    ) -> None:
        """models : engine -> 'teacher' or 'student', in the order of the pairs."""
        self.pairs = [
            PairCounts(a, b, (models[a], models[b]), thresholds, relative, events)
            for a, b in combinations(models, 2)
        ]

    def add(self, block: Block) -> None:
        for pair in self.pairs:
            pair.add(block)


class PairCounts:
    """One pair."""

    def __init__(
        self,
        a: str,
        b: str,
        models: tuple[str, str],
        thresholds: Sequence[WorkingThreshold],
        relative: float,
        events: str,
    ) -> None:
        self.a, self.b, self.events = a, b, events
        self.n = self.exact = self.beyond = 0
        self._names = tuple(
            f"{model}/{engine}" for model, engine in zip(models, (a, b), strict=True)
        )
        self._relative = relative
        self._expectation: Expectation = "rank"
        self._integers = False
        self._scale: float | None = None
        self._largest: float = 0
        self._sum = 0.0
        self._bins = np.zeros(2 * BITS + 1, np.int64)
        self._sample = RankSample()
        self._first: list[KeptEvent] = []
        self._worst: list[KeptEvent] = []
        self._points = [
            (point, ends)
            for point in thresholds
            if None not in (ends := tuple(point.of_model(model) for model in models))
        ]
        self._flips = np.zeros((len(self._points), 3), np.int64)

    @property
    def agrees(self) -> bool:
        """Whether no event breaks what is expected of the pair."""
        return self.beyond == 0

    @property
    def is_exact(self) -> bool:
        """Whether the two must be equal."""
        return self._expectation == "exact"

    @property
    def kept(self) -> list[KeptEvent]:
        """The first and the worst events on which the pair differs, in the file's order."""
        return sorted({event.place: event for event in (*self._first, *self._worst)}.values())

    def add(self, block: Block) -> None:
        """Count a block's events that both engines have scored."""
        x, y = (np.asarray(block.scores[name]) for name in (self.a, self.b))
        n = min(len(x), len(y))
        if n == 0:
            return
        x, y = x[:n], y[:n]
        self._expectation, self._integers = expectation_of(x, y), are_integers(x, y)
        self.n += n
        self.exact += int(np.count_nonzero(x == y))
        if self._expectation != "rank":
            self._add_differences(block, x, y)
        self._sample.add(block.keys(n), x, y)
        for i, (_, (low, high)) in enumerate(self._points):
            fires_a, fires_b = x >= low, y >= high
            both = np.count_nonzero(fires_a & fires_b)
            self._flips[i] += [fires_a.sum() - both, fires_b.sum() - both, both]

    def _add_differences(self, block: Block, x: Scores, y: Scores) -> None:
        size: Scores
        if self._integers:
            size = lsb_difference(x, y)
            signed = np.where(y >= x, 1, -1) * _bit_length(size)
            self._bins += np.bincount(signed + BITS, minlength=len(self._bins))
            beyond = np.flatnonzero(size)
            self._sum += float(size.astype(np.float64).sum())
            self._largest = max(self._largest, int(size.max()))
        else:
            self._scale = typical_size(x) if self._scale is None else self._scale
            size = relative_difference(x, y, self._scale)
            beyond = np.flatnonzero(~(size <= self._relative))
            self._sum += float(size.sum())
            self._largest = max(self._largest, float(size.max()))
        self.beyond += len(beyond)
        self._keep(block, x, y, size, beyond)

    def _keep(
        self, block: Block, x: Scores, y: Scores, size: Scores, beyond: npt.NDArray[np.intp]
    ) -> None:
        def kept(row: int) -> KeptEvent:
            number, name = block.process
            return KeptEvent(
                (number, block.first_row + row),
                name,
                int(block.event_ids[row]),
                x[row].item(),
                y[row].item(),
                size[row].item(),
                block.inputs[row].copy(),
            )

        self._first += [kept(row) for row in beyond[: KEPT - len(self._first)]]
        worst = beyond[np.argsort(-size[beyond].astype(np.float64), kind="stable")][:KEPT]
        self._worst += [kept(row) for row in worst]
        self._worst = sorted(self._worst, key=lambda event: (-event.size, event.place))[:KEPT]

    def document(self) -> PairComparison:
        """What was found so far."""
        compared = self._expectation != "rank"
        x, y = self._sample.pairs()
        return PairComparison(
            a=self._names[0],
            b=self._names[1],
            n=self.n,
            exact_fraction=self.exact / self.n if self.n else 0.0,
            max_lsb=int(self._largest) if self._integers else None,
            mean_lsb=self._sum / self.n if self._integers else None,
            differences=tuple(self._histogram()),
            max_relative=self._largest if compared and not self._integers else None,
            mean_relative=self._sum / self.n if compared and not self._integers else None,
            spearman=spearman(x, y),
            spearman_n=len(x),
            expectation=self._expectation,
            events=self.events,
            beyond=self.beyond,
            flips=tuple(self._flips_found()),
            first=self._first[0].document() if self._first else None,
            worst=tuple(event.document() for event in self._worst[:SHOWN]),
        )

    def _histogram(self) -> Iterator[DifferenceBin]:
        """b - a in LSBs, in ranges between powers of two; empty ranges are left out."""
        for i in np.flatnonzero(self._bins) if self._integers else ():
            bits = int(abs(i - BITS))
            low, high = (2 ** (bits - 1), 2**bits - 1) if bits else (0, 0)
            ends = (low, high) if i >= BITS else (-high, -low)
            yield DifferenceBin(low=ends[0], high=ends[1], events=int(self._bins[i]))

    def _flips_found(self) -> Iterator[Flips]:
        for (point, (low, high)), counts in zip(self._points, self._flips, strict=True):
            only_a, only_b, both = (int(count) for count in counts)
            yield Flips(
                point=point.name,
                threshold_a=low,
                threshold_b=high,
                only_a=only_a,
                only_b=only_b,
                both=both,
            )


class RankSample:
    """Up to SAMPLE pairs of scores, those whose rows hash lowest."""

    def __init__(self) -> None:
        self._limit = np.uint64(2**64 - 1)
        self._kept: list[tuple[npt.NDArray[np.uint64], Scores, Scores]] = []
        self._n = 0

    def add(self, keys: npt.NDArray[np.uint64], x: Scores, y: Scores) -> None:
        """Rows of so many keys, with both scores, each (N,)."""
        hashes = _hash(keys)
        chosen = hashes <= self._limit
        self._kept.append((hashes[chosen], x[chosen], y[chosen]))
        self._n += int(chosen.sum())
        while self._n > SAMPLE:
            self._limit //= np.uint64(2)
            self._kept = [
                (h[h <= self._limit], u[h <= self._limit], v[h <= self._limit])
                for h, u, v in self._kept
            ]
            self._n = sum(len(h) for h, _, _ in self._kept)

    def pairs(self) -> tuple[Scores, Scores]:
        """Both scores of the sample; those that are NaN left out."""
        if not self._kept:
            return np.zeros(0), np.zeros(0)
        x, y = (np.concatenate([part[i] for part in self._kept]) for i in (1, 2))
        finite = np.isfinite(x) & np.isfinite(y)
        return x[finite], y[finite]


def _hash(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): well spread even over consecutive numbers."""
    with np.errstate(over="ignore"):
        z = keys + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))


def _bit_length(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Bits of each value, 0 for 0."""
    return np.minimum(np.frexp(values.astype(np.float64))[1], BITS).astype(np.int64)
