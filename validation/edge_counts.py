"""Values that leave the range of an edge of the network, counted over a stream of events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.fixed_point import Overflow
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.validation.compare_schema import EdgeOverflow, OverflowEvent
from naetrigger.validation.pair_counts import Block

KEPT = 5  # events that are named of each edge

Mask = npt.NDArray[np.bool_]


class EdgeCounts:
    """What `FixedPointNetwork.overflows` finds, edge by edge, with the first events of each."""

    def __init__(self, network: FixedPointNetwork) -> None:
        self._network = network
        names = [node.name for node in network.nodes]
        self._events = dict.fromkeys(names, 0)
        self._values = dict.fromkeys(names, 0)
        self._first: dict[str, list[OverflowEvent]] = {name: [] for name in names}
        self._n = 0

    def add(self, block: Block, beyond: Mapping[str, Mask]) -> None:
        """beyond : edge -> (N, size), where values left its range."""
        self._n += len(block.event_ids)
        for name, mask in beyond.items():
            rows = np.flatnonzero(mask.any(axis=1))
            self._events[name] += len(rows)
            self._values[name] += int(np.count_nonzero(mask))
            for row in rows[: KEPT - len(self._first[name])]:
                element = int(np.flatnonzero(mask[row])[0])
                self._first[name].append(
                    OverflowEvent(
                        process=block.process[1],
                        row=block.first_row + int(row),
                        event_id=int(block.event_ids[row]),
                        element=element,
                    )
                )

    def found(self) -> Iterator[EdgeOverflow]:
        """Edges with at least one such value, in the network's order."""
        for node in self._network.nodes:
            if self._events[node.name]:
                wraps = node.type.overflow is Overflow.WRAP
                yield EdgeOverflow(
                    edge=node.name,
                    kind="wraps" if wraps else "saturates",
                    type=str(node.type),
                    events=self._events[node.name],
                    fraction=self._events[node.name] / self._n,
                    values=self._values[node.name],
                    first=tuple(self._first[node.name]),
                )
