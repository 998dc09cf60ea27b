"""Deriving an input spec from background: an offset and a power of two for every input.

Columns with a hardware scale get a whole offset, and the common format is chosen just wide enough
for every bit of every integer. Columns of one quantity (the pT of all jets, all cells of a grid)
share their shift: it follows the spread of the objects that are there, so that one that is nearly
always missing is not blown up; where fewer than 50 are there, the range alone decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Floats, Overflow, Rounding, parse_fixed
from naetrigger.firmware_configs.feature import Feature, Offline, offline_step
from naetrigger.firmware_configs.input_spec import (
    DEFAULT_TYPE,
    InputSpec,
    Source,
    centred,
    mantissa_range,
)
from naetrigger.firmware_configs.offline_steps import (
    Step,
    columns_after,
    inexact_columns,
    scales_after,
)
from naetrigger.firmware_configs.scale import Scale
from naetrigger.firmware_configs.trigger_scales import group_of, object_of

Constant = Literal["refuse", "keep"]
FEWEST = 50  # effective objects that a spread is taken from
SIGNIFICANT = 3.0  # standard deviations a mean direction must have to count as one


def derive_input_spec(
    name: str,
    columns: Sequence[str],
    values: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    scales: Mapping[str, Scale] | None = None,
    steps: Sequence[Step] = (),
    offline: Mapping[str, Offline] | None = None,
    units: Mapping[str, str] | None = None,
    type: str | None = None,
    constant: Constant = "refuse",
    description: str = "",
    source: str = "derived from the training background",
) -> InputSpec:
    """Offsets and power-of-two shifts that bring a background sample near zero mean, unit scale.

    columns, values : (N, F) background before the steps; hardware integers where `scales` has the
        column, physical values elsewhere
    weights : (N,), all alike if not given
    type : the inputs' format; default: just wide enough for every bit of the hardware integers,
        and not below DEFAULT_TYPE where there are other inputs
    constant : what to do with a constant column; kept, it gets itself as its offset

    The offset is the mean: a whole number for integers, rounded to a 1/64 of the scale elsewhere;
    2**shift is the power of two nearest the standard deviation, from above, so that every input
    spreads between 1/2 and 1. An angle's mean is the circular one, and 0 where the directions have
    none. Raises InputError for a constant column.
    """
    steps = tuple(steps)
    scales = dict(scales or {})
    names = columns_after(tuple(columns), steps)
    table = dict(zip(columns, np.asarray(values, dtype=np.float64).T, strict=True))
    for step in steps:
        table = step.apply(table, scales)
    inputs = _inputs(names, table, scales, steps, offline or {})
    if constant == "refuse":
        _refuse_constant(inputs)
    w = np.ones(len(np.asarray(values))) if weights is None else np.asarray(weights, np.float64)
    shifts = _group_shifts(inputs, w)
    features = [_feature(one, shifts, w, (units or {}).get(one.name)) for one in inputs]
    needed = [_needed(feature, one) for feature, one in zip(features, inputs, strict=True)]
    return InputSpec(
        name=name,
        description=description or f"{len(inputs)} inputs, centred and scaled by powers of two",
        type=type or _common_type(needed),
        source=source,
        sources=_sources(tuple(columns), names, scales),
        steps=steps,
        features=tuple(features),
    )


@dataclass(frozen=True)
class _Input:
    """One input behind all steps.

    x : (N,) its values, behind the offline step as well
    whole : whether they are integers of the scale, to the last bit
    """

    name: str
    x: Floats
    offline: Offline
    scale: Scale | None
    whole: bool

    @property
    def period(self) -> int | None:
        return self.scale.period if self.whole and self.scale is not None else None


def _inputs(
    names: tuple[str, ...],
    table: Mapping[str, Floats],
    scales: Mapping[str, Scale],
    steps: tuple[Step, ...],
    offline: Mapping[str, Offline],
) -> list[_Input]:
    after, inexact = scales_after(scales, steps), inexact_columns(names, steps)
    found = []
    for name in names:
        step = offline.get(name, "none")
        whole = name in after and name not in inexact and step == "none"
        x = offline_step(table[name], step, name)
        found.append(_Input(name, x, step, after.get(name), whole))
    return found


def _feature(one: _Input, shifts: Mapping[str, int], weights: Floats, unit: str | None) -> Feature:
    plain = one.offline == "none"
    shift = shifts[group_of(one.name)] if plain else _shift_of([one.x], [weights], None)
    if one.whole:
        offset = _whole_mean(one.x, weights, one.period)
    else:
        offset = _mean_on_grid(one.x, weights, shift)
    hardware = one.scale.model_dump(exclude_defaults=True) if one.scale is not None else {}
    stated = {"unit": unit} if unit is not None else {}
    return Feature(
        name=one.name, **(hardware | stated), offline=one.offline, offset=offset, shift=shift
    )


def _mean_on_grid(x: Floats, weights: Floats, shift: int) -> float:
    """The mean, rounded to a 1/64 of the scale so that it prints shortly."""
    if not np.ptp(x) > 0:
        return float(x[0])
    grid = math.ldexp(1.0, shift - 6)
    return round(_mean(x, weights) / grid) * grid


def _whole_mean(x: Floats, weights: Floats, period: int | None) -> float:
    if period is None:
        return float(round(_mean(x, weights)))
    return float(round(circular_mean(x, weights, period)) % period)


def circular_mean(x: Floats, weights: Floats, period: float) -> float:
    """The mean direction in [0, period), or 0 where it is not significant (Rayleigh test)."""
    turn = np.exp(2j * np.pi * x / period)
    mean = complex(np.average(turn, weights=weights))
    effective = weights.sum() ** 2 / (weights**2).sum()
    if abs(mean) < SIGNIFICANT / math.sqrt(2 * effective):
        return 0.0
    return float(np.angle(mean) * period / (2 * np.pi) % period)


def _group_shifts(inputs: Sequence[_Input], weights: Floats) -> dict[str, int]:
    """group -> shift from the spread of its columns around their means, offline steps apart.

    Missing objects are left out; an angle's mean is the circular one.
    """
    plain = {one.name: one for one in inputs if one.offline == "none"}
    table = {name: one.x for name, one in plain.items()}
    members: dict[str, list[_Input]] = {}
    for one in plain.values():
        members.setdefault(group_of(one.name), []).append(one)
    shifts = {}
    for group, alike in members.items():
        xs, ws = [], []
        for one in alike:
            there = _present(one.name, table)
            x, w = one.x[there], weights[there]
            if len(x):
                around = _mean(x, w) if one.period is None else circular_mean(x, w, one.period)
                xs.append(x - around if one.period is None else centred(x - around, one.period))
                ws.append(w)
        shifts[group] = _shift_of(xs, ws, alike[0].scale if alike[0].whole else None)
    return shifts


def _refuse_constant(inputs: Sequence[_Input]) -> None:
    still = {one.name: float(one.x[0]) for one in inputs if not np.ptp(one.x) > 0}
    if not still:
        return
    first, *more = still
    named = f"column '{first}': is constant ({still[first]:g})"
    if more:
        named += f", and so are {len(more)} more ({', '.join(more[:5])}{', ...' * (len(more) > 5)})"
    raise InputError(
        f"{named}; leave it out of the inputs (data.columns), or keep it: data.constant: keep, "
        "--keep-constant of `naetrigger data spec`"
    )


def _shift_of(xs: list[Floats], weights: list[Floats], scale: Scale | None) -> int:
    """The power of two next to the spread, from above.

    Of integers of which hardly any is there, and of constant ones, the range alone decides: its
    half where the range is filled (eta, phi), a 32nd of it for spectra, which fall steeply.
    """
    w = np.concatenate([*weights, np.empty(0)])
    spread = _std(np.concatenate([*xs, np.empty(0)]), w)
    few = not spread > 0 or w.sum() ** 2 / (w**2).sum() < FEWEST
    if few and scale is not None:
        filled = scale.signed or scale.period is not None
        return scale.bits - 1 if filled else max(scale.bits - 5, 0)
    return math.ceil(math.log2(spread)) if spread > 0 else 0


def _present(column: str, table: Mapping[str, Floats]) -> npt.NDArray[np.bool_]:
    """Rows in which the object of a column is there; all where that is not known."""
    pt = table.get(column.rpartition("_")[0] + "_pt") if object_of(column) else None
    return np.ones(len(table[column]), bool) if pt is None else pt > 0


def _common_type(needed: Sequence[Fixed]) -> str:
    """The narrowest format that holds all of these."""
    fraction = max(needs.fraction for needs in needed)
    signed = any(needs.signed for needs in needed)
    integer = max(max(needs.integer - needs.signed for needs in needed) + signed, 1 - fraction)
    return str(Fixed(signed, integer + fraction, integer, Rounding.RND_CONV, Overflow.SAT))


def _needed(feature: Feature, one: _Input) -> Fixed:
    """The format of one feature: every bit of an integer; else DEFAULT_TYPE, as wide as x gets
    where a step has made it of integers, whose shift is not its own."""
    if one.whole:
        low, high, fraction = mantissa_range(feature)
        signed = low < 0
        bits = max(max(high, 0).bit_length(), (-low - 1).bit_length() if signed else 0, 1)
        return Fixed(signed, bits + signed, bits + signed - fraction)
    default = parse_fixed(DEFAULT_TYPE)
    if feature.scale is None or feature.offline != "none":
        return default
    largest = float(np.abs(np.ldexp(one.x - feature.offset, -feature.shift)).max())
    integer = max(default.integer, math.ceil(math.log2(largest + 1)) + 1)
    return Fixed(True, integer + default.fraction, integer)


def _sources(
    columns: tuple[str, ...], inputs: tuple[str, ...], scales: Mapping[str, Scale]
) -> tuple[Source, ...]:
    """Scales of the columns that are no inputs, one entry for cells that share theirs."""
    found: dict[str, Source] = {}
    for column in columns:
        if column in inputs or column not in scales:
            continue
        group = group_of(column)
        pattern = column if object_of(column) or group == column else f"{group}_*"
        hardware = scales[column].model_dump(exclude_defaults=True)
        source = Source(columns=pattern, **hardware)
        if found.setdefault(pattern, source) != source:
            found[column] = Source(columns=column, **hardware)
    return tuple(sorted(found.values(), key=lambda source: "*" in source.columns))


def _mean(x: Floats, weights: Floats) -> float:
    return float(np.average(x, weights=weights))


def _std(x: Floats, weights: Floats) -> float:
    if not len(x) or not np.ptp(x) > 0:
        return 0.0
    mean = np.average(x, weights=weights)
    return float(np.sqrt(np.average((x - mean) ** 2, weights=weights)))
