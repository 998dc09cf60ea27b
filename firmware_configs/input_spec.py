"""Inputs: how each physical quantity becomes the fixed-point number that hardware sees.

1. Digitise: physical values become hardware integers (digitise.py), once, in the data stage.
2. Steps on whole tables: rotate, sum, remap, smear (offline_steps.py).
3. For every feature ``x_hw = Fixed((f(x) - offset) * 2**-shift)`` (feature.py).

Float training sees exactly these numbers. A feature with an `lsb` keeps every bit of its integer,
or the spec refuses itself. Missing objects are zeros and go through the same formula.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import Field, field_validator, model_validator

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import HARDWARE_UNIT, Events
from naetrigger.contracts.fixed_point import Fixed, Floats, Integers, parse_fixed
from naetrigger.contracts.settings import Settings
from naetrigger.firmware_configs.feature import Feature, offline_step
from naetrigger.firmware_configs.lookup_table import looked_up, table_words
from naetrigger.firmware_configs.offline_steps import (
    Step,
    columns_before,
    inexact_columns,
    scales_after,
)
from naetrigger.firmware_configs.scale import Scale
from naetrigger.firmware_configs.shipped import find, parse_yaml, shipped_names, validate

DEFAULT_TYPE = "fixed<10,3,RND_CONV,SAT>"
CHUNK = 1024  # rows worked on at once, so that wide tables stay in memory


class Source(Scale):
    """The scale of columns that steps take and that are no inputs themselves."""

    columns: str
    """Their names; `*` stands for anything."""


class InputSpec(Settings):
    """The inputs of a network, in order, and their common number format."""

    name: str
    description: str
    type: str = DEFAULT_TYPE
    """Format of every input after offset and shift."""
    source: str
    """Where offsets and shifts come from."""
    sources: tuple[Source, ...] = ()
    """Scales of columns that steps take and that are no inputs themselves."""
    steps: tuple[Step, ...] = ()
    """What is done to whole tables before single features, in order."""
    features: tuple[Feature, ...] = Field(min_length=1, max_length=4096)

    @field_validator("type")
    @classmethod
    def _is_a_format(cls, text: str) -> str:
        return str(parse_fixed(text))

    @model_validator(mode="after")
    def _names_differ(self) -> InputSpec:
        twice = sorted(name for name, n in Counter(self.columns).items() if n > 1)
        if twice:
            raise ValueError(f"features named twice: {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _loses_no_bit(self) -> InputSpec:
        if lost := lost_bits(self):
            name, why = next(iter(lost.items()))
            more = f" (and {len(lost) - 1} others)" if len(lost) > 1 else ""
            raise ValueError(
                f"feature '{name}'{more}: {why}; widen `type`, raise or lower `shift`, or state "
                "`exact: false`"
            )
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The inputs' names, after all steps."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def source_columns(self) -> tuple[str, ...]:
        """The columns that are read from events; the inputs themselves where there is no step."""
        return columns_before(self.columns, self.steps)

    @cached_property
    def scales(self) -> dict[str, Scale]:
        """The scales of the source columns that are hardware integers."""
        own = {f.name: f.scale for f in self.features}
        found = {c: own.get(c) or self._declared(c) for c in self.source_columns}
        return {column: scale for column, scale in found.items() if scale is not None}

    @property
    def units(self) -> dict[str, str]:
        """Physical units of the source columns, where they are stated."""
        own = {f.name: f.unit for f in self.features}
        scales = {name: scale.unit for name, scale in self.scales.items()}
        return {c: (own | scales)[c] for c in self.source_columns if c in own or c in scales}

    @property
    def fixed(self) -> Fixed:
        return parse_fixed(self.type)

    def scaled(self, values: npt.ArrayLike | Events) -> Floats:
        """(f(x) - offset) * 2**-shift before quantization, shape (N, F) float64.

        values : (N, source columns) as the data stage writes them, or events that hold these
        columns; columns with a scale are hardware integers.
        """
        parts = [part for _, part in self._chunks(values)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.features)))

    def mantissas(self, values: npt.ArrayLike | Events) -> Integers:
        """Source columns (N, S) as the integers that the network receives, (N, F)."""
        parts = [self.fixed.mantissas(part) for _, part in self._chunks(values)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.features)), np.int64)

    def inputs(self, values: npt.ArrayLike | Events) -> Floats:
        """Source columns (N, S) as the real numbers those integers stand for, (N, F)."""
        return self.fixed.real(self.mantissas(values))

    def saturated(self, values: npt.ArrayLike | Events) -> dict[str, float]:
        """Fraction of values of each feature beyond the range of the format."""
        fixed, beyond, n = self.fixed, np.zeros(len(self.features)), 0
        for rows, part in self._chunks(values):
            beyond += ((part > fixed.max) | (part < fixed.min)).sum(axis=0)
            n += rows
        return dict(zip(self.columns, (beyond / max(n, 1)).tolist(), strict=True))

    def after_steps(self, values: npt.ArrayLike) -> Floats:
        """The inputs' columns after all steps, before f, offset and shift; (N, S) -> (N, F)."""
        table = np.asarray(values, dtype=np.float64)
        if not self.steps:
            return table
        columns = dict(zip(self.source_columns, np.ascontiguousarray(table.T), strict=True))
        for step in self.steps:
            columns = step.apply(columns, self.scales)
        return np.stack([columns[name] for name in self.columns], axis=1)

    def model_copy(self, **options: Any) -> InputSpec:
        """As pydantic's; what follows from the fields is worked out anew."""
        copy = super().model_copy(**options)
        for name in ("source_columns", "scales"):
            copy.__dict__.pop(name, None)
        return copy

    def to_yaml(self) -> str:
        """The text that load_input_spec reads back, a feature a line."""
        document = self.model_dump(mode="json", exclude={"features", "sources", "steps"})
        text = yaml.safe_dump(document, sort_keys=False, width=100)
        for key in ("sources", "steps", "features"):
            if items := getattr(self, key):
                text += f"{key}:\n" + _a_line_each(items)
        return text

    def _declared(self, column: str) -> Scale | None:
        for source in self.sources:
            if fnmatchcase(column, source.columns):
                return Scale(**source.model_dump(exclude={"columns"}))
        return None

    def _chunks(self, values: npt.ArrayLike | Events) -> Iterator[tuple[int, Floats]]:
        table = self._table(values)
        for start in range(0, len(table), CHUNK):
            part = self._features(self.after_steps(table[start : start + CHUNK]), start)
            yield len(part), part

    def _table(self, values: npt.ArrayLike | Events) -> npt.NDArray[np.floating]:
        if isinstance(values, Events):
            self._require_digitised(values)
            return columns_of(values, self.source_columns)
        table = np.asarray(values)
        if table.ndim != 2 or table.shape[1] != len(self.source_columns):
            names = self.source_columns
            shown = ", ".join(names if len(names) < 80 else (*names[:10], "...", names[-1]))
            raise InputError(
                f"input spec {self.name}: expected {len(names)} columns ({shown}), got an array "
                f"of shape {table.shape}"
            )
        return table

    def _require_digitised(self, events: Events) -> None:
        stated = dict(zip(events.columns, events.units, strict=False))
        for column in self.scales:
            if stated.get(column, HARDWARE_UNIT) not in (HARDWARE_UNIT, ""):
                raise InputError(
                    f"input spec {self.name}: {events.process}: column '{column}' is in "
                    f"{stated[column]}, not in hardware integers; digitise the events first"
                )

    def _features(self, x: Floats, first_row: int) -> Floats:
        x = np.array(x)
        for i, feature in enumerate(self.features):
            if feature.table_type is not None:
                x[:, i] = looked_up(feature, x[:, i], first_row)
            elif feature.offline != "none":
                x[:, i] = offline_step(x[:, i], feature.offline, feature.name, first_row)
        x -= [feature.offset for feature in self.features]
        for i, feature in enumerate(self.features):
            if feature.period is not None:
                x[:, i] = centred(x[:, i], feature.period)
        scaled: Floats = np.ldexp(x, [-feature.shift for feature in self.features])
        return scaled


