"""Fixed-point ONNX of the student: QCDQ for onnxruntime, QONNX for quantization tools.

    write_qcdq(path, network, spec)     QuantizeLinear, Clip, DequantizeLinear; plain ONNX
    write_qonnx(path, network, spec)    Quant nodes (domain qonnx.custom_op.general)

Both carry fixed-point numbers in floats and are exact: every intermediate is proved to fit 24
bits, and the graph is float32; or 53 bits, and it is float64; else it is refused by the edge's
name. (The qonnx package lets no Quant node give more than float32, so there a rounded edge has at
most 24 bits.) The first node quantizes the inputs. Output ``score`` (N, 1) is the score's real
value, ``mantissa * lsb``; the float score is the property ``float_per_score`` times it, and the
mantissa is it divided by the property ``score_lsb``. Output ``decision`` (N, K), of networks that
decide, is 1 where the score reaches a threshold, else 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.exact_floats import FLOAT32_BITS, FLOAT64_BITS
from naetrigger.contracts.fixed_point import Fixed, Floats, Overflow, Rounding
from naetrigger.contracts.layer_ops import LAYER_OPS
from naetrigger.contracts.network import Bounds, FixedPointNetwork, Node
from naetrigger.export.onnx_graph import DECISION, INPUTS, SCORE, GraphBuilder, properties_of
from naetrigger.export.onnx_layers import layer_tensor
from naetrigger.firmware_configs.input_spec import InputSpec

QCDQ_OPSET = 21  # the first whose QuantizeLinear knows 16 bits
QONNX_OPSET = 13
QONNX_DOMAIN = "qonnx.custom_op.general"
EXPONENTS = {np.dtype(np.float32): 120, np.dtype(np.float64): 1000}


@dataclass(frozen=True)
class _Form:
    """What QCDQ and QONNX write differently.

    cast : a tensor into a node's format
    dense : a tensor times the node's weights, plus its bias, as tensor NAME_exact
    """

    cast: Callable[[GraphBuilder, Node, str], str]
    dense: Callable[[GraphBuilder, Node, str, int], str]


def write_qcdq(
    path: Path, network: FixedPointNetwork, spec: InputSpec, *, threshold: int | None = None
) -> None:
    """Write the QCDQ form; `threshold` as a score mantissa."""
    graph = _build(network, _Form(_qcdq, _qcdq_dense))
    properties = _properties("student_qcdq", network, spec, threshold)
    graph.save(path, properties, QCDQ_OPSET)


def write_qonnx(
    path: Path, network: FixedPointNetwork, spec: InputSpec, *, threshold: int | None = None
) -> None:
    """Write the QONNX form; `threshold` as a score mantissa. Refuses SAT_ZERO by name."""
    graph = _build(network, _Form(_quant, _quant_dense))
    properties = _properties("student_qonnx", network, spec, threshold)
    graph.save(path, properties, QONNX_OPSET, {QONNX_DOMAIN: 1})


def needed_dtype(network: FixedPointNetwork) -> np.dtype[Any]:
    """float32 or float64, whichever holds every intermediate exactly; InputError if neither."""
    proved = network.bounds(wraps=False)
    bits = {node.name: _needed_bits(node, proved[node.name]) for node in network.nodes}
    worst = max(bits, key=lambda name: bits[name])
    reach = max(abs(bound.fraction) + bits[name] for name, bound in proved.items())
    for dtype, limit in ((np.float32, FLOAT32_BITS), (np.float64, FLOAT64_BITS)):
        if bits[worst] <= limit and reach <= EXPONENTS[np.dtype(dtype)]:
            return np.dtype(dtype)
    raise InputError(
        f"onnx: edge '{worst}' needs {bits[worst]} bits and a float64 has {FLOAT64_BITS}; narrow "
        "its inputs or weights"
    )


def _needed_bits(node: Node, bounds: Bounds) -> int:
    """Bits of a float that hold a node's exact result, its cast, and half a step more."""
    exact = bounds.float_bits + (node.type.rounding not in (Rounding.TRN, Rounding.RND_CONV))
    constants = [kind.width for kind in (node.weight_type, node.bias_type) if kind]
    return max(exact, node.type.width, *constants)


