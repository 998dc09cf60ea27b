"""A fixed-point network in alkaid's algebra: each node exactly, then cast into its format."""

from __future__ import annotations

from typing import Any

import numpy as np

from naetrigger.contracts.errors import InputError, MissingExtra
from naetrigger.contracts.fixed_point import MAX_WIDTH, Fixed, Overflow, Rounding
from naetrigger.contracts.layer_ops import LAYER_OPS
from naetrigger.contracts.network import FixedPointNetwork, Node
from naetrigger.export.rtl_layers import cut_products, layer_logic, matrix_product
from naetrigger.export.settings import Square

HARDWARE = (1, 1, -1)  # alkaid's adder size, carry size, and no limit on latency
CHOICE = 6  # alkaid's operation "highest bit of c ? a : b"
SAMPLE = 4096  # words on which alkaid's passes must not change a result
TABLE_BITS = 12  # a table of 2**12 squares is already larger than any multiplier


def square_alone(kind: Fixed, square: Square) -> Any:
    node = Node("x", "input", (), 1, kind)
    exact = Fixed(False, min(2 * kind.width, MAX_WIDTH), 2 * kind.integer)
    nodes = (node, Node("square", "square", ("x",), 1, exact))
    return traced_logic(FixedPointNetwork(nodes, "square", 1.0), square)


class TableTooLarge(InputError):
    """A square has too many arguments for a table."""


def traced_logic(network: FixedPointNetwork, square: Square, registers: bool = False) -> Any:
    """alkaid's logic of the network: the score, then the bits of its decision.

    registers : the thresholds are words that come in after the inputs
    """
    try:
        from alkaid.trace import FVArray, trace
    except ImportError as error:
        raise MissingExtra("alkaid", "export") from error
    first = network.input
    inputs = _words(first.type, first.size)
    thresholds = _words(network.score_type, len(network.thresholds) if registers else 0)
    edges: dict[str, Any] = {first.name: inputs}
    for node in network.nodes[1:]:
        values = [edges[name] for name in node.inputs]
        if node.op == "above":
            levels = thresholds if registers and node.name == network.decision else None
            edges[node.name] = _fires(node, values[0][0], levels)
        elif node.op in LAYER_OPS:
            sources = [network[name] for name in node.inputs]
            edges[node.name] = _cast(layer_logic(node, sources, values), node.type)
        else:
            edges[node.name] = _cast(_exact(node, values, square), node.type)
    results = [edges[network.output]]
    if network.decision is not None:
        results.append(edges[network.decision])
    words = FVArray(np.concatenate([inputs, thresholds]), hwconf=HARDWARE)
    outputs = FVArray(np.concatenate(results), hwconf=HARDWARE)
    return _optimized(trace(words, outputs, optimize=False))


def _optimized(logic: Any) -> Any:
    """The logic made smaller; alkaid 0.8.2 traces it again for that, with narrower ranges.

    A choice "is a < b?" looks at the sign of a - b. Where the second trace proves that this is
    never negative, it has no sign, and alkaid looks at its highest bit instead: where that befalls
    a choice there is no second trace, which costs a percent or two. And one of its passes takes a
    lower bit of some numbers for their highest: where that changes a result, it is left out.
    """
    from alkaid.trace.passes import optimize

    once = optimize(logic, keep_dead_inputs=True, retrace=False)
    twice = optimize(logic, keep_dead_inputs=True)
    made = twice if _choices(twice) == _choices(once) else once
    return made if _give_the_same(made, logic) else _by_removal_alone(logic)


def _give_the_same(made: Any, logic: Any) -> bool:
    """Whether two logics give the same for corners and random words of their inputs."""
    low, high, step = (
        np.array([getattr(kind, end) for kind in logic.inp_qint], np.float64)
        for end in ("min", "max", "step")
    )
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, np.rint((high - low) / step), (SAMPLE, len(low)), endpoint=True)
    words = low + drawn * step
    words[::4] = np.where(rng.random(words[::4].shape) < 0.5, low, high)
    return bool(np.array_equal(made.predict(words, n_threads=1), logic.predict(words, n_threads=1)))


def _by_removal_alone(logic: Any) -> Any:
    """The logic made smaller by what removes operations alone, and costed."""
    from alkaid.trace import passes
    from alkaid.trace.passes import canon

    def needed(logic: Any) -> Any:
        return passes.dead_code_elimin(logic, keep_dead_inputs=True)

    for step in (
        canon.const_propagation,
        canon.canonicalize_outputs,
        needed,
        passes.common_subexpr_elimin,
        needed,
        passes.null_quant_elimin,
        needed,
        passes.add_surrogate,
        passes.canonical_sort,
        passes.topo_bandwidth_sort,
    ):
        logic = step(logic)
    return logic


def _choices(logic: Any) -> tuple[int, int]:
    """How many choices there are, and how many by a value that is never negative."""
    keys = [logic.ops[op.addr[2]].qint for op in logic.ops if op.opcode == CHOICE]
    return len(keys), sum(key.min >= 0 for key in keys)


def _words(kind: Fixed, size: int) -> Any:
    """So many input words of a format."""
    from alkaid.trace import FVArray
    from alkaid.trace.fixed_variable import FVariable

    keep, integer, fraction = kind.kif
    words = [FVariable.from_kif(keep, integer, fraction, hwconf=HARDWARE) for _ in range(size)]
    return FVArray(np.array(words, dtype=object), hwconf=HARDWARE)


