"""What the command line lists: everything shipped or registered, each with a description."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events, read_events
from naetrigger.contracts.score import SCORES
from naetrigger.firmware_configs.board import board_names, load_board
from naetrigger.firmware_configs.input_spec import (
    Offline,
    derive_input_spec,
    input_spec_names,
    load_input_spec,
)
from naetrigger.firmware_configs.shipped import shipped_names
from naetrigger.pipeline.engines import ENGINES
from naetrigger.pipeline.recipe import load_recipe
from naetrigger.training.data.readers import read_csv, shipped_samples, source_path
from naetrigger.training.data.settings import DataSettings
from naetrigger.training.settings import ObjectiveSettings

Rows = list[tuple[str, str]]


def _recipes() -> Rows:
    return [(name, load_recipe(name).description) for name in shipped_names("recipes")]


def _boards() -> Rows:
    return [(name, load_board(name).description) for name in board_names()]


def _inputs() -> Rows:
    return [(name, load_input_spec(name).description) for name in input_spec_names()]


def _objectives() -> Rows:
    union = typing.get_args(typing.get_args(ObjectiveSettings)[0])
    return [(kind.model_fields["name"].default, _first_line(kind.__doc__)) for kind in union]


def _engines() -> Rows:
    return [(name, engine.description) for name, engine in ENGINES.items()]


def _scores() -> Rows:
    return [(name, score.description) for name, score in SCORES.items()]


def _samples() -> Rows:
    return [(name, ", ".join(e.process for e in _sample(name))) for name in shipped_samples()]


def _signals() -> Rows:
    return [
        (event.process, str(event.attributes.get("description", "")))
        for name in shipped_samples()
        for event in _sample(name)
        if event.role == "signal"
    ]


LISTINGS: dict[str, Callable[[], Rows]] = {
    "recipes": _recipes,
    "boards": _boards,
    "inputs": _inputs,
    "objectives": _objectives,
    "engines": _engines,
    "scores": _scores,
    "samples": _samples,
    "signals": _signals,
}


def describe_events(path: Path) -> dict[str, Any]:
    """Processes, columns and ranges of an event file, which is checked on the way."""
    return {"file": str(path), "processes": [_describe(events) for events in _read(path)]}


def derived_spec(path: Path, name: str, offline: Mapping[str, Offline]) -> str:
    """The YAML of an input spec derived from the background of a file."""
    backgrounds = [events for events in _read(path) if events.role == "background"]
    if not backgrounds:
        raise InputError(f"{path}: holds no background to derive an input spec from")
    events = backgrounds[0]
    unknown = sorted(set(offline) - set(events.columns))
    if unknown:
        raise InputError(f"--offline {unknown[0]}: not a column ({', '.join(events.columns)})")
    spec = derive_input_spec(
        name,
        events.columns,
        events.values,
        offline=offline,
        source=f"derived from {len(events)} events of {events.process} in {path.name}",
    )
    return spec.to_yaml()


def offline_steps(options: list[str]) -> dict[str, Offline]:
    """COLUMN=STEP options as a mapping."""
    steps: dict[str, Offline] = {}
    for option in options:
        column, _, step = option.rpartition("=")
        if not column or step not in typing.get_args(Offline):
            known = ", ".join(typing.get_args(Offline))
            raise InputError(f"--offline {option}: expected COLUMN=STEP, a step of {known}")
        steps[column] = typing.cast(Offline, step)
    return steps


def _read(path: Path) -> list[Events]:
    if path.suffix == ".csv":
        return [read_csv(path, path.stem, "background")]
    return read_events(path)


def _sample(name: str) -> list[Events]:
    return read_events(source_path(DataSettings(source=name)))


def _describe(events: Events) -> dict[str, Any]:
    tables = ((events.columns, events.values), (events.context_columns, events.context))
    return {
        "process": events.process,
        "role": events.role,
        "events": len(events),
        "sum_of_weights": float(events.weights.sum()),
        "columns": [
            {
                "name": name,
                "context": columns is events.context_columns,
                "min": float(np.min(x)),
                "median": float(np.median(x)),
                "max": float(np.max(x)),
            }
            for columns, table in tables
            for name, x in zip(columns, table.T, strict=True)
        ],
        "attributes": dict(events.attributes),
    }


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
