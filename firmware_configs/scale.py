"""A hardware scale: how a physical quantity becomes the integer that trigger hardware sends.

    n = floor(x / lsb)   or the nearest integer,  then saturated to `bits`, or modulo `period`
    x = n * lsb          back again, as unpackers of trigger data do

`floor` is what a scale of thresholds does (bin n begins at n * lsb: pt, ET, phi), `nearest` one
whose bins are centred on n * lsb (eta). A value a hair below a bin's edge belongs to the bin: a
float32 cannot hold n * lsb exactly, and it must come back as n.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from naetrigger.contracts.fixed_point import Integers
from naetrigger.contracts.settings import Settings

EDGE = 2.0**-7  # of an LSB; half a float32 step is at most 2**-8 of an LSB for 16-bit integers
MAX_BITS = 16  # what an events file stores as integers


class Scale(Settings):
    """Scale of one quantity in hardware."""

    unit: str = "1"
    """Unit of the physical quantity."""
    lsb: float = Field(gt=0, allow_inf_nan=False)
    """The quantity's change from one integer to the next, in `unit`."""
    bits: int = Field(ge=1, le=MAX_BITS)
    """Width of the integer."""
    signed: bool = False
    """Two's complement, or not negative."""
    period: int | None = Field(default=None, ge=2)
    """Integers of a full turn, where the quantity is an angle: 0 to period - 1."""
    round: Literal["floor", "nearest"] = "floor"
    """Which integer stands for a value between two."""

    @model_validator(mode="after")
    def _period_fits(self) -> Scale:
        if self.period is not None:
            if self.signed or self.period > 1 << self.bits:
                raise ValueError(
                    f"period {self.period} needs an unsigned integer that counts to "
                    f"{self.period - 1}"
                )
            if self.period % 2:
                raise ValueError(
                    f"period must be even, so that half a turn is whole: {self.period}"
                )
        return self

    @property
    def low(self) -> int:
        return -(1 << self.bits - 1) if self.signed else 0

    @property
    def high(self) -> int:
        if self.period is not None:
            return self.period - 1
        return (1 << self.bits - self.signed) - 1

    def nearest(self, x: npt.ArrayLike) -> Integers:
        """The integer of each physical value, before the range is imposed."""
        steps = np.asarray(x, dtype=np.float64) / self.lsb
        rounded = np.rint(steps) if self.round == "nearest" else np.floor(steps + EDGE)
        return np.clip(rounded, -(2.0**62), 2.0**62).astype(np.int64)

    def fitted(self, n: Integers) -> Integers:
        """Integers brought into the range as hardware does: modulo the period, or saturated."""
        return n % self.period if self.period is not None else np.clip(n, self.low, self.high)

    def beyond(self, n: Integers) -> npt.NDArray[np.bool_]:
        """Where integers saturate; an angle never does."""
        if self.period is not None:
            return np.zeros(np.shape(n), bool)
        return np.asarray((n < self.low) | (n > self.high))

    def integers(self, x: npt.ArrayLike) -> Integers:
        """Physical values as hardware integers."""
        return self.fitted(self.nearest(x))

    def physical(self, n: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Hardware integers as physical values; angles between minus and plus half a turn."""
        whole = np.asarray(n, dtype=np.float64)
        if self.period is not None:
            whole = np.where(whole >= self.period // 2, whole - self.period, whole)
        return whole * self.lsb
