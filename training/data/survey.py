"""A look through a file of any size: counts, ranges, medians and problems, in constant memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts import calo_regions, trigger_objects
from naetrigger.contracts.events import HARDWARE_UNIT, Events
from naetrigger.contracts.progress import Progress, Silent
from naetrigger.firmware_configs.digitise import digitise
from naetrigger.firmware_configs.input_spec import InputSpec
from naetrigger.training.data.event_numbers import advice, event_numbers
from naetrigger.training.data.readers import EventSource

SAMPLE_VALUES = 4_000_000  # of each process, for medians
MIN_SAMPLE_ROWS = 1000


@dataclass
class ProcessSurvey:
    """What one process holds, after all its chunks were added.

    place : where a row of the process stands in the file, in words
    """

    first: Events
    spec: InputSpec | None = None
    place: Callable[[int], str] = "row {}".format
    events: int = 0
    sum_of_weights: float = 0.0
    sum_of_squares: float = 0.0
    bad_rows: int = 0
    bad_weights: int = 0
    first_bad_row: str = ""
    first_bad_weight: str = ""
    beyond: dict[str, int] = field(default_factory=dict)
    saturated: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._inputs = len(self.first.columns)
        width = self._inputs + len(self.first.context_columns)
        self._low = np.full(width, np.inf)
        self._high = np.full(width, -np.inf)
        self._sample = _Sample(max(MIN_SAMPLE_ROWS, SAMPLE_VALUES // width))

    def add(self, events: Events) -> None:
        """Count one chunk."""
        table = np.concatenate([events.values, events.context], axis=1)
        finite = np.asarray(np.isfinite(events.values).all(axis=1))
        weights = events.weights
        good = np.isfinite(weights) & (weights > 0)
        if not (finite.all() or self.bad_rows):
            row, column = np.argwhere(~np.isfinite(events.values))[0]
            self.first_bad_row = (
                f"{self.place(self.events + int(row))}, column '{events.columns[column]}'"
            )
        if not (good.all() or self.bad_weights):
            row = int(np.argmin(good))
            self.first_bad_weight = f"{self.place(self.events + row)} ({weights[row]:g})"
        self.events += len(events)
        self.sum_of_weights += float(weights[good].sum())
        with np.errstate(over="ignore"):
            self.sum_of_squares += float((weights[good] ** 2).sum())
        self.bad_rows += int((~finite).sum())
        self.bad_weights += int((~good).sum())
        known = np.isfinite(table)
        self._low = np.minimum(self._low, np.where(known, table, np.inf).min(axis=0))
        self._high = np.maximum(self._high, np.where(known, table, -np.inf).max(axis=0))
        self._sample.add(table)
        for name, count in beyond_hardware(events).items():
            self.beyond[name] = self.beyond.get(name, 0) + count
        if self.spec is not None and finite.any():
            self._add_saturated(self.spec, events.select(finite))

    def _add_saturated(self, spec: InputSpec, events: Events) -> None:
        digitised = digitise(events, spec.scales, sort_objects=True)
        counts = {name: float(count) for name, count in digitised.saturated.items()}
        for name, part in spec.saturated(digitised.events).items():
            counts[name] = max(counts.get(name, 0.0), part * len(events))
        for name, count in counts.items():
            self.saturated[name] = self.saturated.get(name, 0.0) + count

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        first, median = self.first, self._sample.median()
        names = (*first.columns, *first.context_columns)
        return {
            "process": first.process,
            "role": first.role,
            "events": self.events,
            "sum_of_weights": self.sum_of_weights,
            "effective_events": self.sum_of_weights**2 / self.sum_of_squares
            if self.sum_of_squares
            else 0.0,
            "median_of": self._sample.rows,
            "columns": [
                {
                    "name": name,
                    "context": i >= len(first.columns),
                    "unit": first.unit_of(name),
                    "min": _number(self._low[i]),
                    "median": _number(median[i]),
                    "max": _number(self._high[i]),
                }
                for i, name in enumerate(names)
            ],
            "attributes": dict(first.attributes),
            "problems": self.problems(),
            "notes": self.notes(),
        }

    def problems(self) -> list[str]:
        """What keeps these events from being used."""
        found = []
        if self.bad_rows:
            found.append(
                f"{self.bad_rows} rows hold NaN or infinity, the first in {self.first_bad_row}; "
                "remove or repair them"
            )
        if self.bad_weights:
            found.append(
                f"{self.bad_weights} weights are not positive and finite, the first in "
                f"{self.first_bad_weight}; remove these rows"
            )
        return found

    def notes(self) -> list[str]:
        """What should be known, and is no obstacle."""
        said = [
            f"{name}: {count} values beyond the hardware's range"
            for name, count in self.beyond.items()
        ]
        if numbers := event_numbers(self.first.columns, self._sample.table()[:, : self._inputs]):
            said.append(advice(numbers))
        if self.spec is not None:
            said += [
                f"{name}: {count / self.events:.3g} of the values saturate in {self.spec.name}"
                for name, count in self.saturated.items()
                if count
            ] or [f"no value saturates in {self.spec.name}"]
        return said


def survey(
    source: EventSource, spec: InputSpec | None = None, progress: Progress | None = None
) -> list[ProcessSurvey]:
    """Read a whole source, chunk by chunk; NaN and bad weights are counted, not refused.

    source : opened with keep_bad
    spec : an input spec whose saturation is to be counted
    """
    progress = progress or Silent()
    progress.start(source.path.name, source.n_events or 0)
    found: dict[str, ProcessSurvey] = {}
    done = 0
    for events in source.chunks():
        if events.process not in found:
            found[events.process] = ProcessSurvey(events.select(np.arange(0)), spec, source.place)
        found[events.process].add(events)
        done += len(events)
        progress.update(done)
    return list(found.values())


def beyond_hardware(events: Events) -> dict[str, int]:
    """Values of unit "hw" beyond the bits of the trigger, by column; only columns that have some.

    Known are trigger objects and calorimeter regions.
    """
    limits = _limits(events.columns)
    if not limits or set(events.units) != {HARDWARE_UNIT}:
        return {}
    low, high = (np.array(side) for side in zip(*limits, strict=True))
    with np.errstate(invalid="ignore"):
        counts = ((events.values < low) | (events.values > high)).sum(axis=0)
    return {name: int(n) for name, n in zip(events.columns, counts, strict=True) if n}


def _limits(columns: tuple[str, ...]) -> list[tuple[float, float]]:
    known: dict[str, tuple[float, float]] = {
        name: (float(low), float(high))
        for name, (low, high) in zip(
            trigger_objects.COLUMNS, trigger_objects.LIMITS.reshape(-1, 2), strict=True
        )
    }
    known |= dict.fromkeys(calo_regions.COLUMNS, (0.0, float(calo_regions.MAX_ET)))
    if not set(columns) & set(known):
        return []
    return [known.get(name, (-np.inf, np.inf)) for name in columns]


class _Sample:
    """Every k-th row of a stream of unknown length; k doubles whenever the sample is full."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._stride, self._next = 1, 0
        self._parts: list[npt.NDArray[np.float32]] = []

    def add(self, table: npt.NDArray[np.float32]) -> None:
        taken = table[self._next :: self._stride]
        self._parts.append(taken.copy())
        self._next += len(taken) * self._stride - len(table)
        while self.rows > self._capacity:
            rows = np.concatenate(self._parts)
            last = self._next - self._stride  # where the last row taken stands
            kept = rows[::2]
            self._next = last + self._stride * (2 if len(rows) % 2 else 1)
            self._stride *= 2
            self._parts = [kept.copy()]

    @property
    def rows(self) -> int:
        return sum(len(part) for part in self._parts)

    def table(self) -> npt.NDArray[np.float32]:
        """The rows taken, (rows, columns)."""
        return np.concatenate(list(self._parts))

    def median(self) -> npt.NDArray[np.float64]:
        """Of every column, NaN left out."""
        return np.array([_median(column) for column in self.table().astype(np.float64).T])


def _median(column: npt.NDArray[np.float64]) -> float:
    finite = column[np.isfinite(column)]
    return float(np.median(finite)) if len(finite) else float("nan")


def _number(value: Any) -> float | None:
    """A number for JSON, which has no NaN."""
    return float(value) if np.isfinite(value) else None
