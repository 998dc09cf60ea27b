"""From events of any file to the integers that a run's model receives, as in the data stage.

Blocks of a few thousand rows, which stay in the cache, and tables where the input spec allows it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import HARDWARE_UNIT, Events, open_events_file, read_group
from naetrigger.contracts.fixed_point import Integers
from naetrigger.firmware_configs.digitise import Units, digitise
from naetrigger.firmware_configs.input_spec import InputSpec, columns_of
from naetrigger.firmware_configs.input_tables import InputTables, input_tables
from naetrigger.firmware_configs.scale import Scale
from naetrigger.pipeline.input_specs import has_two_specs, spec_of

BLOCK = 4096
TRAINED_ON = "data/train.h5"


@dataclass
class ModelInputs:
    """The inputs of one model of a run.

    columns : what is read of events; scales : of those that become hardware integers
    units : of the columns the model was trained on, where they are known
    saturated : column -> values so far that were beyond the hardware's range
    """

    spec: InputSpec
    columns: tuple[str, ...]
    scales: dict[str, Scale]
    units: dict[str, str]
    assumed: Units | None = None
    sort_objects: bool = False
    saturated: dict[str, int] = field(default_factory=dict)
    tables: InputTables | None = None

    def select(self, events: Events) -> Events:
        """The columns that are read, alone.

        Raises InputError for a column that is missing or in another unit than in training.
        """
        columns = (*self.columns, *self._others(events))
        units = tuple(events.unit_of(name) for name in columns)
        for name, unit in zip(columns, units, strict=True):
            known = self.units.get(name, "")
            if name not in self.scales and unit and known and unit != known:
                raise InputError(
                    f"{events.process}: column '{name}' is in {unit}, the run was trained on "
                    f"{known}; convert the file"
                )
        return replace(
            events,
            columns=columns,
            values=columns_of(events, columns),
            units=units if any(units) else (),
            context_columns=(),
            context=np.zeros((0, 0), np.float32),
            context_units=(),
        )

    def mantissas(self, events: Events, first_row: int = 0) -> Integers:
        """Input mantissas (N, F) of selected events, which begin at `first_row` of their process.

        Raises InputError where digitise does: other units, values that no hardware integer can be,
        objects out of order.
        """
        parts = [
            self._block(events.select(slice(start, start + BLOCK)), first_row + start)
            for start in range(0, len(events), BLOCK)
        ]
        return np.concatenate(parts) if parts else np.empty((0, len(self.spec.features)), np.int64)

    def _block(self, events: Events, first_row: int) -> Integers:
        try:
            done = digitise(
                events, self.scales, assumed=self.assumed, sort_objects=self.sort_objects
            )
        except InputError as error:
            where = f" (rows counted from row {first_row})" if first_row else ""
            raise InputError(f"{error}{where}") from error
        for column, n in done.saturated.items():
            self.saturated[column] = self.saturated.get(column, 0) + n
        if self.tables is not None:
            return self.tables.mantissas(columns_of(done.events, self.spec.source_columns))
        return self.spec.mantissas(done.events)

    def _others(self, events: Events) -> list[str]:
        """Columns of the run's other spec, which go through the same digitisation if they exist."""
        known = {*events.columns, *events.context_columns}
        return [name for name in self.scales if name in known and name not in self.columns]


def model_inputs(
    root: Path, model: str, assumed: Units | None = None, sort_objects: bool = False
) -> ModelInputs:
    """The inputs of a run's 'teacher' or 'student'.

    assumed : what columns are that state no unit; sort_objects : sort instead of refusing
    """
    spec = spec_of(root, model)
    scales = dict(spec.scales)
    if has_two_specs(root):
        other = spec_of(root, "teacher" if model == "student" else "student")
        scales = {**other.scales, **scales}
    return ModelInputs(
        spec=spec,
        columns=spec.source_columns,
        scales=scales,
        units=_trained_units(root / TRAINED_ON),
        assumed=assumed,
        sort_objects=sort_objects,
        tables=input_tables(spec),
    )


def _trained_units(path: Path) -> dict[str, str]:
    with open_events_file(path) as file:
        (first,) = [read_group(file[name], slice(0, 0)) for name in list(file)[:1]]
    units = dict(zip(first.columns, first.units, strict=False))
    return {name: unit for name, unit in units.items() if unit != HARDWARE_UNIT}