def _properties(
    kind: str, network: FixedPointNetwork, spec: InputSpec, threshold: int | None
) -> dict[str, Any]:
    if len(spec.columns) != network.input.size or spec.fixed != network.input.type:
        raise InputError(
            f"onnx: the network takes {network.input.size} inputs of {network.input.type}, "
            f"input spec {spec.name} has {len(spec.columns)} of {spec.type}"
        )
    score = network.score_type
    return properties_of(spec) | {
        "kind": kind,
        "score": network.about.get("score", network.output),
        "score_type": str(score),
        "score_lsb": score.lsb,
        "float_per_score": network.score_scale / score.lsb,
        "edges": {node.name: str(node.type) for node in network.nodes},
        **({"thresholds": [t * score.lsb for t in network.thresholds]} if network.decision else {}),
        **({} if threshold is None else {"threshold": threshold * score.lsb}),
    }


def _build(network: FixedPointNetwork, form: _Form) -> GraphBuilder:
    """The graph of the network, each edge as tensor ``edge_NAME``."""
    proved = network.bounds(wraps=False)
    if cut := [node.name for node in network.nodes if node.cut is not None]:
        raise InputError(f"onnx: {cut[0]}: products that are cut before the sum have no ONNX form")
    graph = GraphBuilder(network.input.size, needed_dtype(network))
    # onnxruntime moves a DequantizeLinear through Reshape and MaxPool, and then refuses the graph
    layered = {name for node in network.nodes if node.op in LAYER_OPS for name in node.inputs}

    def cast_of(node: Node) -> Callable[[GraphBuilder, Node, str], str]:
        return _round_and_clip if form.cast is _qcdq and node.name in layered else form.cast

    first = network.input
    given = _wrapped(graph, first) if first.type.overflow is Overflow.WRAP else INPUTS
    edges = {first.name: cast_of(first)(graph, first, given)}
    sizes = {node.name: node.size for node in network.nodes}
    for node in network.nodes[1:]:
        values = [edges[name] for name in node.inputs]
        if node.op == "above":
            edges[node.name] = _above(graph, node, values[0])
            continue
        if node.op in LAYER_OPS:
            exact = layer_tensor(graph, node, network[node.inputs[0]], values)
        else:
            exact = _exact(graph, node, values, sizes[node.inputs[0]], form)
        if node.type.width > 16 and _lossless(node, proved[node.name]):
            edges[node.name] = graph.add("Identity", [exact], f"edge_{node.name}", node.size)
        else:
            edges[node.name] = cast_of(node)(graph, node, exact)
    graph.output(SCORE, edges[network.output], 1)
    if network.decision is not None:
        graph.output(DECISION, edges[network.decision], network[network.decision].size)
    return graph


def _wrapped(graph: GraphBuilder, first: Node) -> str:
    """The inputs rounded and wrapped into a format that wraps; its cast then changes nothing.

    What comes in may be any number, unlike all that a node computes.
    """
    fixed, name, size = first.type, f"{first.name}_wrapped", first.size
    inverse = graph.constant(f"{name}_inverse_lsb", 1 / fixed.lsb)
    scaled = graph.add("Mul", [INPUTS, inverse], f"{name}_scaled", size)
    rounded = _rounded(graph, replace(first, name=name), scaled)
    low = graph.constant(f"{name}_low", fixed.min_mantissa)
    per_turn = graph.constant(f"{name}_per_turn", 2.0**-fixed.width)
    above = graph.add("Sub", [rounded, low], f"{name}_above", size)
    turns = graph.add("Mul", [above, per_turn], f"{name}_turns", size)
    whole = graph.add("Floor", [turns], f"{name}_floor", size)
    turn = graph.constant(f"{name}_turn", 2.0**fixed.width)
    beyond = graph.add("Mul", [whole, turn], f"{name}_beyond", size)
    fit = graph.add("Sub", [rounded, beyond], f"{name}_fit", size)
    return graph.add("Mul", [fit, graph.constant(f"{name}_lsb", fixed.lsb)], name, size)


def _above(graph: GraphBuilder, node: Node, score: str) -> str:
    """1 where the score reaches each threshold, else 0; no format to cast into."""
    assert node.weights is not None
    assert node.weight_type is not None
    levels = graph.constant(f"{node.name}_thresholds", node.weight_type.real(node.weights)[None])
    fires = graph.add(
        "GreaterOrEqual", [score, levels], f"{node.name}_fires", node.size, kind=graph.boolean
    )
    return graph.add("Cast", [fires], f"edge_{node.name}", node.size, to=graph.kind)


def _lossless(node: Node, bounds: Bounds) -> bool:
    """Whether the cast into the node's format is proved to change nothing."""
    return node.type.fraction >= bounds.fraction and not bounds.may_saturate


