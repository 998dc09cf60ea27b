"""Machines: how often bunches cross, and the simple triggers that a new one stands beside.

crossing rate = revolution frequency x colliding bunches
"""

from __future__ import annotations

from pydantic import Field

from naetrigger.contracts.settings import Settings
from naetrigger.firmware_configs.shipped import find, parse_yaml, shipped_names, validate


class Figure(Settings):
    """A number and where it comes from."""

    value: float = Field(gt=0, allow_inf_nan=False)
    source: str


class Seed(Settings):
    """A simple trigger: one column at or above a threshold."""

    name: str
    column: str
    """Of the events, input or context."""
    above: float = Field(allow_inf_nan=False)
    """Threshold, in the column's physical unit."""


class Machine(Settings):
    """A collider as a trigger sees it."""

    name: str
    description: str
    revolution_hz: Figure
    """Turns of a bunch in a second."""
    colliding_bunches: Figure
    """Crossings in a turn in which two filled bunches meet at the experiment."""
    seeds: tuple[Seed, ...] = ()
    """Simple triggers to measure pure rates and overlaps with."""
    seeds_source: str = ""

    @property
    def crossing_rate_khz(self) -> float:
        """Crossings with collisions in a millisecond."""
        return self.revolution_hz.value * self.colliding_bunches.value / 1000


def machine_names() -> list[str]:
    """Names of the shipped machines."""
    return shipped_names("machines")


def load_machine(name_or_path: str) -> Machine:
    """A shipped machine by name, or one from a YAML file."""
    text, source = find("machines", name_or_path)
    return validate(Machine, parse_yaml(text, source), source)
