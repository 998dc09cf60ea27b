"""All that `naetrigger compare` counts of one set of events, and the report it makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from naetrigger.contracts.errors import AgreementError
from naetrigger.contracts.fixed_point import Integers
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.validation.agreement import agreement_checks
from naetrigger.validation.bit_counts import BitCounts
from naetrigger.validation.compare_schema import (
    BitCheck,
    ComparedEngine,
    CompareReport,
    LayerCheck,
    PairComparison,
    Parting,
    WorkingThreshold,
)
from naetrigger.validation.edge_counts import EdgeCounts
from naetrigger.validation.pair_counts import Agreement, Block
from naetrigger.validation.partings import TraceOf, layer_check, parting
from naetrigger.validation.report.schema import Check

REFERENCE = "network"
LAYER_ROWS = 1024  # events whose layers are compared, whatever their scores say


@dataclass(frozen=True)
class Found:
    """What one set of events gave."""

    pairs: tuple[PairComparison, ...]
    partings: tuple[Parting, ...]
    layers: tuple[LayerCheck, ...]
    bits: tuple[BitCheck, ...]


class VerdictCounts:
    """Counters of one set of events."""

    def __init__(
        self,
        network: FixedPointNetwork,
        models: Mapping[str, str],
        thresholds: Sequence[WorkingThreshold],
        relative: float,
        events: str,
    ) -> None:
        """models : engine -> 'teacher' or 'student'; events : what to call them in the report."""
        self.models = dict(models)
        self.events = events
        self.n = 0
        self.scored = dict.fromkeys(models, 0)
        self.saturated_columns: dict[str, int] = {}
        self._network, self._relative = network, relative
        self._thresholds = tuple(thresholds)
        self._agreement = Agreement(models, thresholds, relative, events)
        self._edges = EdgeCounts(network)
        self._bits = BitCounts(network, events)
        self._nan = dict.fromkeys(models, 0)
        self._by_process: dict[str, int] = {}
        self._first: Integers | None = None

    def add(self, block: Block, bits: Mapping[str, Integers]) -> None:
        """Count a block, and the bits (n, K) that deciding engines gave for its first n events."""
        n, process = len(block.event_ids), block.process[1]
        self.n += n
        self._by_process[process] = self._by_process.get(process, 0) + n
        edges, beyond = self._network.overflows(block.inputs)
        self._require_one_network(block, edges[self._network.output][:, 0])
        self._edges.add(block, beyond)
        self._agreement.add(block)
        self._bits.add(block, edges[self._network.output][:, 0], bits)
        for name, scores in block.scores.items():
            self.scored[name] += len(scores)
            self._nan[name] += int((~np.isfinite(np.asarray(scores, np.float64))).sum())
        if self._first is None:
            self._first = block.inputs[:LAYER_ROWS].copy()

    def found(self, trace_of: TraceOf) -> Found:
        """The pairs, and where those part that must be equal."""
        broken = [pair for pair in self._agreement.pairs if not pair.agrees]
        students = [name for name, model in self.models.items() if model == "student"]
        pairs = tuple(pair.document() for pair in self._agreement.pairs if pair.n)
        camps = _camps(students, pairs)
        equals = {name: camp for camp in camps for name in camp}
        return Found(
            pairs=pairs,
            partings=tuple(
                parting(pair, self._network, trace_of, equals) for pair in broken if pair.is_exact
            ),
            layers=tuple(self._layers(students, trace_of)),
            bits=tuple(self._bits.found()),
        )

    def report(self, parts: Sequence[Found], **about: Any) -> CompareReport:
        """The verdict on several sets of events, this one being the file."""
        pairs = [pair for part in parts for pair in part.pairs]
        layers = [check for part in parts for check in part.layers]
        bits = [check for part in parts for check in part.bits]
        checks = [
            *agreement_checks(pairs, self._relative),
            *map(_layer_check, layers),
            *map(_bit_check, bits),
            *(_nan_check(name, nan) for name, nan in self._nan.items() if nan),
        ]
        return CompareReport(
            passed=all(check.passed for check in checks),
            file=self.events,
            events=self._by_process,
            saturated_columns=self.saturated_columns,
            engines=tuple(
                ComparedEngine(name=name, model=model, n=self.scored[name], nan=self._nan[name])
                for name, model in self.models.items()
            ),
            agree=tuple(_camps([n for n, m in self.models.items() if m == "student"], pairs)),
            working_points=self._thresholds,
            pairs=tuple(pairs),
            partings=tuple(place for part in parts for place in part.partings),
            layers=tuple(layers),
            bits=tuple(bits),
            edges=tuple(self._edges.found()),
            checks=tuple(checks),
            **about,
        )

    def _layers(self, engines: Iterable[str], trace_of: TraceOf) -> Iterable[LayerCheck]:
        assert self._first is not None
        edges = self._network.trace(self._first)
        for name in engines:
            trace = trace_of(name, self._first) if name != REFERENCE else {}
            if trace:
                yield layer_check(name, trace, edges, self.events)

    def _require_one_network(self, block: Block, scores: Integers) -> None:
        """The network in integers alone against itself in floats proved to be exact."""
        given = block.scores.get(REFERENCE)
        if given is not None and not np.array_equal(given, scores[: len(given)]):
            row = int(np.flatnonzero(given != scores[: len(given)])[0])
            raise AgreementError(
                f"the network in floats differs from itself in integers, first in row "
                f"{block.first_row + row} of {block.process[1]}: {given[row]} for {scores[row]}"
            )


def _camps(students: Sequence[str], pairs: Sequence[PairComparison]) -> list[tuple[str, ...]]:
    """Engines in groups of equal scores, the largest first."""
    differ = {
        frozenset((pair.a.rpartition("/")[2], pair.b.rpartition("/")[2]))
        for pair in pairs
        if pair.expectation == "exact" and pair.exact_fraction < 1
    }
    camps: list[list[str]] = []
    for name in students:
        home = next((c for c in camps if all(frozenset((name, o)) not in differ for o in c)), None)
        camps.append([name]) if home is None else home.append(name)
    return [tuple(camp) for camp in sorted(camps, key=len, reverse=True)]


def _layer_check(check: LayerCheck) -> Check:
    return Check(
        name=f"layers {check.engine} = {REFERENCE} ({check.events})",
        passed=not check.differing,
        value=float(len(check.differing)),
        limit=0,
        unit="differing layers",
        advice=f"first '{check.differing[0]}'" if check.differing else "",
    )


def _bit_check(check: BitCheck) -> Check:
    return Check(
        name=f"bit {check.bit} {check.engine} = {REFERENCE} ({check.events})",
        passed=check.only_network + check.only_engine == 0,
        value=float(check.only_network + check.only_engine),
        limit=0,
        unit="events",
    )


def _nan_check(name: str, nan: int) -> Check:
    return Check(
        name=f"scores of {name} are numbers",
        passed=False,
        value=nan,
        limit=0,
        unit="NaN or infinite",
    )
