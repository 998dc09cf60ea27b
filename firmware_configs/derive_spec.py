"""Deriving an input spec from background: an offset and a power of two for every input.

Columns with a hardware scale get a whole offset, and the common format is chosen just wide enough
for every bit of every integer. Columns of one quantity (the pT of all jets, all cells of a grid)
share their shift: it follows the spread of the objects that are there, so that one that is nearly
always missing is not blown up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
    inputs = columns_after(tuple(columns), steps)
    table = dict(zip(columns, np.asarray(values, dtype=np.float64).T, strict=True))
    for step in steps:
        table = step.apply(table, scales)
    after = scales_after(scales, steps)
    inexact = inexact_columns(inputs, steps)
    w = np.ones(len(np.asarray(values))) if weights is None else np.asarray(weights, np.float64)
    shifts = _group_shifts({c: table[c] for c in inputs if c in after}, after, w)
    features = []
    for column in inputs:
        step_name = (offline or {}).get(column, "none")
        x = offline_step(table[column], step_name, column)
        scale = after.get(column)
        if scale is None or column in inexact or step_name != "none":
            shift, offset = _float_feature(column, x, w, constant)
        else:
            shared, offset = shifts[group_of(column)], _whole_mean(x, w, scale)
            if shared is None or (constant == "refuse" and not np.ptp(x) > 0):
                shared = _constant(column, x, constant)
            shift = shared
        features.append(
            _feature(column, scale, (units or {}).get(column), step_name, offset, shift)
        )
    return InputSpec(
        name=name,
        description=description or f"{len(inputs)} inputs, centred and scaled by powers of two",
        type=type or _common_type(features, inexact),
        source=source,
        sources=_sources(tuple(columns), inputs, scales),
        steps=steps,
        features=tuple(features),
    )


def _feature(
    column: str, scale: Scale | None, unit: str | None, offline: Offline, offset: float, shift: int
) -> Feature:
    hardware = scale.model_dump(exclude_defaults=True) if scale is not None else {}
    stated = {"unit": unit} if unit is not None else {}
    return Feature(name=column, **(hardware | stated), offline=offline, offset=offset, shift=shift)


def _constant(column: str, x: Floats, constant: Constant) -> int:
    """The shift of a constant column, if it may be one."""
    if constant == "refuse":
        raise InputError(
            f"column '{column}': is constant ({x[0]:g}); leave it out of the inputs, or say "
            "constant: keep"
        )
    return 0


def _float_feature(
    column: str, x: Floats, weights: Floats, constant: Constant
) -> tuple[int, float]:
    """(shift, offset) of a column that is no hardware integer."""
    spread = _std(x, weights)
    if not spread > 0:
        return _constant(column, x, constant), float(x[0])
    shift = math.ceil(math.log2(spread))
    grid = math.ldexp(1.0, shift - 6)
    return shift, round(_mean(x, weights) / grid) * grid


def _whole_mean(x: Floats, weights: Floats, scale: Scale) -> float:
    if scale.period is None:
        return float(round(_mean(x, weights)))
    return float(round(circular_mean(x, weights, scale.period)) % scale.period)


def circular_mean(x: Floats, weights: Floats, period: float) -> float:
    """The mean direction in [0, period), or 0 where it is not significant (Rayleigh test)."""
    turn = np.exp(2j * np.pi * x / period)
    mean = complex(np.average(turn, weights=weights))
    effective = weights.sum() ** 2 / (weights**2).sum()
    if abs(mean) < SIGNIFICANT / math.sqrt(2 * effective):
        return 0.0
    return float(np.angle(mean) * period / (2 * np.pi) % period)


def _group_shifts(
    table: Mapping[str, Floats], scales: Mapping[str, Scale], weights: Floats
) -> dict[str, int | None]:
    """group -> shift from the spread of its columns around their means; None where it is 0.

    Missing objects are left out; an angle's mean is the circular one.
    """
    members: dict[str, list[str]] = {}
    for column in table:
        members.setdefault(group_of(column), []).append(column)
    shifts: dict[str, int | None] = {}
    for group, columns in members.items():
        xs, ws = [], []
        for column in columns:
            there = _present(column, table)
            x, w, period = table[column][there], weights[there], scales[column].period
            if not len(x):
                continue
            around = _mean(x, w) if period is None else circular_mean(x, w, period)
            xs.append(x - around if period is None else centred(x - around, period))
            ws.append(w)
        spread = _std(np.concatenate(xs), np.concatenate(ws)) if xs else 0.0
        shifts[group] = math.ceil(math.log2(spread)) if spread > 0 else None
    return shifts


def _present(column: str, table: Mapping[str, Floats]) -> npt.NDArray[np.bool_]:
    """Rows in which the object of a column is there; all where that is not known."""
    pt = table.get(column.rpartition("_")[0] + "_pt") if object_of(column) else None
    return np.ones(len(table[column]), bool) if pt is None else pt > 0


def _common_type(features: Sequence[Feature], inexact: set[str]) -> str:
    """Just wide enough for every bit of the integers; DEFAULT_TYPE's bits for other inputs."""
    needed = [_needed(feature, feature.name in inexact) for feature in features]
    fraction = max(needs.fraction for needs in needed)
    signed = any(needs.signed for needs in needed)
    integer = max(needs.integer - needs.signed for needs in needed) + signed
    integer = max(integer, 1 - fraction)
    return str(Fixed(signed, integer + fraction, integer, Rounding.RND_CONV, Overflow.SAT))


def _needed(feature: Feature, inexact: bool) -> Fixed:
    """The narrowest format of one feature."""
    host = feature.offline != "none" and feature.table_type is None
    if feature.scale is None or inexact or host:
        return parse_fixed(DEFAULT_TYPE)
    low, high, fraction = mantissa_range(feature)
    signed = low < 0
    bits = max(max(high, 0).bit_length(), (-low - 1).bit_length() if signed else 0, 1)
    return Fixed(signed, bits + signed, bits + signed - fraction)


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
