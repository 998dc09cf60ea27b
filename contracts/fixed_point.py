"""Fixed-point number formats with the semantics of ``ap_fixed``, exact in integers.

A value of format ``Fixed`` is ``mantissa * 2**-fraction`` with an integer mantissa. All
arithmetic on formats happens on int64 mantissas, so nothing is lost and nothing is rounded
but where a format says so. Source of the modes: AMD UG1399, "Arbitrary Precision Fixed-Point
Data Types"; hls4ml and alkaid use the same names.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MAX_WIDTH = 63  # a signed mantissa must fit int64 with its sign


class Rounding(StrEnum):
    """What happens to bits below the last one kept."""

    TRN = "TRN"  # towards minus infinity: drops bits, free in hardware
    TRN_ZERO = "TRN_ZERO"  # towards zero
    RND = "RND"  # nearest, ties towards plus infinity
    RND_ZERO = "RND_ZERO"  # nearest, ties towards zero
    RND_INF = "RND_INF"  # nearest, ties away from zero
    RND_MIN_INF = "RND_MIN_INF"  # nearest, ties towards minus infinity
    RND_CONV = "RND_CONV"  # nearest, ties to even: what QKeras and ONNX do


class Overflow(StrEnum):
    """What happens to a value beyond the range."""

    WRAP = "WRAP"  # keeps the low bits: free in hardware
    SAT = "SAT"  # the nearest end of the range
    SAT_ZERO = "SAT_ZERO"  # zero
    SAT_SYM = "SAT_SYM"  # the nearest end of a range made symmetric


@dataclass(frozen=True)
class Fixed:
    """A fixed-point format, counted as ``ap_fixed<width, integer, rounding, overflow>`` does.

    Parameters
    ----------
    signed : two's complement if true, else unsigned
    width : bits in all, sign included; 1 to 63
    integer : bits left of the binary point, sign included; may be negative or beyond width
    """

    signed: bool
    width: int
    integer: int
    rounding: Rounding = Rounding.TRN
    overflow: Overflow = Overflow.WRAP

    def __post_init__(self) -> None:
        object.__setattr__(self, "rounding", Rounding(self.rounding))
        object.__setattr__(self, "overflow", Overflow(self.overflow))
        if not 1 <= self.width <= MAX_WIDTH:
            raise ValueError(f"{self}: width must be 1 to {MAX_WIDTH} bits, got {self.width}")
        if abs(self.fraction) > 512:
            raise ValueError(f"{self}: {self.fraction} fraction bits are out of range (512)")

    @property
    def fraction(self) -> int:
        """Bits right of the binary point."""
        return self.width - self.integer

    @property
    def lsb(self) -> float:
        """The step between neighbouring values."""
        return math.ldexp(1.0, -self.fraction)

    @property
    def min_mantissa(self) -> int:
        if not self.signed:
            return 0
        return -self.max_mantissa if self.overflow is Overflow.SAT_SYM else -(1 << self.width - 1)

    @property
    def max_mantissa(self) -> int:
        return (1 << self.width - self.signed) - 1

    @property
    def min(self) -> float:
        return math.ldexp(self.min_mantissa, -self.fraction)

    @property
    def max(self) -> float:
        return math.ldexp(self.max_mantissa, -self.fraction)

    @property
    def kif(self) -> tuple[bool, int, int]:
        """(keep_negative, integer bits without sign, fraction bits), as alkaid counts."""
        return self.signed, self.integer - self.signed, self.fraction

    def __str__(self) -> str:
        name = "fixed" if self.signed else "ufixed"
        return f"{name}<{self.width},{self.integer},{self.rounding.value},{self.overflow.value}>"

    def mantissas(self, values: npt.ArrayLike) -> Integers:
        """Round and fit real values into this format; int64 mantissas of the same shape.

        Raises ValueError for NaN, infinity, or a value whose mantissa leaves 2**62.
        """
        scaled = np.ldexp(np.asarray(values, dtype=np.float64), self.fraction)
        if not np.all(np.isfinite(scaled)):
            raise ValueError(f"{self}: NaN or infinity cannot be quantized")
        if np.any(np.abs(scaled) >= 2.0**62):
            raise ValueError(f"{self}: a value is beyond 2**62 LSBs and cannot be quantized")
        return self._fit(_round_real(scaled, self.rounding))

    def quantize(self, values: npt.ArrayLike) -> Floats:
        """The nearest members of this format as float64, exact (width is at most 53 to 63)."""
        return self.real(self.mantissas(values))

    def real(self, mantissas: npt.ArrayLike) -> Floats:
        """The values that mantissas stand for."""
        return np.ldexp(np.asarray(mantissas, dtype=np.float64), -self.fraction)

    def cast(self, mantissas: Integers, fraction: int) -> Integers:
        """Mantissas with `fraction` fraction bits, brought into this format, in integers alone."""
        drop = fraction - self.fraction
        if drop <= 0:
            return self._fit(_shift_left(mantissas, -drop))
        return self._fit(_round_shift(mantissas, drop, self.rounding))

    def holds(self, low: int, high: int, fraction: int) -> bool:
        """Whether every mantissa in [low, high] with `fraction` bits passes `cast` unchanged."""
        drop = fraction - self.fraction
        if drop > 0:
            return False
        return self.min_mantissa <= low << -drop and high << -drop <= self.max_mantissa

    def saturates(self, mantissas: Integers, fraction: int) -> npt.NDArray[np.bool_]:
        """Where `cast` meets a value beyond the range (after rounding)."""
        drop = fraction - self.fraction
        rounded = (
            _shift_left(mantissas, -drop)
            if drop <= 0
            else _round_shift(mantissas, drop, self.rounding)
        )
        return np.asarray((rounded < self.min_mantissa) | (rounded > self.max_mantissa))

    def _fit(self, mantissas: Integers) -> Integers:
        low, high = self.min_mantissa, self.max_mantissa
        match self.overflow:
            case Overflow.SAT | Overflow.SAT_SYM:
                return np.clip(mantissas, low, high)
            case Overflow.SAT_ZERO:
                inside = (mantissas >= low) & (mantissas <= high)
                return np.where(inside, mantissas, np.int64(0))
            case Overflow.WRAP:
                kept = mantissas & np.int64((1 << self.width) - 1)
                if not self.signed:
                    return kept
                sign = np.int64(1 << self.width - 1)
                return (kept ^ sign) - sign


def _round_real(scaled: Floats, rounding: Rounding) -> Integers:
    match rounding:
        case Rounding.TRN:
            rounded = np.floor(scaled)
        case Rounding.TRN_ZERO:
            rounded = np.trunc(scaled)
        case Rounding.RND_CONV:
            rounded = np.rint(scaled)
        case _:
            whole, positive = np.trunc(scaled), scaled >= 0
            rest = np.abs(scaled - whole)  # exact; what is left above the floor of -0.49... is not
            away = (rest > 0.5) | ((rest == 0.5) & (_tie_up(positive, rounding) == positive))
            rounded = whole + np.copysign(away.astype(np.float64), scaled)
    return rounded.astype(np.int64)


def _round_shift(mantissas: Integers, drop: int, rounding: Rounding) -> Integers:
    """mantissas / 2**drop, rounded."""
    if drop > 63:  # a mantissa is below 2**63, so this is less than half an LSB
        return mantissas >> 63 if rounding is Rounding.TRN else np.zeros_like(mantissas)
    floor = mantissas >> drop
    if rounding is Rounding.TRN:
        return floor
    rest = mantissas - (floor << drop)
    if rounding is Rounding.TRN_ZERO:
        return floor + np.asarray((mantissas < 0) & (rest != 0), np.int64)
    half = np.int64(1) << (drop - 1)
    up = floor & 1 == 1 if rounding is Rounding.RND_CONV else _tie_up(floor >= 0, rounding)
    return floor + np.asarray((rest > half) | ((rest == half) & up), np.int64)


def _tie_up(positive: npt.NDArray[np.bool_], rounding: Rounding) -> npt.NDArray[np.bool_]:
    """Whether a value halfway between floor and floor + 1 goes up."""
    match rounding:
        case Rounding.RND:
            return np.ones_like(positive)
        case Rounding.RND_MIN_INF:
            return np.zeros_like(positive)
        case Rounding.RND_INF:
            return positive
        case Rounding.RND_ZERO:
            return ~positive
        case _:
            raise ValueError(f"{rounding} has no tie rule of its own")


def _shift_left(mantissas: Integers, bits: int) -> Integers:
    mantissas = np.asarray(mantissas, dtype=np.int64)
    if bits == 0 or mantissas.size == 0:
        return mantissas
    largest = int(np.abs(mantissas).max())
    if largest and largest.bit_length() + bits > MAX_WIDTH:
        raise OverflowError(
            f"a mantissa of {largest.bit_length()} bits shifted by {bits} leaves 64 bits"
        )
    return mantissas << bits if largest else mantissas


_PATTERN = re.compile(
    r"^\s*(?:ap_)?(?P<name>u?fixed|u?int)\s*<\s*(?P<width>\d+)\s*"
    r"(?:,\s*(?P<integer>-?\d+)\s*)?(?:,\s*(?:AP_)?(?P<rounding>\w+)\s*)?"
    r"(?:,\s*(?:AP_)?(?P<overflow>\w+)\s*)?(?:,\s*0\s*)?>\s*$"
)


def parse_fixed(text: str) -> Fixed:
    """Read ``fixed<8,3>``, ``ap_ufixed<18,14,AP_RND_CONV,AP_SAT>``, ``uint<4>`` and the like.

    Missing modes are those of ap_fixed: TRN and WRAP. Raises ValueError for anything else.
    """
    found = _PATTERN.match(text)
    if not found:
        raise ValueError(
            f"'{text}' is no fixed-point format; write for example fixed<8,3> "
            "or ufixed<18,14,RND_CONV,SAT>"
        )
    width = int(found["width"])
    is_integer = found["name"].endswith("int")
    if is_integer != (found["integer"] is None):
        raise ValueError(f"'{text}': fixed<> needs width and integer bits, int<> the width alone")
    for field, modes in (("rounding", Rounding), ("overflow", Overflow)):
        if found[field] is not None and found[field] not in list(modes):
            raise ValueError(f"'{text}': {field} is one of {', '.join(modes)}, not {found[field]}")
    return Fixed(
        signed=not found["name"].startswith("u"),
        width=width,
        integer=width if is_integer else int(found["integer"]),
        rounding=Rounding(found["rounding"] or "TRN"),
        overflow=Overflow(found["overflow"] or "WRAP"),
    )


def fixed_of_quantized_bits(bits: int, integer: int, keep_negative: bool) -> Fixed:
    """The format of QKeras ``quantized_bits(bits, integer, keep_negative, alpha=1)``."""
    return Fixed(keep_negative, bits, integer + keep_negative, Rounding.RND_CONV, Overflow.SAT)


def fixed_for_range(low: int, high: int, fraction: int) -> Fixed:
    """The narrowest format that holds every mantissa in [low, high] with `fraction` bits."""
    signed = low < 0
    bits = max(max(high, 0).bit_length(), (-low - 1).bit_length() if signed else 0)
    width = max(bits + signed, 1)
    return Fixed(signed, width, width - fraction)
