"""One event as one number: inputs, score and bits of the decision side by side.

Input 0 has the lowest bits, as in the port of the board's top module (rtl_wrapper.py); then come
the score and bit 0 of the decision.
Words are two's complement in the widths of their formats.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Integers
from naetrigger.contracts.network import FixedPointNetwork


@dataclass(frozen=True)
class TestVectors:
    """Events and what the network must give for them.

    inputs : mantissas (N, F); scores : mantissas (N,); decisions : bits (N, K)
    """

    __test__ = False  # no test class, says its name what it may

    inputs: Integers
    scores: Integers
    decisions: Integers

    def __len__(self) -> int:
        return len(self.inputs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TestVectors) and all(
            np.array_equal(a, b) for a, b in zip(self._parts(), other._parts(), strict=True)
        )

    def _parts(self) -> tuple[Integers, Integers, Integers]:
        return self.inputs, self.scores, self.decisions


@dataclass(frozen=True)
class EventLayout:
    """Widths of an event's words: `features` inputs, a score, `bits` bits of the decision."""

    features: int
    input_type: Fixed
    score_type: Fixed
    bits: int

    @property
    def types(self) -> tuple[Fixed, ...]:
        """Formats of an event's words, lowest first."""
        bit = Fixed(False, 1, 1)
        return (self.input_type,) * self.features + (self.score_type,) + (bit,) * self.bits

    @property
    def width(self) -> int:
        return sum(kind.width for kind in self.types)

    def __str__(self) -> str:
        return (
            f"{self.features} inputs {self.input_type}, score {self.score_type}, "
            f"{self.bits} decision bits"
        )

    def rows(self, vectors: TestVectors) -> list[list[int]]:
        """Each event's words as numbers that are not negative, lowest first."""
        table = np.column_stack([vectors.inputs, vectors.scores, vectors.decisions]).tolist()
        masks = [(1 << kind.width) - 1 for kind in self.types]
        return [[word & mask for word, mask in zip(row, masks, strict=True)] for row in table]

    def vectors(self, rows: Sequence[Sequence[int]]) -> TestVectors:
        """What :meth:`rows` was made from."""
        table = np.array(
            [[_signed(w, k) for w, k in zip(row, self.types, strict=True)] for row in rows],
            dtype=np.int64,
        ).reshape(len(rows), len(self.types))
        n = self.features
        return TestVectors(table[:, :n], table[:, n], table[:, n + 1 :])

    def packed(self, row: Iterable[int]) -> int:
        """An event's words as one number."""
        number, place = 0, 0
        for word, kind in zip(row, self.types, strict=True):
            number |= word << place
            place += kind.width
        return number

    def unpacked(self, number: int) -> list[int]:
        """What :meth:`packed` was made from; InputError for a number that is too wide."""
        if number >> self.width:
            raise InputError(f"is wider than the {self.width} bits of an event")
        row = []
        for kind in self.types:
            row.append(number & (1 << kind.width) - 1)
            number >>= kind.width
        return row


def layout_of(network: FixedPointNetwork) -> EventLayout:
    """The layout of a network's events."""
    first = network.input
    return EventLayout(first.size, first.type, network.score_type, len(network.thresholds))


def expected(network: FixedPointNetwork, inputs: Integers) -> TestVectors:
    """Input mantissas (N, F) with what the network gives for them."""
    return TestVectors(inputs, network.scores(inputs), network.decisions(inputs))


def _signed(word: int, kind: Fixed) -> int:
    return word - (1 << kind.width) if word > kind.max_mantissa else word
