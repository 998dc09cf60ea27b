"""LUT levels: how many LUTs stand one behind the other between two registers of a netlist.

A netlist is what yosys' `write_json` gives of one flattened module of FPGA cells. The deepest path
is found bit by bit: a carry cell passes a bit on to the bits above it alone, so a sum that needs
the carry of an earlier sum is as deep as it is in the device, not deeper.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from graphlib import CycleError, TopologicalSorter
from typing import Any

from naetrigger.contracts.errors import InputError

REGISTER = re.compile(r"FD[A-Z]*|LD[A-Z]*|SRL.*|RAMB.*|BUF.*|TRELLIS_FF|DP16KD")
DISTRIBUTED = re.compile(r"RAM(?!B).*|TRELLIS_DPR.*")  # read without a clock, of several LUTs
LUT = re.compile(r"LUT\d|LUT6_2|INV|TRELLIS_LUT")
CARRY = re.compile(r"CARRY[48]")
DSP = re.compile(r"DSP48.*")
DSP_LEVELS = 8  # a product without registers: some 4 ns in 7 series -2, 2.4 ns in UltraScale+ -2

Bit = int | str  # a net's number, or a constant '0', '1', 'x'
Netlist = Mapping[str, Any]


@dataclass(frozen=True)
class Depth:
    """A path between registers.

    luts : LUTs on it, what follows a LUT in its slice (carry, wide multiplexers) not counted; a
        product in a DSP counts as DSP_LEVELS
    cells : all cells on it
    """

    luts: int
    cells: int


def deepest(module: Netlist) -> Depth:
    """The path with most LUTs, of those the one with most cells.

    Raises InputError for logic that feeds back on itself, and for memory in LUTs: no pipeline has
    any, and its LUTs and its read are not counted here.
    """
    arcs: dict[Bit, tuple[int, list[Bit]]] = {}
    for name, cell in module["cells"].items():
        if DISTRIBUTED.fullmatch(cell["type"]):
            raise InputError(
                f"cell '{name}' is a memory in LUTs ({cell['type']}), which is not weighed here; "
                "expected logic, registers, DSPs and block RAM"
            )
        if not REGISTER.fullmatch(cell["type"]):
            for out, sources in _arcs(cell):
                arcs[out] = (_levels(cell["type"]), sources)
    depth: dict[Bit, tuple[int, int]] = {}
    try:
        order = TopologicalSorter({out: ins for out, (_, ins) in arcs.items()}).static_order()
        for bit in order:
            if bit in arcs:
                lut, sources = arcs[bit]
                luts, cells = reduce(max, (depth.get(s, (0, 0)) for s in sources), (0, 0))
                depth[bit] = (luts + lut, cells + 1)
    except CycleError as error:
        raise InputError("the netlist has logic that feeds back on itself") from error
    return Depth(*max(depth.values(), default=(0, 0)))


def _levels(kind: str) -> int:
    if DSP.fullmatch(kind):
        return DSP_LEVELS
    return 1 if LUT.fullmatch(kind) else 0


def _arcs(cell: Mapping[str, Any]) -> Iterator[tuple[Bit, list[Bit]]]:
    """Every output bit of a cell with the input bits that it depends on."""
    pins = cell["connections"]
    if CARRY.fullmatch(cell["type"]):
        yield from _carry_arcs(pins)
        return
    directions = cell["port_directions"]
    inputs = [bit for name, bits in pins.items() if directions[name] == "input" for bit in bits]
    for name, bits in pins.items():
        if directions[name] == "output":
            yield from ((bit, inputs) for bit in bits)


def _carry_arcs(pins: Mapping[str, list[Bit]]) -> Iterator[tuple[Bit, list[Bit]]]:
    """S and DI of a bit reach its own carry and the sums above it; CI and CYINIT reach all."""
    below = [*pins.get("CI", []), *pins.get("CYINIT", []), *pins.get("CI_TOP", [])]
    for i, select in enumerate(pins["S"]):
        if i < len(pins.get("O", [])):
            yield pins["O"][i], [*below, select]
        below = [*below, select, pins["DI"][i]]
        if i < len(pins.get("CO", [])):
            yield pins["CO"][i], below