def _fires(node: Node, score: Any, registers: Any | None) -> Any:
    """One bit a threshold: the sign of score - threshold, inverted."""
    from alkaid.trace import FVArray
    from alkaid.trace.fixed_variable import FVariable

    assert node.weights is not None
    assert node.weight_type is not None
    levels = node.weight_type.real(node.weights) if registers is None else registers
    bits = []
    for level in levels:
        above = score - level
        if above.low >= 0 or above.high < 0:  # decided for all scores
            bits.append(FVariable.from_const(float(above.low >= 0), hwconf=HARDWARE))
        else:
            bits.append(~above.is_negative())
    return FVArray(np.array(bits, dtype=object), hwconf=HARDWARE)


def _exact(node: Node, values: list[Any], square: Square) -> Any:
    """The exact result of a node in alkaid's algebra."""
    x = values[0]
    match node.op:
        case "dense" if node.cut is not None:
            return cut_products(node, values[0], node.weights)
        case "dense":
            assert node.weights is not None
            assert node.weight_type is not None
            total = matrix_product(x, node.weight_type.real(node.weights))
            if node.bias is None:
                return total
            assert node.bias_type is not None
            return total + node.bias_type.real(node.bias)
        case "relu":
            return x.relu()
        case "cast":
            return x
        case "sub":
            return x - values[1]
        case "abs":
            return _magnitude(x)
        case "square":
            return _squared(x, square, node.name)
        case "sum":
            ones = np.ones(len(x)) if node.weights is None else node.weights
            weights = ones if node.weight_type is None else node.weight_type.real(ones)
            return matrix_product(x, weights[:, None])
        case _:
            raise InputError(f"rtl: {node.name}: op '{node.op}' has no RTL")


def _magnitude(x: Any) -> Any:
    """|x|; alkaid 0.8.2 leaves the sign of constants -1, -2, -4 ..."""
    result = abs(x)
    for i, value in enumerate(x):
        if value.low == value.high:
            constant = abs(float(value.low))
            result[i] = type(value).from_const(constant, hwconf=value.hwconf)
    return result


def _cast(exact: Any, kind: Fixed) -> Any:
    """Exact results in a node's format; what is or becomes a constant by our own arithmetic.

    alkaid 0.8.2 rounds a constant down where it should round half to even, and behind weights
    that are all zero a value is its bias alone; it takes the wrong bit for the last one of what
    is rounded up to one number always. It also misses ties of values off their own grid.
    """
    keep, integer, fraction = kind.kif
    cast = exact.quantize(keep, integer, fraction, kind.overflow.value, kind.rounding.value)
    if type(exact).__name__ == "RetardedFVArray":
        return cast  # a table of rounded squares: what is looked up stands in `exact`, not squared
    for i, value in enumerate(exact):
        low, high = (float(kind.quantize(float(end))) for end in (value.low, value.high))
        if low == high and _rounds_to_one(value, kind):
            cast[i] = type(value).from_const(low, hwconf=value.hwconf)
        elif kind.rounding is Rounding.RND_CONV and _is_off_grid(value, fraction):
            rounded = _half_to_even(value, fraction)
            cast[i] = rounded.quantize(keep, integer, fraction, kind.overflow.value, "TRN")
    return cast


def _rounds_to_one(value: Any, kind: Fixed) -> bool:
    """Whether all values between two of one result have that; not if they may wrap between."""
    if kind.overflow is not Overflow.WRAP:
        return True
    whole = Fixed(True, MAX_WIDTH, MAX_WIDTH - kind.fraction, kind.rounding)
    low, high = (whole.quantize(float(end)) for end in (value.low, value.high))
    return bool(low == high)


def _is_off_grid(value: Any, fraction: int) -> bool:
    """Whether adding half an output LSB leaves fewer fraction bits than the value has.

    As of c + k s with a step s coarser than the bits of c: behind weights that are powers of two,
    say, with a finer bias. alkaid 0.8.2 then looks for ties in the wrong bits.
    """
    bits = value.kif[2]
    return bool(bits > fraction and (value + 2.0 ** (-fraction - 1)).kif[2] != bits)


def _half_to_even(value: Any, fraction: int) -> Any:
    """A value rounded to so many fraction bits, ties to even; no overflow is possible."""
    above = value + 2.0 ** (-fraction - 1)
    keep, integer, bits = (int(part) for part in above.kif)
    if bits <= fraction:  # all values are ties: clear the last bit
        return above.quantize(keep, integer, fraction - 1, "WRAP", "TRN")
    floor = above.quantize(keep, integer, fraction, "WRAP", "TRN")
    no_tie = above.bits[fraction - bits :].unary_bit_op("any") * 2.0**-fraction
    even = above.quantize(keep, integer, fraction - 1, "WRAP", "TRN")
    return even + (no_tie & floor.bits[-1:])


def _squared(x: Any, square: Square, name: str) -> Any:
    """x * x by a multiplier, or by a table of |x| where that is not too large."""
    if square == "multiplier":
        return x * x
    magnitude = abs(x)
    low, high, step = magnitude.lhs
    entries = int(np.max((high - low) / step)) + 1
    if entries > 2**TABLE_BITS:
        raise TableTooLarge(
            f"rtl: {name}: a square by lookup needs a table of {entries} entries (at most "
            f"{2**TABLE_BITS}); set square: multiplier"
        )
    return magnitude.apply(np.square)