def _exact(graph: GraphBuilder, node: Node, values: list[str], n_in: int, form: _Form) -> str:
    """The exact result of a node, as tensor NAME_exact."""
    name, size = f"{node.name}_exact", node.size
    match node.op:
        case "dense" | "sum":
            return form.dense(graph, node, values[0], n_in)
        case "relu":
            return graph.add("Relu", values, name, size)
        case "abs":
            return graph.add("Abs", values, name, size)
        case "sub":
            return graph.add("Sub", values, name, size)
        case "square":
            return graph.add("Mul", values * 2, name, size)
        case "cast":
            return values[0]
        case _:
            raise InputError(f"onnx: {node.name}: op '{node.op}' has no ONNX form")


def _qcdq(graph: GraphBuilder, node: Node, x: str) -> str:
    """Cast a tensor into the node's format with plain ONNX operators."""
    fixed = node.type
    simple = fixed.rounding is Rounding.RND_CONV and fixed.overflow is not Overflow.SAT_ZERO
    if simple and fixed.width <= 16 and graph.dtype == np.float32:
        return _quantize_linear(graph, node, x)
    return _round_and_clip(graph, node, x)


def _qcdq_dense(graph: GraphBuilder, node: Node, x: str, n_in: int) -> str:
    name, size = node.name, node.size
    weights = graph.constant(f"{name}_weights", _real_weights(node, n_in))
    if node.bias is None or node.bias_type is None:
        return graph.add("MatMul", [x, weights], f"{name}_exact", size)
    product = graph.add("MatMul", [x, weights], f"{name}_product", size)
    # Sub of -bias: onnxruntime fuses MatMul and Add into Gemm, and then rounds its weights to
    # 8 bits because the tensors around it are
    bias = graph.constant(f"{name}_minus_bias", -node.bias_type.real(node.bias))
    return graph.add("Sub", [product, bias], f"{name}_exact", size)


def _real_weights(node: Node, n_in: int) -> Floats:
    weights = np.ones(n_in, np.int64) if node.weights is None else node.weights
    kind = node.weight_type or Fixed(False, 1, 1)
    return kind.real(weights).reshape(n_in, node.size)


def _quantize_linear(graph: GraphBuilder, node: Node, x: str) -> str:
    """Clip to the format, QuantizeLinear (half to even), DequantizeLinear.

    The clip comes first, on floats: onnxruntime clips no 16-bit integers, and both orders agree,
    for the ends of the range are on the grid.
    """
    fixed, name = node.type, node.name
    x = _clip(graph, node, x, fixed.min, fixed.max, f"{name}_clipped")
    bits = 8 if fixed.width <= 8 else 16
    dtype = np.dtype(f"{'int' if fixed.signed else 'uint'}{bits}")
    scale = graph.constant(f"{name}_scale", fixed.lsb)
    zero = graph.constant(f"{name}_zero", 0, dtype)
    kind = graph.element_kind(dtype)
    q = graph.add("QuantizeLinear", [x, scale, zero], f"{name}_quantized", node.size, kind=kind)
    return graph.add("DequantizeLinear", [q, scale, zero], f"edge_{name}", node.size)


def _round_and_clip(graph: GraphBuilder, node: Node, x: str) -> str:
    """Scale to mantissas, round, fit, scale back; powers of two, so nothing is lost."""
    fixed, name, size = node.type, node.name, node.size
    scale = graph.constant(f"{name}_inverse_lsb", 1 / fixed.lsb)
    lsb = graph.constant(f"{name}_lsb", fixed.lsb)
    scaled = graph.add("Mul", [x, scale], f"{name}_scaled", size)
    rounded = _rounded(graph, node, scaled)
    low, high = float(fixed.min_mantissa), float(fixed.max_mantissa)
    if fixed.overflow is Overflow.SAT_ZERO:
        clipped = _clip(graph, node, rounded, low, high, f"{name}_ends")
        same = graph.add("Equal", [clipped, rounded], f"{name}_inside", size, kind=graph.boolean)
        zero = graph.constant(f"{name}_zero", 0)
        fit = graph.add("Where", [same, rounded, zero], f"{name}_fit", size)
    else:  # a format that wraps never does: bounds() has proved it
        fit = _clip(graph, node, rounded, low, high, f"{name}_fit")
    return graph.add("Mul", [fit, lsb], f"edge_{name}", size)


