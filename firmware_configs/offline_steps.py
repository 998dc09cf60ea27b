"""Steps on whole tables of columns, before single features are centred and scaled.

=============  ==================================================  =======================
step           what                                                arithmetic
=============  ==================================================  =======================
`rotate_phi`   phi of every object relative to a reference's       exact, in integers
`sum`          sums over blocks of a grid (40 x 40 to 10 x 10)     exact, in integers
`remap`        x -> x^power or log(1 + x / c)                      offline: on the host
`gaussian`     a grid smeared by a Gaussian                        offline: on the host
=============  ==================================================  =======================

Tables hold hardware integers where a column has a scale. Columns of a grid are named
`PREFIX_ROW_COLUMN`, two digits each. Intensity remapping of jet images: Finke et al.,
arXiv:2104.09051.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Floats
from naetrigger.contracts.settings import Settings
from naetrigger.firmware_configs.scale import MAX_BITS, Scale

Table = dict[str, Floats]
"""Column name -> values (N,) float64."""

MAX_SIDE = 100


def grid_columns(prefix: str, shape: tuple[int, int]) -> tuple[str, ...]:
    """Names of a grid's cells, row by row: pix_00_00, pix_00_01, ..."""
    rows, columns = shape
    return tuple(f"{prefix}_{r:02d}_{c:02d}" for r in range(rows) for c in range(columns))


class _OnGrid(Settings):
    """A step on the cells of one grid."""

    prefix: str = "pix"
    """The cells are named PREFIX_ROW_COLUMN, two digits each."""
    shape: tuple[int, int]
    """Rows and columns."""

    @model_validator(mode="after")
    def _shape_is_one(self) -> _OnGrid:
        if not all(1 <= n <= MAX_SIDE for n in self.shape):
            raise ValueError(f"shape must be 1 to {MAX_SIDE} each, got {list(self.shape)}")
        return self

    @property
    def cells(self) -> tuple[str, ...]:
        return grid_columns(self.prefix, self.shape)

    def consumes(self, available: tuple[str, ...]) -> tuple[str, ...]:
        del available
        return self.cells

    def image(self, table: Table) -> Floats:
        """(N, rows, columns)"""
        return np.stack([table[name] for name in self.cells], axis=1).reshape(-1, *self.shape)


