"""Inputs: how each physical quantity becomes the fixed-point number that hardware sees.

For every feature ``x_hw = Fixed((f(x) - offset) * 2**-shift)``, with f an offline step (none or a
logarithm; it is not part of the firmware). Float training sees exactly these numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import Field, field_validator, model_validator

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Floats, Integers, parse_fixed
from naetrigger.contracts.settings import Settings
from naetrigger.firmware_configs.shipped import find, parse_yaml, shipped_names, validate

DEFAULT_TYPE = "fixed<10,3,RND_CONV,SAT>"


Offline = Literal["none", "log", "log1p"]


class Feature(Settings):
    """One input."""

    name: str
    unit: str = "1"
    offline: Offline = "none"
    """What the host does before the firmware sees the value; stated in every export. log1p is
    log(1 + x), for quantities that can be zero."""
    offset: float = Field(allow_inf_nan=False)
    """Subtracted after the offline step."""
    shift: int = Field(ge=-60, le=60)
    """Then divided by 2**shift."""


class InputSpec(Settings):
    """The inputs of a network, in order, and their common number format."""

    name: str
    description: str
    type: str = DEFAULT_TYPE
    """Format of every input after offset and shift."""
    source: str
    """Where offsets and shifts come from."""
    features: tuple[Feature, ...] = Field(min_length=1, max_length=4096)

    @field_validator("type")
    @classmethod
    def _is_a_format(cls, text: str) -> str:
        return str(parse_fixed(text))

    @model_validator(mode="after")
    def _names_differ(self) -> InputSpec:
        twice = {name for name in self.columns if self.columns.count(name) > 1}
        if twice:
            raise ValueError(f"features named twice: {', '.join(sorted(twice))}")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @property
    def fixed(self) -> Fixed:
        return parse_fixed(self.type)

    def scaled(self, values: npt.ArrayLike) -> Floats:
        """(f(x) - offset) * 2**-shift before quantization; values (N, F) -> (N, F) float64."""
        columns = np.asarray(values, dtype=np.float64)
        if columns.ndim != 2 or columns.shape[1] != len(self.features):
            raise InputError(
                f"input spec {self.name}: expected {len(self.features)} columns "
                f"({', '.join(self.columns)}), got an array of shape {columns.shape}"
            )
        scaled = np.empty_like(columns)
        for i, feature in enumerate(self.features):
            x = offline_step(columns[:, i], feature.offline, feature.name)
            scaled[:, i] = np.ldexp(x - feature.offset, -feature.shift)
        return scaled

    def mantissas(self, values: npt.ArrayLike) -> Integers:
        """Physical values (N, F) as the integers that hardware receives."""
        return self.fixed.mantissas(self.scaled(values))

    def inputs(self, values: npt.ArrayLike) -> Floats:
        """Physical values (N, F) as the real numbers those integers stand for."""
        return self.fixed.real(self.mantissas(values))

    def saturated(self, values: npt.ArrayLike) -> dict[str, float]:
        """Fraction of values of each feature beyond the range of the format."""
        scaled = self.scaled(values)
        beyond = (scaled > self.fixed.max) | (scaled < self.fixed.min)
        return dict(zip(self.columns, beyond.mean(axis=0).tolist(), strict=True))

    def to_yaml(self) -> str:
        """The text that load_input_spec reads back."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, width=100)


def offline_step(x: Floats, step: str, name: str) -> Floats:
    """f(x) of one column."""
    if step == "none":
        return x
    limit = 0.0 if step == "log" else -1.0
    if np.any(x <= limit):
        row = int(np.argmax(x <= limit))
        other = "; log1p takes zeros" if step == "log" and x[row] == 0 else ""
        raise InputError(
            f"column '{name}': {step} needs values above {limit:g}, row {row} holds {x[row]}{other}"
        )
    return np.log(x) if step == "log" else np.log1p(x)


def derive_input_spec(
    name: str,
    columns: tuple[str, ...],
    values: npt.ArrayLike,
    *,
    offline: Mapping[str, Offline] | None = None,
    units: dict[str, str] | None = None,
    type: str = DEFAULT_TYPE,
    source: str = "derived from the training background",
) -> InputSpec:
    """Offsets and power-of-two shifts that bring a background sample to zero mean, unit scale.

    values : (N, F) background in physical units. The offset is the mean, rounded to a 1/64 of
    the scale so that it prints shortly; 2**shift is the power of two nearest the standard
    deviation, from above, so that every input spreads between 1/2 and 1.
    Raises InputError for a constant column.
    """
    table = np.asarray(values, dtype=np.float64)
    features = []
    for i, column in enumerate(columns):
        step = (offline or {}).get(column, "none")
        x = offline_step(table[:, i], step, column)
        spread = float(x.std())
        if not spread > 0:
            raise InputError(f"column '{column}': is constant ({x[0]}); leave it out of the inputs")
        shift = math.ceil(math.log2(spread))
        grid = math.ldexp(1.0, shift - 6)
        offset = round(float(x.mean()) / grid) * grid
        unit = (units or {}).get(column, "1")
        features.append(Feature(name=column, unit=unit, offline=step, offset=offset, shift=shift))
    return InputSpec(
        name=name,
        description=f"{len(columns)} inputs, centred and scaled by powers of two",
        type=type,
        source=source,
        features=tuple(features),
    )


def input_spec_names() -> list[str]:
    """Names of the shipped input specs."""
    return shipped_names("inputs")


def load_input_spec(name_or_path: str) -> InputSpec:
    """A shipped input spec by name, or one from a YAML file."""
    text, source = find("inputs", name_or_path)
    return validate(InputSpec, parse_yaml(text, source), source)