def _rounded(graph: GraphBuilder, node: Node, x: str) -> str:
    """A tensor rounded to integers as the node's format says."""
    name, size, mode = node.name, node.size, node.type.rounding
    plain = {Rounding.RND_CONV: "Round", Rounding.TRN: "Floor"}
    if mode in plain:
        return graph.add(plain[mode], [x], f"{name}_rounded", size)
    half = graph.constant(f"{name}_half", 0.5)
    if mode in (Rounding.RND, Rounding.RND_MIN_INF):
        shift, op = ("Add", "Floor") if mode is Rounding.RND else ("Sub", "Ceil")
        return graph.add(
            op, [graph.add(shift, [x, half], f"{name}_shifted", size)], f"{name}_rounded", size
        )
    sign = graph.add("Sign", [x], f"{name}_sign", size)
    magnitude = graph.add("Abs", [x], f"{name}_magnitude", size)
    if mode is Rounding.RND_INF:
        magnitude = graph.add("Add", [magnitude, half], f"{name}_shifted", size)
    elif mode is Rounding.RND_ZERO:
        magnitude = graph.add("Sub", [magnitude, half], f"{name}_shifted", size)
    op = "Ceil" if mode is Rounding.RND_ZERO else "Floor"
    whole = graph.add(op, [magnitude], f"{name}_whole", size)
    return graph.add("Mul", [sign, whole], f"{name}_rounded", size)


def _clip(graph: GraphBuilder, node: Node, x: str, low: float, high: float, name: str) -> str:
    ends = [
        graph.constant(f"{node.name}_{end}", value) for end, value in (("min", low), ("max", high))
    ]
    return graph.add("Clip", [x, *ends], name, node.size)


# QONNX rounds after it clips; RND and RND_MIN_INF are a shift by half a step before FLOOR, CEIL
QUANT_ROUNDING: Mapping[Rounding, str] = {
    Rounding.RND_CONV: "ROUND",
    Rounding.TRN: "FLOOR",
    Rounding.TRN_ZERO: "DOWN",
    Rounding.RND_INF: "HALF_UP",
    Rounding.RND_ZERO: "HALF_DOWN",
    Rounding.RND: "FLOOR",
    Rounding.RND_MIN_INF: "CEIL",
}


def _quant_dense(graph: GraphBuilder, node: Node, x: str, n_in: int) -> str:
    name, size = node.name, node.size
    weights = graph.constant(f"{name}_weights", _real_weights(node, n_in))
    if node.weight_type is not None:
        weights = _quant_node(graph, node.weight_type, weights, f"{name}_weights", size, n_in)
    if node.bias is None or node.bias_type is None:
        return graph.add("MatMul", [x, weights], f"{name}_exact", size)
    product = graph.add("MatMul", [x, weights], f"{name}_product", size)
    bias = graph.constant(f"{name}_bias", node.bias_type.real(node.bias)[None])
    bias = _quant_node(graph, node.bias_type, bias, f"{name}_bias", size, 1)
    return graph.add("Add", [product, bias], f"{name}_exact", size)


def _quant(graph: GraphBuilder, node: Node, x: str) -> str:
    """Cast a tensor into the node's format with one Quant node."""
    fixed, name, size = node.type, node.name, node.size
    if fixed.overflow is Overflow.SAT_ZERO:
        raise InputError(f"qonnx: {name}: overflow SAT_ZERO has no Quant node")
    if fixed.rounding in (Rounding.RND, Rounding.RND_MIN_INF):
        op = "Add" if fixed.rounding is Rounding.RND else "Sub"
        half = graph.constant(f"{name}_half", fixed.lsb / 2)
        x = graph.add(op, [x, half], f"{name}_shifted", size)
    return _quant_node(graph, fixed, x, f"edge_{name}", size)


def _quant_node(
    graph: GraphBuilder, fixed: Fixed, x: str, name: str, size: int, rows: int | None = None
) -> str:
    """One Quant node; its output is `name` where free, else NAME_quantized."""
    if fixed.signed and fixed.width == 1:
        raise InputError(f"qonnx: {name}: a signed format of one bit means -1 and 1 to QONNX")
    wide = graph.dtype != np.float32
    if wide and fixed.width > FLOAT32_BITS:
        raise InputError(
            f"qonnx: {name} is rounded to {fixed}; Quant nodes give float32, which holds "
            f"{FLOAT32_BITS} bits; narrow it"
        )
    parameters = [
        graph.constant(f"{name}_{key}", value)
        for key, value in (("scale", fixed.lsb), ("zero", 0), ("bits", fixed.width))
    ]
    result = f"{name}_quantized" if name == x else name
    quantized = graph.add(
        "Quant",
        [x, *parameters],
        f"{result}_float32" if wide else result,
        size,
        kind=graph.element_kind(np.float32),
        rows=rows,
        domain=QONNX_DOMAIN,
        signed=int(fixed.signed),
        narrow=int(fixed.signed and fixed.overflow is Overflow.SAT_SYM),
        rounding_mode=QUANT_ROUNDING[fixed.rounding],
    )
    if not wide:
        return quantized
    return graph.add("Cast", [quantized], result, size, rows=rows, to=graph.kind)
