"""Where two engines that must be equal part: the first layer that differs, event by event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.fixed_point import Integers
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.validation.agreement import Difference, Trace, first_difference
from naetrigger.validation.compare_schema import LayerCheck, Parting, PartingEvent
from naetrigger.validation.pair_counts import KeptEvent, PairCounts

TraceOf = Callable[[str, Integers], Trace]
"""(engine, input mantissas) -> what left its layers; empty for an engine that shows none."""


def parting(
    pair: PairCounts,
    network: FixedPointNetwork,
    trace_of: TraceOf,
    equals: Mapping[str, Sequence[str]] | None = None,
) -> Parting:
    """The layers at which a pair's kept events part.

    equals : engine -> engines that give its scores on every event

    An engine that shows no layers is stood for by one of its equals that does, by the network
    where it gives the network's scores, and else by its score alone.
    """
    events = pair.kept
    inputs = np.array([event.inputs for event in events], np.int64)
    scores = np.array([(event.a, event.b) for event in events], np.int64).T
    names = (pair.a, pair.b)
    one, other = traces = [
        _trace([name, *(equals or {}).get(name, ())], inputs, mine, network, trace_of)
        for name, mine in zip(names, scores, strict=True)
    ]
    found = {
        event: first_difference(_row(one, i), _row(other, i)) for i, event in enumerate(events)
    }
    places = {event: at for event, at in found.items() if at is not None}
    order = [node.name for node in network.nodes]
    layers = sorted({at.layer for at in places.values()}, key=order.index)
    at_layer = {event: at for event, at in places.items() if at.layer in layers[:1]}
    counts = Counter(at.layer for at in places.values())
    return Parting(
        a=pair.a,
        b=pair.b,
        events=pair.events,
        layer=layers[0] if layers else None,
        traced=len(events),
        by_layer={layer: counts[layer] for layer in layers},
        first=_place(min(at_layer), at_layer) if at_layer else None,
        worst=_place(max(at_layer, key=lambda e: e.size), at_layer) if at_layer else None,
        note=_note(names, traces, network),
    )


def layer_check(
    engine: str, trace: Trace, edges: Mapping[str, Integers], events: str
) -> LayerCheck:
    """Every layer that an engine shows, against the network's edges for the same events."""
    shown = [name for name in edges if name in trace]
    differing = [
        name for name in shown if first_difference({name: trace[name]}, {name: edges[name]})
    ]
    return LayerCheck(
        engine=engine,
        events=events,
        n=len(next(iter(edges.values()))),
        layers=len(shown),
        differing=tuple(differing),
    )


def _trace(
    engines: Sequence[str],
    inputs: Integers,
    scores: Integers,
    network: FixedPointNetwork,
    trace_of: TraceOf,
) -> dict[str, npt.NDArray[np.int64]]:
    """Layers of the first of the engines that shows any; the others are equal to it."""
    shown = (dict(trace_of(engine, inputs)) for engine in engines)
    layers = next((trace for trace in shown if trace), {})
    if not layers:
        edges = network.trace(inputs)
        layers = edges if np.array_equal(edges[network.output][:, 0], scores) else {}
    layers.setdefault(network.output, scores[:, None])
    ordered = [node.name for node in network.nodes if node.name in layers]
    return {name: layers[name] for name in ordered}


def _row(trace: Trace, i: int) -> Trace:
    return {name: values[i : i + 1] for name, values in trace.items()}


def _place(event: KeptEvent, found: Mapping[KeptEvent, Difference]) -> PartingEvent:
    at = found[event]
    return PartingEvent(
        process=event.process,
        row=event.place[1],
        event_id=event.event_id,
        layer=at.layer,
        element=at.element,
        a=at.a,
        b=at.b,
    )


def _note(names: Sequence[str], traces: Sequence[Trace], network: FixedPointNetwork) -> str:
    blind = [
        name for name, trace in zip(names, traces, strict=True) if set(trace) == {network.output}
    ]
    if not blind:
        return ""
    shown = " and ".join(f"'{name}'" for name in blind)
    verb = "shows" if len(blind) == 1 else "show"
    return f"{shown} {verb} no layers, so the fault may lie in any layer up to the score"
