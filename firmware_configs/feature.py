"""One input of a network: where it comes from, and how it is centred and scaled.

    x_hw = Fixed((f(x) - offset) * 2**-shift)

x is the hardware integer of a feature that has an `lsb`, else the value as it is. f is an offline
step: none, a logarithm, or a table. An angle is centred: ((x - offset + P/2) mod P) - P/2.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Floats, parse_fixed
from naetrigger.contracts.settings import Settings
from naetrigger.firmware_configs.scale import MAX_BITS, Scale

Offline = Literal["none", "log", "log1p"]


def _format(text: str) -> str:
    return str(parse_fixed(text))


Format = Annotated[str, AfterValidator(_format)]


class Feature(Settings):
    """One input."""

    name: str
    unit: str = "1"
    """Unit of the physical column."""
    lsb: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Physical size of one step of the hardware integer, in `unit`; absent: x is no integer."""
    bits: int | None = Field(default=None, ge=1, le=MAX_BITS)
    """Width of the hardware integer; goes with lsb."""
    signed: bool = False
    """Whether the hardware integer is two's complement."""
    period: int | None = Field(default=None, ge=2)
    """Steps of a full turn, for an angle; goes with lsb."""
    round: Literal["floor", "nearest"] = "floor"
    """Which integer stands for a physical value between two."""
    offline: Offline = "none"
    """What the host does before the firmware sees the value; stated in every export. log1p is
    log(1 + x), for quantities that can be zero. x is the hardware integer where there is one."""
    table_type: Format | None = None
    """Makes the offline step a lookup table in firmware, with entries of this format."""
    table_bits: int | None = Field(default=None, ge=1, le=MAX_BITS)
    """Bits of the table's address, the highest ones of the integer; absent: all."""
    offset: float = Field(allow_inf_nan=False)
    """Subtracted after the offline step."""
    shift: int = Field(ge=-60, le=60)
    """Then divided by 2**shift."""
    exact: bool = True
    """With lsb: no bit of the integer may be lost in the inputs' format; the spec refuses itself
    otherwise. false: it rounds and saturates as its type says."""

    @model_validator(mode="after")
    def _fits_together(self) -> Feature:
        if (self.lsb is None) != (self.bits is None):
            raise ValueError(f"'{self.name}': lsb and bits go together")
        if self.lsb is None:
            for field in ("period", "table_type"):
                if getattr(self, field) is not None:
                    raise ValueError(f"'{self.name}': {field} needs lsb and bits")
        elif self.period is not None or self.signed:
            _ = self.scale  # says what does not fit
        if self.table_bits is not None and self.table_type is None:
            raise ValueError(f"'{self.name}': table_bits needs table_type")
        if self.table_type is not None and self.offline == "none":
            raise ValueError(f"'{self.name}': a table needs an offline step to hold")
        if self.table_bits is not None and self.table_bits > (self.bits or 0):
            raise ValueError(f"'{self.name}': table_bits must be at most bits ({self.bits})")
        if self.period is not None and self.offline != "none":
            raise ValueError(f"'{self.name}': an angle takes no offline step")
        return self

    @property
    def scale(self) -> Scale | None:
        """Its scale in hardware, where it has one."""
        if self.lsb is None or self.bits is None:
            return None
        return _scale(self.unit, self.lsb, self.bits, self.signed, self.period, self.round)

    @property
    def table_fixed(self) -> Fixed | None:
        """Format of the table's entries."""
        return parse_fixed(self.table_type) if self.table_type else None


@lru_cache(maxsize=4096)
def _scale(
    unit: str,
    lsb: float,
    bits: int,
    signed: bool,
    period: int | None,
    round: Literal["floor", "nearest"],
) -> Scale:
    """One object for all the pixels of a grid."""
    return Scale(unit=unit, lsb=lsb, bits=bits, signed=signed, period=period, round=round)


def offline_step(x: Floats, step: str, name: str, first_row: int = 0) -> Floats:
    """f(x) of one column; an error names its row, counted from `first_row`."""
    if step == "none":
        return x
    limit = 0.0 if step == "log" else -1.0
    if np.any(x <= limit):
        row = int(np.argmax(x <= limit))
        other = "; log1p takes zeros" if step == "log" and x[row] == 0 else ""
        raise InputError(
            f"column '{name}': {step} needs values above {limit:g}, row {first_row + row} holds "
            f"{x[row]}{other}"
        )
    return np.log(x) if step == "log" else np.log1p(x)