class BlockSum(_OnGrid):
    """Sums over blocks: cells PREFIX become cells `into`, whose row and column count blocks."""

    step: Literal["sum"] = "sum"
    block: tuple[int, int]
    """Rows and columns of a block; divides the shape."""
    into: str = "sum"
    """Prefix of the new columns."""
    bits: int | None = Field(default=None, ge=1, le=MAX_BITS)
    """A sum saturates at 2^bits - 1; absent: wide enough for any."""
    exact: ClassVar[bool] = True

    @model_validator(mode="after")
    def _divides(self) -> BlockSum:
        if any(b < 1 or n % b for n, b in zip(self.shape, self.block, strict=True)):
            raise ValueError(f"block {list(self.block)} does not divide {list(self.shape)}")
        if self.into == self.prefix:
            raise ValueError(f"into: the sums need a prefix other than '{self.prefix}'")
        return self

    @property
    def produces(self) -> tuple[str, ...]:
        rows, columns = (n // b for n, b in zip(self.shape, self.block, strict=True))
        return grid_columns(self.into, (rows, columns))

    def apply(self, table: Table, scales: Mapping[str, Scale]) -> Table:
        (rows, columns), (down, across) = self.shape, self.block
        blocks = self.image(table).reshape(-1, rows // down, down, columns // across, across)
        sums = blocks.sum(axis=(2, 4)).reshape(len(blocks), -1)
        if self.bits is not None:
            sums = np.minimum(sums, 2.0**self.bits - 1)
        cells = set(self.cells)
        kept = {name: x for name, x in table.items() if name not in cells}
        return kept | dict(zip(self.produces, sums.T, strict=True))

    def scales(self, scales: Mapping[str, Scale]) -> dict[str, Scale]:
        """The scales of the sums, where all cells share one."""
        cells = {scales.get(name) for name in self.cells}
        one = cells.pop()
        if cells or one is None or one.signed or one.period is not None:
            return {}
        n = self.block[0] * self.block[1]
        bits = self.bits or (n * one.high).bit_length()
        if bits > MAX_BITS:
            raise InputError(
                f"sum: sums of {n} cells of {one.bits} bits need {bits} bits, at most {MAX_BITS} "
                "are possible; state `bits`, at which they saturate"
            )
        return dict.fromkeys(self.produces, one.model_copy(update={"bits": bits}))


class Remap(Settings):
    """x -> x^power, or log(1 + x / c); x in LSBs where the column has a scale."""

    step: Literal["remap"] = "remap"
    prefix: str = "pix"
    """All columns PREFIX_..."""
    power: float | None = Field(default=None, gt=0, le=10)
    """The exponent; give this or log_scale."""
    log_scale: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """c of log(1 + x / c); give this or power."""
    exact: ClassVar[bool] = False

    @model_validator(mode="after")
    def _one_of_two(self) -> Remap:
        if (self.power is None) == (self.log_scale is None):
            raise ValueError("remap takes one of power and log_scale")
        return self

    def consumes(self, available: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in available if name.startswith(f"{self.prefix}_"))

    @property
    def produces(self) -> tuple[str, ...]:
        return ()

    def apply(self, table: Table, scales: Mapping[str, Scale]) -> Table:
        names = self.consumes(tuple(table))
        for name in names:
            if np.any(table[name] < 0):
                raise InputError(
                    f"column '{name}': remap needs values >= 0, got {table[name].min():g}"
                )
        return table | {name: self._f(table[name]) for name in names}

    def _f(self, x: Floats) -> Floats:
        mapped: Floats = x**self.power if self.power else np.log1p(x / (self.log_scale or 1.0))
        return mapped

    def scales(self, scales: Mapping[str, Scale]) -> dict[str, Scale]:
        return {}


class Gaussian(_OnGrid):
    """A grid convolved with a Gaussian cut at 4 sigma; nothing enters across the edges."""

    step: Literal["gaussian"] = "gaussian"
    sigma: float = Field(gt=0, le=20)
    """In cells."""
    exact: ClassVar[bool] = False

    @property
    def produces(self) -> tuple[str, ...]:
        return ()

    def apply(self, table: Table, scales: Mapping[str, Scale]) -> Table:
        rows, columns = (self._kernel(n) for n in self.shape)
        smeared = rows @ self.image(table) @ columns
        flat = smeared.reshape(len(smeared), -1)
        return table | dict(zip(self.cells, flat.T, strict=True))

    def _kernel(self, n: int) -> Floats:
        """(n, n): the weight of each cell in each other; sums to 1 away from the edges."""
        reach = int(4 * self.sigma + 0.5)
        offsets = np.arange(-reach, reach + 1)
        weights = np.exp(-0.5 * (offsets / self.sigma) ** 2)
        weights /= weights.sum()
        distance = np.abs(np.arange(n)[:, None] - np.arange(n)[None, :])
        kernel: Floats = np.where(
            distance <= reach, weights[reach + np.minimum(distance, reach)], 0.0
        )
        return kernel

    def scales(self, scales: Mapping[str, Scale]) -> dict[str, Scale]:
        return {}


class RotatePhi(Settings):
    """phi of every present object (pt > 0) relative to a reference's, modulo its period.

    The reference is the first present object of `reference`, then the first present one at all,
    so what comes out is the same when an event is turned by any whole number of the coarsest
    steps. Between scales, the reference's phi is multiplied by the ratio of the periods, or
    divided by it and floored: a muon's 576 steps are 4 for each of a calorimeter's 144.
    """

    step: Literal["rotate_phi"] = "rotate_phi"
    reference: tuple[str, ...] = ("jet1",)
    """Objects by name, in the order of preference."""
    objects: tuple[str, ...] = Field(min_length=1)
    """All objects that are turned, by name: each has columns NAME_pt and NAME_phi."""
    exact: ClassVar[bool] = True

    @model_validator(mode="after")
    def _reference_is_an_object(self) -> RotatePhi:
        for name in self.reference:
            if name not in self.objects:
                raise ValueError(f"reference '{name}' is not among the objects")
        return self

    def consumes(self, available: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"{name}_{q}" for name in self.objects for q in ("pt", "phi"))

    @property
    def produces(self) -> tuple[str, ...]:
        return ()

    def apply(self, table: Table, scales: Mapping[str, Scale]) -> Table:
        periods = self._periods(scales)
        present = {name: table[f"{name}_pt"] > 0 for name in self.objects}
        order = (*self.reference, *(n for n in self.objects if n not in self.reference))
        turned = dict(table)
        unset = np.ones(len(table[f"{order[0]}_pt"]), bool)
        for leader in order:
            chosen = unset & present[leader]
            unset &= ~present[leader]
            if not chosen.any():
                continue
            for name in self.objects:
                rows = chosen & present[name]
                reference = table[f"{leader}_phi"][rows]
                step = np.floor(reference * periods[name] / periods[leader])  # whole, or a floor
                phi = turned[f"{name}_phi"].copy()
                phi[rows] = (phi[rows] - step) % periods[name]
                turned[f"{name}_phi"] = phi
        return turned

    def _periods(self, scales: Mapping[str, Scale]) -> dict[str, int]:
        """Of each object; all whole multiples of the smallest."""
        periods = {}
        for name in self.objects:
            scale = scales.get(f"{name}_phi")
            if scale is None or scale.period is None:
                raise InputError(f"rotate_phi: column '{name}_phi' has no scale with a period")
            periods[name] = scale.period
        coarsest = min(periods.values())
        for name, period in periods.items():
            if period % coarsest:
                raise InputError(
                    f"rotate_phi: {name}'s period {period} is no multiple of {coarsest}"
                )
        return periods

    def scales(self, scales: Mapping[str, Scale]) -> dict[str, Scale]:
        return {}


Step = Annotated[RotatePhi | BlockSum | Remap | Gaussian, Field(discriminator="step")]


def columns_before(columns: tuple[str, ...], steps: tuple[Step, ...]) -> tuple[str, ...]:
    """The columns that must be there before the steps, for `columns` to be there after them."""
    for step in reversed(steps):
        made = set(step.produces)
        needed = [name for name in columns if name not in made]
        columns = tuple(dict.fromkeys((*needed, *step.consumes(tuple(needed)))))
    return columns


def columns_after(columns: tuple[str, ...], steps: tuple[Step, ...]) -> tuple[str, ...]:
    """The columns that the steps leave of `columns`; InputError for one that a step misses."""
    for step in steps:
        taken = step.consumes(columns)
        missing = sorted(set(taken) - set(columns))
        if missing:
            raise InputError(f"step {step.step}: needs column '{missing[0]}', which is not there")
        if step.produces:
            columns = (*(c for c in columns if c not in set(taken)), *step.produces)
    return columns


def scales_after(scales: Mapping[str, Scale], steps: tuple[Step, ...]) -> dict[str, Scale]:
    """The scales of the source columns and of all that the steps make of them."""
    known = dict(scales)
    for step in steps:
        known |= step.scales(known)
    return known


def inexact_columns(columns: tuple[str, ...], steps: tuple[Step, ...]) -> set[str]:
    """Columns that are no integers any more after the steps, of all that occur on the way."""
    inexact: set[str] = set()
    columns = columns_before(columns, steps)
    for step in steps:
        taken = set(step.consumes(columns))
        if not step.exact:
            inexact |= taken
        if step.produces:
            inexact |= set(step.produces) if taken & inexact else set()
        columns = columns_after(columns, (step,))
    return inexact
