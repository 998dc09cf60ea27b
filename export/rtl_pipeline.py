"""Pipelines cut by LUT levels: as few stages as keep each within so many LUTs in a row.

alkaid cuts by a delay model in which an adder of three terms costs little more than one of two, and
a saturation half a LUT. That is a vendor's packing at its best; yosys maps the first to two LUTs in
a row. Here every operation has the LUT levels that it takes by itself, adders have two terms, and
stages are cut where these levels are even. What a stage has in the end yosys says: as long as it
leaves adders as they are (rtl_primitives/shift_adder.v), it mapped the 7 counted levels of
`l1-objects` to 7 (docs/benchmarks/l1-firmware.md).
"""

from __future__ import annotations

import math
from typing import Any

INPUT, NEGATE, ADD, SUBTRACT, RELU, SLICE = -1, -2, 0, 1, 2, 3
ADD_CONSTANT, CONSTANT, SELECT, MULTIPLY, LOOK_UP = 4, 5, 6, 7, 8
ANY_OR_ALL, BITWISE = 9, 10  # alkaid's codes of operations (alkaid.types, 0.8)
LEVELS = {
    INPUT: 0.0,
    NEGATE: 1.0,
    ADD: 1.0,
    SUBTRACT: 1.0,
    RELU: 0.5,  # joins the LUT behind it more often than not, as the last two do
    SLICE: 0.0,
    ADD_CONSTANT: 1.0,
    CONSTANT: 0.0,
    SELECT: 1.0,
    ANY_OR_ALL: 0.5,
    BITWISE: 0.5,
}
SLICE_BITS = 8  # a table of so many bits is LUTs and the multiplexers of one slice
FURTHER = 8  # stages tried beyond the fewest possible


def pipelined(logic: Any, levels: float) -> Any:
    """alkaid's state machine of the logic, its inputs and outputs in registers.

    levels : LUT levels a stage may hold. An operation that alone has more gets a stage of its own.
    """
    from alkaid.trace.passes import dead_code_elimin
    from alkaid.trace.pipeline import to_pipeline

    counted = _with_levels(dead_code_elimin(logic))
    total = _depth(counted)
    fewest = max(1, math.ceil(total / levels))
    machines = (
        to_pipeline(counted, n_stages=n, verbose=False) for n in range(fewest, fewest + FURTHER)
    )
    best, deepest = None, math.inf
    for machine in machines:
        depth = max(stage_levels(machine))
        if depth < deepest:
            best, deepest = machine, depth
        if depth <= levels:
            break
    return best


def stage_levels(machine: Any) -> list[float]:
    """LUT levels of every stage as counted here."""
    return [_depth(_with_levels(logic)) for logic in machine.logic.values()]


def _with_levels(logic: Any) -> Any:
    """The same logic with LUT levels as its operations' delays."""
    from alkaid.types import CombLogic, Op

    operations: list[Any] = []
    for op in logic.ops:
        before = max((operations[i].latency for i in op.input_ids), default=0.0)
        delay = before + _levels(op, logic.ops)
        operations.append(Op(op.addr, op.opcode, op.data, op.qint, delay, op.cost))
    return CombLogic(
        logic.shape,
        logic.inp_shifts,
        logic.out_idxs,
        logic.out_shifts,
        logic.out_negs,
        operations,
        logic.carry_size,
        logic.adder_size,
        logic.lookup_tables,
    )


def _levels(op: Any, operations: list[Any]) -> float:
    """LUTs in a row that an operation takes by itself."""
    if op.opcode == MULTIPLY:  # partial products, then a tree of sums
        narrower = min(sum(operations[i].qint.kif) for i in op.input_ids)
        return 1.0 + math.ceil(math.log2(max(narrower, 2)))
    if op.opcode == LOOK_UP:
        bits = sum(operations[op.addr[0]].qint.kif)
        return float(1 + math.ceil(max(bits - SLICE_BITS, 0) / 2))
    return LEVELS[op.opcode]


def _depth(logic: Any) -> float:
    return float(max((logic.ops[i].latency for i in logic.out_idxs if i >= 0), default=0.0))
