"""From hardware integers to a network's inputs in C++: scales.h of an emulator package.

    scaled = input_t((x - ad_offsets[i]) >> ad_shift[i])

on ap_fixed values wide enough that no bit is lost before input_t rounds and saturates. Angles are
centred between, as the input spec says. A spec whose inputs the firmware cannot make of integers
(an offline logarithm, no hardware scale) gives a package that takes the network's own inputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import (
    MAX_WIDTH,
    Fixed,
    Integers,
    Overflow,
    parse_fixed,
)
from naetrigger.firmware_configs.feature import Feature
from naetrigger.firmware_configs.input_spec import InputSpec

GLOBAL_TRIGGER = Fixed(True, 18, 13, overflow=Overflow.WRAP)
"""What the Global Trigger's emulation hands over (unscaled_t of the public models)."""
OFFSET_BITS = 31


@dataclass(frozen=True)
class Scales:
    """How x becomes an input, for each of the inputs.

    hardware : x are hardware integers; else they are the network's inputs already
    unscaled : format in which x comes
    wide : holds every intermediate
    low, high : smallest and largest integer of x (mantissas of unscaled, if not hardware)
    """

    hardware: bool
    unscaled: Fixed
    wide: Fixed
    offsets: tuple[int, ...]
    shifts: tuple[int, ...]
    periods: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]

    @property
    def vector_fraction(self) -> int:
        """Fraction bits of the integers that stand for x in test vectors."""
        return 0 if self.hardware else self.unscaled.fraction


def scales_of(spec: InputSpec, unscaled: str | None = None) -> Scales:
    """The scales of an input spec.

    unscaled : the format of x, as ap_fixed counts; default the Global Trigger's where it holds
        all integers, else the narrowest. Raises InputError for one that does not hold them.
    """
    if not is_hardware(spec):
        return _inputs_themselves(spec, unscaled)
    ranges = [(f.scale.low, f.scale.high) for f in spec.features if f.scale]
    low, high = (tuple(end) for end in zip(*ranges, strict=True))
    fixed = _unscaled(min(low), max(high), unscaled)
    offsets = tuple(int(feature.offset) for feature in spec.features)
    shifts = tuple(feature.shift for feature in spec.features)
    return Scales(
        hardware=True,
        unscaled=fixed,
        wide=_wide(spec, fixed, offsets, shifts),
        offsets=offsets,
        shifts=shifts,
        periods=tuple(feature.period or 0 for feature in spec.features),
        low=low,
        high=high,
    )


def _wide(
    spec: InputSpec, unscaled: Fixed, offsets: tuple[int, ...], shifts: tuple[int, ...]
) -> Fixed:
    """Holds x, x - offset, and that shifted, of every input."""
    largest = max(range(len(offsets)), key=lambda i: abs(offsets[i]))
    if abs(offsets[largest]) >= 1 << OFFSET_BITS:
        raise InputError(
            f"package: input spec {spec.name}: {spec.columns[largest]}: offset "
            f"{offsets[largest]} does not fit the C++ int of scales.h; at most "
            f"{(1 << OFFSET_BITS) - 1}"
        )
    whole = unscaled.integer + (not unscaled.signed)  # with a sign
    reach = max(whole, *(abs(offset).bit_length() + 1 for offset in offsets)) + 1
    integer = reach + max(0, *(-shift for shift in shifts))
    fraction = max(unscaled.fraction, 0) + max(0, *shifts)
    if integer + fraction > MAX_WIDTH:
        raise InputError(
            f"package: input spec {spec.name}: shifts of {min(shifts)} to {max(shifts)} need "
            f"{integer + fraction} bits between x and the inputs, at most {MAX_WIDTH}; bring them "
            "nearer together, or hand over a narrower --input-type"
        )
    return Fixed(True, integer + fraction, integer, overflow=Overflow.WRAP)


def words_of(spec: InputSpec, scales: Scales, x: Integers) -> Integers:
    """Input mantissas (N, F) that the network gets for x, shape (N, F)."""
    if not scales.hardware:
        return np.asarray(x, np.int64)
    plain = spec.model_copy(update={"steps": ()})
    return plain.mantissas(np.asarray(x, np.float64))


def is_hardware(spec: InputSpec) -> bool:
    """Whether the firmware itself makes every input, of a hardware integer."""
    return all(map(_is_made_of_integers, spec.features))


def _is_made_of_integers(feature: Feature) -> bool:
    plain = feature.offline == "none" and float(feature.offset).is_integer()
    return plain and feature.scale is not None


def _inputs_themselves(spec: InputSpec, unscaled: str | None) -> Scales:
    if unscaled is not None and parse_fixed(unscaled) != spec.fixed:
        raise InputError(
            f"package: input spec {spec.name} makes inputs of what is no hardware integer, so the "
            f"emulator takes the network's inputs, {spec.fixed}; leave the input type out"
        )
    n = len(spec.features)
    fixed, none = spec.fixed, (0,) * n
    ends = (fixed.min_mantissa,) * n, (fixed.max_mantissa,) * n
    return Scales(False, fixed, fixed, none, none, none, *ends)


def _unscaled(low: int, high: int, text: str | None) -> Fixed:
    if text is None:
        if GLOBAL_TRIGGER.holds(low, high, 0):
            return GLOBAL_TRIGGER
        bits = max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1
        return Fixed(True, bits, bits, overflow=Overflow.WRAP)
    try:
        fixed = parse_fixed(text)
    except ValueError as error:
        raise InputError(f"package: input type {text}: {error}") from error
    if not fixed.holds(low, high, 0):
        raise InputError(
            f"package: input type {fixed} does not hold the hardware integers {low} to {high}"
        )
    return fixed
