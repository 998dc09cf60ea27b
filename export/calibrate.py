"""Number formats from data: integer bits that lose least at a given width.

For a width b the integer bits i are those whose format has the smallest mean squared error,
rounding and saturation together, on the values given; ties go to the smaller i.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.fixed_point import Fixed, Floats, Overflow, Rounding
from naetrigger.export.student_settings import LayerBits, StudentSettings

MAX_INTEGER = 16  # without sign
SAMPLE = 50_000


ROUNDINGS = {"half_even": Rounding.RND_CONV, "half_up": Rounding.RND}
"""Of edges; weights are constants, and rounded half to even wherever the edges are."""


def trained_type(
    signed: bool, width: int, integer: int, rounding: Rounding = Rounding.RND_CONV
) -> Fixed:
    """The format of a quantizer, saturating; `integer` with the sign."""
    return Fixed(signed, width, integer, rounding, Overflow.SAT)


def best_type(
    values: npt.ArrayLike, width: int, signed: bool, rounding: Rounding = Rounding.RND_CONV
) -> Fixed:
    """The format of `width` bits that loses least on `values` (no shape asked).

    QKeras takes no fewer than 0 integer bits beside the sign, so there are none.
    """
    sample = np.asarray(values, dtype=np.float64).ravel()
    if sample.size > SAMPLE:  # evenly spaced, so no randomness
        sample = sample[:: -(-sample.size // SAMPLE)]
    candidates = [trained_type(signed, width, i + signed, rounding) for i in range(MAX_INTEGER)]
    errors = [np.mean((kind.quantize(sample) - sample) ** 2) for kind in candidates]
    return candidates[int(np.argmin(errors))]


def weight_types(
    name: str, weights: npt.ArrayLike, bias: npt.ArrayLike, settings: StudentSettings
) -> tuple[Fixed, Fixed]:
    """Formats of one layer's weights and bias."""
    bits = settings.layers.get(name, LayerBits())
    return (
        _type(weights, bits.weight or settings.weight_bits, bits.weight_integer, True),
        _type(bias, bits.bias or settings.bias_bits, bits.bias_integer, True),
    )


def edge_type(
    name: str, edge: str, relu: bool, values: Floats, input_type: Fixed, settings: StudentSettings
) -> Fixed:
    """Format of the values that leave a layer; `values` as they come without rounding."""
    bits = settings.layers.get(name, LayerBits())
    default, rounding = settings.activation_bits, ROUNDINGS[settings.rounding]
    if edge == "latent":
        default = settings.latent_bits
    if edge == "reconstruction":
        if (bits.activation or settings.reconstruction_bits) is None:
            return _as_fine_as(input_type, values, rounding)
        default = settings.reconstruction_bits or default
    width = bits.activation or default
    return _type(values, width, bits.activation_integer, not relu, rounding)


def score_type(
    mantissas: npt.NDArray[np.int64], bound: int, fraction: int, settings: StudentSettings
) -> Fixed:
    """Unsigned format of the score from exact background scores.

    mantissas : exact scores on background, with `fraction` fraction bits
    bound : the largest exact score that inputs can give at all
    """
    largest = max(int(mantissas.max(initial=0)), 1)
    top = max(min(int(largest * settings.score_headroom), bound), 1)
    integer = max(top.bit_length() - fraction, 0)
    width = max(min(settings.score_bits, integer + fraction), 1)
    return trained_type(False, width, integer, ROUNDINGS[settings.rounding])


def _type(
    values: npt.ArrayLike,
    width: int,
    integer: int | None,
    signed: bool,
    rounding: Rounding = Rounding.RND_CONV,
) -> Fixed:
    if integer is not None:
        return trained_type(signed, width, integer, rounding)
    return best_type(values, width, signed, rounding)


def _as_fine_as(input_type: Fixed, values: Floats, rounding: Rounding) -> Fixed:
    """The inputs' fraction bits, and integer bits for the largest value seen."""
    largest = float(np.abs(values).max(initial=0.0))
    integer = 0
    while largest >= 2.0**integer and integer < MAX_INTEGER:
        integer += 1
    integer = min(integer, max(input_type.integer - input_type.signed, 0))
    width = integer + 1 + max(input_type.fraction, 1 - integer)
    return trained_type(True, width, integer + 1, rounding)
