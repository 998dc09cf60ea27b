"""Do two engines give the same scores, and if not, at which event and layer do they part?

Hardware integers must be equal, always. Float engines of one model (torch, ONNX) must agree to
float rounding. An integer and a float engine (student and teacher) are compared by rank alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from naetrigger.contracts.errors import AgreementError, InputError
from naetrigger.validation.report.schema import Check, Expectation, PairAgreement

Scores = npt.NDArray[Any]
Trace = Mapping[str, npt.NDArray[Any]]
"""Layer name -> values (N, n), in the order of the network."""

TraceOf = Callable[[str, npt.NDArray[np.int64]], Trace]
"""(engine, rows) -> the trace of those rows."""

RELATIVE = 1e-5


def compare_engines(scores: Mapping[str, Scores], events: str = "") -> list[PairAgreement]:
    """Every pair of engines of one model, in the order given.

    scores : engine -> (N,) int64 hardware integers or floats. A slow engine may hold the first
        events only; a pair is compared on the events both have.
    events : what to call these events in the report
    """
    return [compare_pair(a, scores[a], b, scores[b], events) for a, b in combinations(scores, 2)]


def compare_pair(
    a: str,
    scores_a: Scores,
    b: str,
    scores_b: Scores,
    events: str = "",
    expectation: Expectation | None = None,
) -> PairAgreement:
    """One pair; what is expected follows from the types unless it is given."""
    x, y = _common(a, scores_a, b, scores_b)
    expected = expectation or expectation_of(x, y)
    return PairAgreement(
        a=a,
        b=b,
        n=len(x),
        exact_fraction=float(np.mean(x == y)),
        max_lsb=int(lsb_difference(x, y).max()) if are_integers(x, y) else None,
        max_relative=None if expected == "rank" else float(relative_difference(x, y).max()),
        spearman=spearman(x, y),
        expectation=expected,
        events=events,
    )


def agreement_checks(pairs: Sequence[PairAgreement], relative: float = RELATIVE) -> list[Check]:
    """One check a pair that must be exact or close; rank pairs have none here."""
    checks = []
    for pair in pairs:
        name = agreement_name(pair)
        if pair.expectation == "exact":
            passed = pair.n > 0 and pair.exact_fraction == 1.0
            checks.append(
                Check(
                    name=name,
                    passed=passed,
                    value=pair.exact_fraction,
                    relation=">=",
                    limit=1.0,
                    unit="of events",
                )
            )
        elif pair.expectation == "close":
            value = pair.max_relative
            passed = pair.n > 0 and value is not None and value <= relative
            checks.append(
                Check(name=name, passed=passed, value=value, limit=relative, unit="relative")
            )
    return checks


def agreement_name(pair: PairAgreement) -> str:
    """What the check of a pair is called."""
    return f"agreement {pair.a} = {pair.b}" + (f" ({pair.events})" if pair.events else "")


def require_agreement(
    scores: Mapping[str, Scores],
    trace_of: TraceOf | None = None,
    relative: float = RELATIVE,
    rows: int = 16,
) -> list[PairAgreement]:
    """compare_engines, raising AgreementError for the first pair that must agree and does not.

    trace_of : asked for the layers of the first `rows` differing events only, so that the
        message names the layer.
    """
    pairs = compare_engines(scores)
    for pair in pairs:
        differing = differing_events(scores[pair.a], scores[pair.b], pair.expectation, relative)
        if len(differing) == 0:
            continue
        message = _score_message(pair, scores, differing)
        if trace_of is not None:
            asked = differing[:rows]
            found = first_difference(trace_of(pair.a, asked), trace_of(pair.b, asked), asked)
            message += f"; {found.message(pair.a, pair.b)}" if found else "; no layer differs"
        raise AgreementError(message)
    return pairs


def differing_events(
    a: Scores, b: Scores, expectation: Expectation = "exact", relative: float = RELATIVE
) -> npt.NDArray[np.int64]:
    """Indices of the events on which two score arrays break the expectation."""
    x, y = _common("a", a, "b", b)
    if expectation == "exact":
        return np.flatnonzero(x != y)
    if expectation == "close":
        return np.flatnonzero(~(relative_difference(x, y) <= relative))
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class Difference:
    """The first event and, within it, the first layer where two traces part."""

    event: int
    layer: str
    element: int
    a: float
    b: float

    def message(self, name_a: str, name_b: str) -> str:
        return (
            f"the first layer to differ is '{self.layer}' of event {self.event}, element "
            f"{self.element}: {name_a} gives {self.a:g}, {name_b} gives {self.b:g}"
        )


def first_difference(
    trace_a: Trace, trace_b: Trace, events: npt.NDArray[np.int64] | None = None
) -> Difference | None:
    """Where two traces part, or None.

    trace_a, trace_b : layer -> (N, n), the layers of trace_a giving the order; layers that
        only one of them has are passed over.
    events : (N,) the event each row stands for, where the traces hold selected events only.
    """
    layers = [layer for layer in trace_a if layer in trace_b]
    if not layers:
        raise InputError(
            f"the traces share no layer: {', '.join(trace_a)} against {', '.join(trace_b)}"
        )
    unequal = {name: _unequal(name, trace_a[name], trace_b[name]) for name in layers}
    rows = [np.flatnonzero(mask.any(axis=1)) for mask in unequal.values()]
    first = min((int(found[0]) for found in rows if len(found)), default=None)
    if first is None:
        return None
    layer = next(name for name in layers if unequal[name][first].any())
    element = int(np.flatnonzero(unequal[layer][first])[0])
    return Difference(
        event=first if events is None else int(events[first]),
        layer=layer,
        element=element,
        a=_flat(trace_a[layer])[first, element].item(),
        b=_flat(trace_b[layer])[first, element].item(),
    )


def require_same_trace(
    name_a: str,
    trace_a: Trace,
    name_b: str,
    trace_b: Trace,
    events: npt.NDArray[np.int64] | None = None,
) -> None:
    """Raise AgreementError naming engines, event, layer and both values if traces part."""
    found = first_difference(trace_a, trace_b, events)
    if found is not None:
        raise AgreementError(
            f"engines '{name_a}' and '{name_b}' differ: {found.message(name_a, name_b)}"
        )


def spearman(a: Scores, b: Scores) -> float | None:
    """Rank correlation with ties ranked by their mean; None if one side is constant."""
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1])


def relative_difference(
    a: Scores, b: Scores, typical: float | None = None
) -> npt.NDArray[np.float64]:
    """|a - b| / max(|a|, |b|, median |a|), shape (N,); the median keeps zeros from counting.

    typical : instead of the median, for a part of a sample
    NaN or infinity on any side gives infinity, on both too: such scores tell no events apart.
    """
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    numbers = np.isfinite(x) & np.isfinite(y)
    typical = typical_size(x) if typical is None else typical
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.maximum(np.maximum(np.abs(x), np.abs(y)), typical)
        difference = np.where(x == y, 0.0, np.abs(x - y) / scale)
    return np.where(numbers, difference, np.inf)


def typical_size(scores: Scores) -> float:
    """The median of |a| over the scores that are numbers; 0 if none is."""
    finite = scores[np.isfinite(scores)]
    return float(np.median(np.abs(finite))) if len(finite) else 0.0


def _common(a: str, scores_a: Scores, b: str, scores_b: Scores) -> tuple[Scores, Scores]:
    x, y = np.asarray(scores_a), np.asarray(scores_b)
    for name, scores in ((a, x), (b, y)):
        if scores.ndim != 1 or len(scores) == 0:
            raise InputError(
                f"engine '{name}': scores must have shape (N,) with N > 0, got {scores.shape}"
            )
    n = min(len(x), len(y))
    return x[:n], y[:n]


def are_integers(*arrays: Scores) -> bool:
    """Whether all are hardware integers."""
    return all(np.issubdtype(array.dtype, np.integer) for array in arrays)


def expectation_of(a: Scores, b: Scores) -> Expectation:
    """What two engines promise by the types of their scores."""
    if are_integers(a, b):
        return "exact"
    return "rank" if are_integers(a) or are_integers(b) else "close"


def lsb_difference(a: Scores, b: Scores) -> npt.NDArray[np.uint64]:
    """|a - b| of hardware integers, shape (N,), also where it leaves 63 bits."""
    high, low = np.maximum(a, b).astype(np.int64), np.minimum(a, b).astype(np.int64)
    return np.asarray(high.view(np.uint64) - low.view(np.uint64))


def _score_message(
    pair: PairAgreement, scores: Mapping[str, Scores], differing: npt.NDArray[np.int64]
) -> str:
    event = int(differing[0])
    expected, got = scores[pair.a][event].item(), scores[pair.b][event].item()
    return (
        f"engines '{pair.a}' and '{pair.b}' differ on {len(differing)} of {pair.n} events, first "
        f"on event {event}: expected {expected:g} ({pair.a}), got {got:g} ({pair.b})"
    )


def _flat(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array = np.asarray(values)
    return array.reshape(len(array), -1)


def _unequal(layer: str, a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    x, y = _flat(a), _flat(b)
    if x.shape != y.shape:
        raise InputError(f"layer '{layer}': the traces have shapes {x.shape} and {y.shape}")
    return np.asarray(x != y)