def centred(x: Floats, period: int) -> Floats:
    """((x + P/2) mod P) - P/2: the same angle between minus and plus half a turn."""
    return (x + period / 2) % period - period / 2


def columns_of(events: Events, columns: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """The named columns of events, values or context, shape (N, len(columns))."""
    if events.columns == columns:
        return events.values
    place = {name: i for i, name in enumerate(events.columns)}
    if all(name in place for name in columns):
        return events.values[:, [place[name] for name in columns]]
    return np.stack([events.column(name) for name in columns], axis=1)


def lost_bits(spec: InputSpec) -> dict[str, str]:
    """Features that promise to keep every bit of their hardware integer and do not, with why.

    Proven by the ends of the range: (x - offset) * 2**-shift has a whole mantissa of the format
    for every integer x between them if it fits at both.
    """
    inexact = inexact_columns(spec.columns, spec.steps)
    after = scales_after(spec.scales, spec.steps)
    fixed, lost = spec.fixed, {}
    for feature in spec.features:
        if feature.scale is None or not feature.exact or feature.name in inexact:
            continue
        made = after.get(feature.name)
        if made is not None and made.bits > (feature.bits or 0):
            lost[feature.name] = f"its step makes {made.bits} bits, it has {feature.bits}"
        elif why := _loss(feature, fixed):
            lost[feature.name] = why
    return lost


def mantissa_range(feature: Feature) -> tuple[int, int, int]:
    """(low, high, fraction): every x of a digitised feature is a mantissa between the two."""
    scale, fixed = feature.scale, feature.table_fixed
    assert scale is not None
    fraction = 0
    low, high = scale.low, scale.high
    if fixed is not None:
        words = table_words(feature)
        low, high, fraction = int(words.min()), int(words.max()), fixed.fraction
    offset, offset_fraction = _dyadic(feature.offset)
    common = max(fraction, offset_fraction)
    ends = [
        (end << common - fraction) - (offset << common - offset_fraction) for end in (low, high)
    ]
    if scale.period is not None:
        half = scale.period // 2 << common
        ends = [-half, half - 1]
    return ends[0], ends[1], common + feature.shift


def _loss(feature: Feature, fixed: Fixed) -> str:
    if feature.offline != "none" and feature.table_type is None:
        return ""  # the host computes it, with as many bits as it likes
    if feature.table_bits not in (None, feature.bits):
        return f"its table reads {feature.table_bits} of {feature.bits} bits"
    low, high, fraction = mantissa_range(feature)
    if fraction > fixed.fraction:
        return f"needs {fraction} fraction bits, {fixed} has {fixed.fraction}"
    if not fixed.holds(low, high, fraction):
        ends = " to ".join(f"{np.ldexp(end, -fraction):g}" for end in (low, high))
        return f"ranges from {ends}, beyond {fixed}"
    return ""


def _dyadic(x: float) -> tuple[int, int]:
    """(m, k) with x = m * 2**-k and the least k >= 0."""
    numerator, denominator = x.as_integer_ratio()
    return numerator, denominator.bit_length() - 1


def _a_line_each(items: Sequence[Settings]) -> str:
    lines = []
    for item in items:
        document = item.model_dump(mode="json", exclude_defaults=True)
        tag = getattr(item, "step", None)
        lines.append({"step": tag, **document} if tag else document)
    if all(isinstance(value, str | int | float) for line in lines for value in line.values()):
        return _flow(lines, None)
    return "".join(f"- {_flow(line, True)}" for line in lines)


def _flow(document: Any, style: bool | None) -> str:
    """YAML with mappings in one line each: all of them, or (None) those that hold no others."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(
        yaml.dump(document, Dumper=dumper, default_flow_style=style, sort_keys=False, width=10_000)
    )


def input_spec_names() -> list[str]:
    """Names of the shipped input specs."""
    return shipped_names("inputs")


def load_input_spec(name_or_path: str) -> InputSpec:
    """A shipped input spec by name, or one from a YAML file."""
    text, source = find("inputs", name_or_path)
    return validate(InputSpec, parse_yaml(text, source), source)
