"""Products with constant matrices in alkaid's algebra, where alkaid alone would stumble."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("alkaid")

from alkaid.trace import FVArray
from alkaid.trace.fixed_variable import FVariable

from naetrigger.export.rtl_layers import matrix_product

WEIGHTS = np.array([[1.0, 0, -2], [3, 0.5, 4], [-1, 0, 8]])


def values(*limits: tuple[float, float]) -> FVArray:
    """Whole numbers from low to high, constants where both are the same."""
    return FVArray(np.array([FVariable(low, high, 1.0) for low, high in limits], dtype=object))


def ranges(product: FVArray) -> list[tuple[float, float]]:
    return [(float(value.low), float(value.high)) for value in product]


def test_constants_alone_give_constants() -> None:
    product = matrix_product(values((2, 2), (1, 1), (-3, -3)), WEIGHTS)
    expected = np.array([2.0, 1, -3]) @ WEIGHTS
    assert ranges(product) == [(x, x) for x in expected]


def test_columns_that_only_constants_reach_are_constant() -> None:
    product = matrix_product(values((-4, 3), (2, 2), (0, 1)), WEIGHTS)
    assert ranges(product)[1] == (1, 1)
    assert ranges(product)[0] == (-4 + 6 - 1, 3 + 6)


def test_signed_single_bits_reach_their_lowest_sum() -> None:
    """Seven values of -1 or 0, which alkaid 0.8.2 would look up as 0 or 1."""
    product = matrix_product(values(*[(-1, 0)] * 7), np.ones((7, 1)))
    assert ranges(product) == [(-7, 0)]
