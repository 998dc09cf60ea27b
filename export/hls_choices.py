"""The recipe's choices for single HLS layers, each proved before anything is written.

A strategy and a reuse factor never change a number. A format does unless it holds every value its
edge can take, so one is taken only when interval arithmetic proves that, and refused otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np

from naetrigger.contracts.errors import InputError, MissingExtra, suggestion
from naetrigger.contracts.fixed_point import Fixed, Integers, parse_fixed
from naetrigger.contracts.network import Bounds, FixedPointNetwork, Node
from naetrigger.export.hls_backends import BackendKind
from naetrigger.export.settings import FirmwareSettings, HlsLayer

WEIGHTED = ("dense", "sum")


def _check_single_bits(network: FixedPointNetwork, kind: BackendKind) -> None:
    narrow = [node for node in network.nodes if node.type.width == 1]
    if narrow:
        raise InputError(
            "hls: "
            + "; ".join(
                f"{node.name}: hls4ml writes {node.type} with two bits for {kind.name}; widen it"
                for node in narrow
            )
        )


def check_layers(network: FixedPointNetwork, kind: BackendKind, settings: FirmwareSettings) -> None:
    """InputError for a layer that is not there, or a choice that its back end does not have."""
    if not kind.single_bits:
        _check_single_bits(network, kind)
    names = [node.name for node in network.nodes if node.op != "input"]
    problems = [
        f"no layer '{name}'{suggestion(name, names)} (there are {', '.join(names)})"
        for name in settings.hls_layers
        if name not in names
    ]
    wanted = {settings.hls_strategy, *(la.strategy for la in settings.hls_layers.values())}
    problems += [
        f"{kind.name} has no strategy {strategy} (it has {', '.join(kind.strategies)})"
        for strategy in sorted(wanted - {None, *kind.strategies}, key=str)
    ]
    if settings.hls_io == "io_stream" and not kind.streams:
        problems.append(f"hls4ml writes no io_stream for {kind.name}; set hls_io: io_parallel")
    if "distributed_arithmetic" in wanted and find_spec("da4ml") is None:
        raise MissingExtra("da4ml", "hls-da")
    if problems:
        raise InputError("hls: " + "; ".join(problems))


def layer_config(
    node: Node, bounds: Bounds, settings: FirmwareSettings, precision: Mapping[str, str]
) -> dict[str, object]:
    """Precision, strategy and reuse factor of a layer, as hls4ml's configuration has them.

    precision : the formats that are exact by construction, by hls4ml's names for them
    """
    layer = settings.hls_layers.get(node.name, HlsLayer())
    config: dict[str, object] = {"Precision": {**precision, **_formats(node, bounds, layer)}}
    if node.weights is not None or node.op in WEIGHTED:
        strategy = layer.strategy or settings.hls_strategy
        config["Strategy"] = strategy
        shared = 1 if strategy == "distributed_arithmetic" else settings.reuse_factor
        config["ReuseFactor"] = layer.reuse_factor or shared
    elif layer.strategy or layer.reuse_factor:
        raise InputError(
            f"hls: {node.name}: a layer of op '{node.op}' has neither strategy nor reuse factor"
        )
    return config


def check_reuse(name: str, wanted: int, layer: Any, graph: Any) -> None:
    """InputError for a layer's own reuse factor that hls4ml has silently replaced.

    layer, graph : hls4ml's, after its passes
    """
    taken = layer.get_attr("reuse_factor")
    if taken == wanted:
        return
    backend = graph.config.backend
    accepted = backend.get_valid_reuse_factors(*backend.get_layer_mult_size(layer))
    raise InputError(
        f"hls: {name}: reuse_factor {wanted} does not divide this layer's work; "
        f"hls4ml accepts {', '.join(map(str, accepted))}"
    )


def _formats(node: Node, bounds: Bounds, layer: HlsLayer) -> dict[str, str]:
    """The formats of the recipe, each proved to change no value."""
    found = {}
    for name, text in (
        ("accum", layer.accumulator),
        ("result", layer.result),
        ("weight", layer.weight),
        ("bias", layer.bias),
    ):
        if text is None:
            continue
        try:
            kind = parse_fixed(text)
        except ValueError as error:
            raise InputError(f"firmware.hls_layers.{node.name}: {error}") from error
        problem = _PROOFS[name](node, bounds, kind)
        if problem:
            raise InputError(f"hls: {node.name}: {name} {kind}: {problem}")
        found[name] = str(kind)
    return found


def _accumulator(node: Node, bounds: Bounds, kind: Fixed) -> str | None:
    if node.op not in WEIGHTED and node.weights is None:
        return f"a layer of op '{node.op}' has no accumulator"
    needed = bounds.accumulator
    if kind.holds(needed.min_mantissa, needed.max_mantissa, needed.fraction):
        return None
    return f"would overflow or round: partial sums need {needed} (proved by intervals)"


def _result(node: Node, bounds: Bounds, kind: Fixed) -> str | None:
    """The node's own cast and this one must agree on every value that can come."""
    low, high = min(bounds.low), max(bounds.high)
    if kind == node.type:
        return None
    if all(one.holds(low, high, bounds.fraction) for one in (kind, node.type)):
        return None
    same_steps = kind.fraction == node.type.fraction and kind.rounding is node.type.rounding
    saturating = bounds.may_saturate or any(_leaves(kind, end, bounds) for end in (low, high))
    if same_steps and not saturating:
        return None
    return (
        f"would give other values than the network's {node.type} (exact results {low} to {high} "
        f"* 2^-{bounds.fraction})"
    )


def _leaves(kind: Fixed, end: int, bounds: Bounds) -> bool:
    return bool(kind.saturates(np.array([end], dtype=np.int64), bounds.fraction)[0])


def _weight(node: Node, bounds: Bounds, kind: Fixed) -> str | None:
    del bounds
    return _constants("weights", node.weights, node.weight_type, kind)


def _bias(node: Node, bounds: Bounds, kind: Fixed) -> str | None:
    del bounds
    return _constants("bias", node.bias, node.bias_type, kind)


def _constants(what: str, values: Integers | None, stored: Fixed | None, kind: Fixed) -> str | None:
    if values is None or stored is None:
        return f"this layer has no {what}"
    if kind.holds(int(values.min()), int(values.max()), stored.fraction):
        return None
    return f"does not hold the {what}, {values.min()} to {values.max()} * 2^-{stored.fraction}"


_PROOFS = {"accum": _accumulator, "result": _result, "weight": _weight, "bias": _bias}
