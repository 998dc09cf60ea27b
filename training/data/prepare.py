"""The data stage: read, check, split, and write what the other stages read.

Signals go into ``test.h5`` alone, so nothing that trains can see one. The split is by a hash of
the event id (naetrigger.contracts.events.split_of).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import SPLITS, Events, split_of, write_events
from naetrigger.firmware_configs.input_spec import InputSpec, derive_input_spec, load_input_spec
from naetrigger.training.data.readers import read_source
from naetrigger.training.data.settings import DataSettings

MIN_EVENTS = 20


def prepare(settings: DataSettings, folder: Path) -> None:
    """Write train.h5, validation.h5, test.h5, input_spec.yaml and counts.json into `folder`."""
    background, signals = read_source(settings)
    background = _first(background, settings.max_background)
    signals = [_first(signal, settings.max_signal) for signal in signals]
    if settings.weights == "unit":
        background, *signals = (_unweighted(sample) for sample in (background, *signals))
    split = split_of(background.event_ids, settings.split.fractions)
    parts = {name: background.select(split == i) for i, name in enumerate(SPLITS)}
    for name, part in parts.items():
        if len(part) < MIN_EVENTS:
            raise InputError(
                f"data: only {len(part)} of {len(background)} background events fall into "
                f"'{name}'; at least {MIN_EVENTS} are needed: give more events or change data.split"
            )
    spec = _input_spec(settings, parts["train"])
    if settings.reweight is not None:
        for part in (background, *signals):
            _require_finite(part, settings.reweight)  # now, not after training
    samples = {
        "train": [with_columns(parts["train"], spec.columns)],
        "validation": [with_columns(parts["validation"], spec.columns)],
        "test": [with_columns(part, spec.columns) for part in (parts["test"], *signals)],
    }
    counts = {
        name: {part.process: _counts(part, spec) for part in sample}
        for name, sample in samples.items()
    }
    for name, sample in samples.items():
        write_events(folder / f"{name}.h5", sample)
    (folder / "input_spec.yaml").write_text(spec.to_yaml(), encoding="utf-8")
    (folder / "counts.json").write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")


def with_columns(events: Events, columns: tuple[str, ...]) -> Events:
    """The named columns as values; all other columns become context."""
    others = tuple(c for c in (*events.columns, *events.context_columns) if c not in columns)
    return replace(
        events,
        columns=columns,
        values=_table(events, columns),
        context_columns=others,
        context=_table(events, others),
        units=_units(events, columns),
        context_units=_units(events, others),
    )


def _units(events: Events, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Units of the named columns; none where no column states one."""
    units = tuple(events.unit_of(name) for name in columns)
    return units if any(units) else ()


def _require_finite(sample: Events, column: str) -> None:
    bad = np.flatnonzero(~np.isfinite(sample.column(column)))
    if len(bad):
        raise InputError(
            f"data.reweight: {sample.process}: column '{column}' holds {len(bad)} NaN or infinite "
            f"values, the first in row {bad[0]}; remove these rows or do without reweighting"
        )


def _unweighted(sample: Events) -> Events:
    return replace(sample, weights=np.ones(len(sample)))


def _input_spec(settings: DataSettings, train: Events) -> InputSpec:
    if settings.input_spec == "auto":
        columns = settings.columns or train.columns
        for name in columns:
            train.column(name)  # says that it is missing, and what is near
        unknown = sorted(set(settings.offline) - set(columns))
        if unknown:
            raise InputError(f"data.offline: {', '.join(unknown)}: not among the inputs")
        return derive_input_spec(
            "auto",
            columns,
            _table(train, columns),
            offline=settings.offline,
            type=settings.input_type,
            source=f"derived from {len(train)} training events of {train.process}",
        )
    spec = load_input_spec(settings.input_spec)
    if settings.columns is not None and settings.columns != spec.columns:
        raise InputError(
            f"data.columns: ({', '.join(settings.columns)}) are not the inputs of "
            f"{settings.input_spec} ({', '.join(spec.columns)}); leave one of the two out"
        )
    return spec


def _table(events: Events, columns: tuple[str, ...]) -> npt.NDArray[np.float32]:
    if not columns:
        return np.zeros((len(events), 0), np.float32)
    return np.stack([events.column(name) for name in columns], axis=1)


def _first(events: Events, limit: int | None) -> Events:
    return events if limit is None else events.select(np.arange(min(limit, len(events))))


def _counts(events: Events, spec: InputSpec) -> dict[str, Any]:
    """Events, effective events, and how many values the input format cannot hold."""
    weights = events.weights
    try:
        saturated = spec.saturated(events.values)
    except InputError as error:
        raise InputError(f"data: {events.process}: {error}") from error
    return {
        "role": events.role,
        "events": len(events),
        "effective_events": round(float(weights.sum() ** 2 / (weights**2).sum()), 1),
        "saturated_fraction": {name: round(value, 6) for name, value in saturated.items()},
    }
