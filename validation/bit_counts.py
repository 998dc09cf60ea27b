"""Bits of the trigger's decision as engines give them, against the network's, over a stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from naetrigger.contracts.errors import AgreementError
from naetrigger.contracts.fixed_point import Integers
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.validation.compare_schema import BitCheck, DifferingEvent
from naetrigger.validation.pair_counts import Block


class BitCounts:
    """Events on which an engine's bit is not `score >= threshold` of the network."""

    def __init__(self, network: FixedPointNetwork, events: str) -> None:
        self._thresholds, self._layer = network.thresholds, network.decision or ""
        self._events = events
        self._n: dict[str, int] = {}
        self._wrong: dict[str, Integers] = {}
        self._first: dict[tuple[str, int], DifferingEvent] = {}

    def add(self, block: Block, scores: Integers, bits: Mapping[str, Integers]) -> None:
        """scores : the network's (N,); bits : engine -> (n, K) of the first n events."""
        fires = scores[:, None] >= np.array(self._thresholds, np.int64)
        for engine, given in bits.items():
            if given.shape[1:] != fires.shape[1:]:
                raise AgreementError(
                    f"engine {engine} gives {given.shape[1]} bits, the network has "
                    f"{len(self._thresholds)} thresholds"
                )
            expected, got = fires[: len(given)], given != 0
            self._n[engine] = self._n.get(engine, 0) + len(given)
            wrong = np.stack([(expected & ~got).sum(axis=0), (got & ~expected).sum(axis=0)])
            self._wrong[engine] = self._wrong.get(engine, 0) + wrong
            for bit in np.flatnonzero(wrong.any(axis=0)):
                row = int(np.flatnonzero(expected[:, bit] != got[:, bit])[0])
                self._first.setdefault(
                    (engine, int(bit)),
                    DifferingEvent(
                        process=block.process[1],
                        row=block.first_row + row,
                        event_id=int(block.event_ids[row]),
                        a=float(expected[row, bit]),
                        b=float(got[row, bit]),
                        difference=1.0,
                    ),
                )

    def found(self) -> Iterator[BitCheck]:
        """One entry an engine and bit."""
        for engine, wrong in self._wrong.items():
            for bit, threshold in enumerate(self._thresholds):
                yield BitCheck(
                    engine=engine,
                    events=self._events,
                    layer=self._layer,
                    bit=bit,
                    threshold_hw=threshold,
                    n=self._n[engine],
                    only_network=int(wrong[0, bit]),
                    only_engine=int(wrong[1, bit]),
                    first=self._first.get((engine, bit)),
                )
