"""LUT levels of netlists made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.export.logic_depth import DSP_LEVELS, Depth, deepest

Cell = dict[str, Any]


def cell(kind: str, inputs: dict[str, list[Any]], outputs: dict[str, list[Any]]) -> Cell:
    directions = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
    return {"type": kind, "port_directions": directions, "connections": inputs | outputs}


def lut(source: int, out: int) -> Cell:
    return cell("LUT2", {"I0": [source], "I1": ["0"]}, {"O": [out]})


def module(*cells: Cell) -> dict[str, Any]:
    return {"cells": {str(i): c for i, c in enumerate(cells)}}


def carry(
    select: list[int], sums: list[int], carries: list[int], carry_in: int | str = "0"
) -> Cell:
    inputs = {"S": select, "DI": ["0"] * 4, "CI": [carry_in], "CYINIT": ["0"]}
    return cell("CARRY4", inputs, {"O": sums, "CO": carries})


def test_a_chain_is_as_deep_as_it_is_long() -> None:
    assert deepest(module(*(lut(i, i + 1) for i in range(5)))) == Depth(5, 5)
    assert deepest(module()) == Depth(0, 0)


def test_a_register_ends_a_path() -> None:
    register = cell("FDRE", {"C": [99], "D": [3]}, {"Q": [4]})
    assert deepest(module(lut(1, 2), lut(2, 3), register, lut(4, 5))).luts == 2
    shift = cell("SRL16E", {"CLK": [99], "D": [3], "A0": ["0"]}, {"Q": [4]})
    assert deepest(module(lut(1, 2), lut(2, 3), shift, lut(4, 5))).luts == 2


def test_multiplexers_and_inverters() -> None:
    wide = cell("MUXF7", {"I0": [2], "I1": [3], "S": [4]}, {"O": [5]})
    assert deepest(module(lut(1, 2), lut(1, 3), wide)) == Depth(1, 2)
    assert deepest(module(lut(1, 2), cell("INV", {"I": [2]}, {"O": [3]}))).luts == 2


def test_a_carry_passes_upwards_only() -> None:
    """LUTs behind the lowest sum bit feed the highest select: three in a row, not four."""
    first = carry([10, 11, 12, 13], [20, 21, 22, 23], [30, 31, 32, 33])
    luts = [lut(1, 10), lut(1, 11), lut(1, 12), lut(1, 13)]
    low_feeds_high = carry([40, 41, 42, 43], [50, 51, 52, 53], [60, 61, 62, 63])
    more = [lut(20, 40), lut(1, 41), lut(1, 42), lut(50, 43)]
    depth = deepest(module(*luts, first, *more, low_feeds_high, lut(53, 70)))
    assert depth.luts == 4  # 10 -> sum 0 -> 40 -> sum 0 -> 43 -> sum 3 -> 70
    top_feeds_low = [lut(53, 80), carry([80, 1, 1, 1], [81, 82, 83, 84], [85, 86, 87, 88], 33)]
    assert deepest(module(*luts, first, *more, low_feeds_high, *top_feeds_low)).luts == 4


def test_a_product_in_a_dsp_counts_as_several() -> None:
    product = cell("DSP48E1", {"A": [2], "B": [3]}, {"P": [4]})
    assert deepest(module(lut(1, 2), product, lut(4, 5))).luts == 2 + DSP_LEVELS


def test_logic_that_feeds_back_is_refused() -> None:
    with pytest.raises(InputError, match="feeds back"):
        deepest(module(lut(1, 2), lut(2, 1)))


@pytest.mark.parametrize("kind", ["RAM32M", "RAM64M", "RAM128X1D", "TRELLIS_DPR16X4"])
def test_memory_in_luts_is_refused_by_name(kind: str) -> None:
    memory = cell(kind, {"ADDRA": [2], "WCLK": [99]}, {"DOA": [3]})
    with pytest.raises(InputError, match=rf"cell '1' is a memory in LUTs \({kind}\)"):
        deepest(module(lut(1, 2), memory, lut(3, 4)))


def test_block_ram_ends_a_path() -> None:
    memory = cell("RAMB18E1", {"ADDRARDADDR": [2], "CLKARDCLK": [99]}, {"DOADO": [3]})
    assert deepest(module(lut(1, 2), memory, lut(3, 4))).luts == 1
