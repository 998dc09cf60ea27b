"""Formats against an independent implementation in rational numbers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from naetrigger.contracts.fixed_point import (
    Fixed,
    Overflow,
    Rounding,
    fixed_for_range,
    fixed_of_quantized_bits,
    parse_fixed,
)


def rounded(x: Fraction, mode: Rounding) -> int:
    """x to an integer, by the definitions of UG1399."""
    floor, ceil = math.floor(x), math.ceil(x)
    if mode is Rounding.TRN:
        return floor
    if mode is Rounding.TRN_ZERO:
        return math.trunc(x)
    if x - floor != Fraction(1, 2):
        return floor if x - floor < Fraction(1, 2) else ceil
    match mode:
        case Rounding.RND:
            return ceil
        case Rounding.RND_MIN_INF:
            return floor
        case Rounding.RND_ZERO:
            return floor if x > 0 else ceil
        case Rounding.RND_INF:
            return ceil if x > 0 else floor
        case _:
            return floor if floor % 2 == 0 else ceil


def fitted(m: int, fixed: Fixed) -> int:
    """An integer brought into the range of a format."""
    high = 2 ** (fixed.width - 1) - 1 if fixed.signed else 2**fixed.width - 1
    low = -high - 1 if fixed.signed else 0
    match fixed.overflow:
        case Overflow.SAT:
            return min(max(m, low), high)
        case Overflow.SAT_SYM:
            return min(max(m, -high if fixed.signed else 0), high)
        case Overflow.SAT_ZERO:
            return m if low <= m <= high else 0
        case _:
            return (m - low) % 2**fixed.width + low


modes = st.tuples(st.sampled_from(Rounding), st.sampled_from(Overflow))


@st.composite
def formats(draw: st.DrawFn, widths: tuple[int, int] = (1, 20), spread: int = 12) -> Fixed:
    width = draw(st.integers(*widths))
    integer = draw(st.integers(-spread, width + spread))
    return Fixed(draw(st.booleans()), width, integer, *draw(modes))


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("overflow", Overflow)
@settings(max_examples=40, deadline=None)  # for each of the 28 pairs of modes
@given(data=st.data())
def test_cast_equals_rational_arithmetic(
    rounding: Rounding, overflow: Overflow, data: st.DataObject
) -> None:
    fixed = data.draw(formats())
    fixed = Fixed(fixed.signed, fixed.width, fixed.integer, rounding, overflow)
    fraction = fixed.fraction + data.draw(st.integers(-8, 12))
    near_ends = st.sampled_from([fixed.min_mantissa, fixed.max_mantissa, 0]).flatmap(
        lambda m: st.integers(-40, 40).map(lambda d: (m << max(fraction - fixed.fraction, 0)) + d)
    )
    values = data.draw(st.lists(near_ends | st.integers(-(2**30), 2**30), min_size=1, max_size=20))
    expected = [
        fitted(rounded(Fraction(m) * Fraction(2) ** (fixed.fraction - fraction), rounding), fixed)
        for m in values
    ]
    assert fixed.cast(np.array(values, np.int64), fraction).tolist() == expected


@given(data=st.data())
def test_cast_of_the_widest_mantissas(data: st.DataObject) -> None:
    """Shifts by up to 70 bits of mantissas of up to 63 bits."""
    fixed = Fixed(data.draw(st.booleans()), 8, 4, *data.draw(modes))
    value = data.draw(st.integers(-(2**62), 2**63 - 1))
    drop = data.draw(st.integers(50, 70))
    expected = fitted(rounded(Fraction(value, 2**drop), fixed.rounding), fixed)
    assert fixed.cast(np.array([value], np.int64), fixed.fraction + drop).tolist() == [expected]


@given(formats(), st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20))
def test_real_values_equal_rational_arithmetic(fixed: Fixed, values: list[float]) -> None:
    expected = [
        fitted(rounded(Fraction(v) * Fraction(2) ** fixed.fraction, fixed.rounding), fixed)
        for v in values
    ]
    assert fixed.mantissas(values).tolist() == expected
    assert fixed.quantize(values).tolist() == [
        float(Fraction(m) / Fraction(2) ** fixed.fraction) for m in expected
    ]


@pytest.mark.parametrize("mode", Rounding)
def test_real_values_beside_a_tie_are_no_ties(mode: Rounding) -> None:
    """As near to k + 1/2 as a float64 can be, on either side of it."""
    fixed = Fixed(True, 20, 20, mode, Overflow.SAT)
    ties = np.arange(-3, 3) + 0.5
    values = np.concatenate([np.nextafter(ties, -np.inf), ties, np.nextafter(ties, np.inf)])
    assert fixed.mantissas(values).tolist() == [rounded(Fraction(v), mode) for v in values]


@given(formats(), st.lists(st.integers(-(2**20), 2**20), min_size=1, max_size=20))
def test_cast_of_mantissas_equals_quantization_of_their_values(
    fixed: Fixed, mantissas: list[int]
) -> None:
    array = np.array(mantissas, np.int64)
    source = Fixed(True, 24, 12)
    np.testing.assert_array_equal(
        fixed.cast(array, source.fraction), fixed.mantissas(source.real(array))
    )


@given(formats())
def test_quantization_is_idempotent_and_stays_in_range(fixed: Fixed) -> None:
    words = np.linspace(fixed.min_mantissa, fixed.max_mantissa, 33).astype(np.int64)
    np.testing.assert_array_equal(fixed.mantissas(fixed.real(words)), words)
    far = fixed.mantissas(fixed.lsb * np.array([-1e6, -0.5, 0.5, 1e6]))
    assert np.all((far >= fixed.min_mantissa) & (far <= fixed.max_mantissa))


@given(formats(widths=(1, 63), spread=100))
def test_printed_formats_read_back(fixed: Fixed) -> None:
    assert parse_fixed(str(fixed)) == fixed
    as_vendor = str(fixed).replace("fixed", "ap_fixed", 1) if fixed.signed else str(fixed)
    assert parse_fixed(as_vendor) == fixed


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("fixed<8,3>", Fixed(True, 8, 3)),
        ("ap_ufixed<18,14,AP_RND_CONV,AP_SAT>", Fixed(False, 18, 14, "RND_CONV", "SAT")),
        (" ap_fixed< 4 , -2 , AP_RND > ", Fixed(True, 4, -2, Rounding.RND)),
        ("ap_fixed<16,6,AP_TRN,AP_WRAP,0>", Fixed(True, 16, 6)),
        ("uint<4>", Fixed(False, 4, 4)),
        ("ap_int<9>", Fixed(True, 9, 9)),
    ],
)
def test_formats_are_read_as_vendors_write_them(text: str, fixed: Fixed) -> None:
    assert parse_fixed(text) == fixed


@pytest.mark.parametrize(
    "text",
    [
        "fixed<8>",
        "int<8,3>",
        "fixed<0,0>",
        "fixed<64,8>",
        "fixed<8,3,ROUND>",
        "fixed<8,3,RND,CLIP>",
        "float",
        "",
        "fixed<8,3>;",
        "fixed<8,999>",
        "fixed<99999999999999999999,3>",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"fixed|int|format|width|fraction"):
        parse_fixed(text)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30])
def test_values_without_a_mantissa_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="cannot be quantized"):
        Fixed(True, 8, 3).mantissas([0.0, value])


def test_a_shift_out_of_64_bits_is_refused() -> None:
    with pytest.raises(OverflowError, match="leaves 64 bits"):
        Fixed(True, 63, 3).cast(np.array([2**40], np.int64), 0)


@example(-1, 0, 0)
@given(st.integers(-(2**40), 2**40), st.integers(0, 2**40), st.integers(-5, 20))
def test_the_narrowest_format_of_a_range(low: int, extent: int, fraction: int) -> None:
    high = low + extent
    fixed = fixed_for_range(low, high, fraction)
    assert fixed.holds(low, high, fraction)
    if fixed.width > 1:
        narrower = Fixed(fixed.signed, fixed.width - 1, fixed.width - 1 - fraction)
        assert not narrower.holds(low, high, fraction)


@given(formats(), st.lists(st.integers(-(2**20), 2**20), min_size=1, max_size=20))
def test_saturation_is_where_the_range_is_left(fixed: Fixed, mantissas: list[int]) -> None:
    array = np.array(mantissas, np.int64)
    exact = [
        rounded(Fraction(m, 2**12) * Fraction(2) ** fixed.fraction, fixed.rounding)
        for m in mantissas
    ]
    beyond = [not fixed.min_mantissa <= m <= fixed.max_mantissa for m in exact]
    assert fixed.saturates(array, 12).tolist() == beyond


def test_the_format_of_quantized_bits() -> None:
    """quantized_bits(8, 2, keep_negative=True) has a sign, 2 integer and 5 fraction bits."""
    fixed = fixed_of_quantized_bits(8, 2, True)
    assert (fixed.min, fixed.max, fixed.lsb) == (-4.0, 4.0 - 2**-5, 2**-5)
    assert fixed_of_quantized_bits(6, 2, False).max == 4.0 - 2**-4
