"""QKeras' missing quantizer: half up, the rounding that costs an adder and no more in hardware.

    q(x) = lsb * (floor(x / lsb) + [rest >= 1/2]),   clipped to [min, max]

QKeras' own quantizers round half to even. Rounding half up is AP_RND of ap_fixed; a student
trained with it is as exact as the other, and its RTL needs no look at the bits below the tie.
"""

from __future__ import annotations

import functools
from typing import Any

from naetrigger.contracts.fixed_point import Fixed, Overflow, Rounding


def half_up_quantizer(kind: Fixed, of: Any) -> Any:
    """A QKeras quantizer of a format that rounds half up; of: the libraries tensorflow, qkeras."""
    return _class_of(of.tf, of.qkeras)(
        width=kind.width, integer=kind.integer, keep_negative=int(kind.signed)
    )


@functools.cache
def _class_of(tf: Any, qkeras: Any) -> type:
    """The class, made when TensorFlow is there."""

    class HalfUp(qkeras.quantizers.BaseQuantizer):  # type: ignore[misc]
        """Signed: the gradient passes everywhere, as through quantized_bits. Unsigned: a ReLU,
        whose gradient passes inside the range alone."""

        def __init__(self, width: int, integer: int, keep_negative: int) -> None:
            super().__init__()
            self.width, self.integer, self.keep_negative = width, integer, keep_negative
            self._fixed = Fixed(bool(keep_negative), width, integer, Rounding.RND, Overflow.SAT)

        def __call__(self, x: Any) -> Any:
            kind = self._fixed
            # floor first: adding one half could itself be rounded in a float
            floor = tf.floor(x / kind.lsb)
            up = tf.cast(x / kind.lsb - floor >= 0.5, x.dtype)
            value = tf.clip_by_value((floor + up) * kind.lsb, kind.min, kind.max)
            passed = x if kind.signed else tf.clip_by_value(x, 0.0, kind.max)
            return passed + tf.stop_gradient(value - passed)

        def max(self) -> float:
            return self._fixed.max

        def min(self) -> float:
            return self._fixed.min

        def get_config(self) -> dict[str, int]:
            """What makes the same quantizer again."""
            return {
                "width": self.width,
                "integer": self.integer,
                "keep_negative": self.keep_negative,
            }

    return HalfUp
