"""What `naetrigger data` does with event files: describe them, convert them, derive input specs."""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping
from typing import Any

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.progress import Progress
from naetrigger.firmware_configs.derive_spec import derive_input_spec
from naetrigger.firmware_configs.digitise import digitise
from naetrigger.firmware_configs.feature import Offline
from naetrigger.firmware_configs.input_spec import load_input_spec
from naetrigger.firmware_configs.trigger_scales import scales_to_derive
from naetrigger.training.data.readers import EventSource, require_options
from naetrigger.training.data.survey import survey

SPEC_ROWS = 1_000_000
GENERATOR_ENERGY = re.compile(r"Beams:eCM *= *([0-9.]+)")


def describe_events(
    source: EventSource, spec_name: str | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Format, processes, columns, ranges and problems of an event file, read once through."""
    require_options([source])
    spec = None if spec_name is None else load_input_spec(spec_name)
    found = [process.document() for process in survey(source, spec, progress)]
    if not found:
        raise InputError(f"{source.path}: holds no events")
    return {
        "file": str(source.path),
        "format": source.format_name,
        "format_title": source.format.title,
        "notes": list(source.description.notes),
        "attributes": dict(source.description.attributes),
        "processes": found,
        "problems": [f"{p['process']}: {said}" for p in found for said in p["problems"]],
    }


def readable(attribute: str) -> str:
    """An attribute for people: Pythia's setting of the beams in words."""
    return GENERATOR_ENERGY.sub(
        lambda match: f"proton-proton at {float(match[1]) / 1000:g} TeV", attribute
    )


def derived_spec(
    source: EventSource, name: str, offline: Mapping[str, Offline], keep_constant: bool = False
) -> str:
    """The YAML of an input spec derived from the background of a file (its first rows).

    Hardware integers, and trigger objects in physical units, get the scales that their names are
    known by, and keep every bit of the integers.
    keep_constant : let a constant column be its own offset, instead of refusing it; always so
        where there are hardware integers
    """
    require_options([source])
    backgrounds = [p.name for p in source.processes if p.role == "background"]
    if not backgrounds:
        raise InputError(f"{source.path}: holds no background to derive an input spec from")
    events = source.read(backgrounds[0], SPEC_ROWS)
    unknown = sorted(set(offline) - set(events.columns))
    if unknown:
        raise InputError(f"--offline {unknown[0]}: not a column ({', '.join(events.columns)})")
    scales = scales_to_derive(events.columns, [events.unit_of(name) for name in events.columns])
    spec = derive_input_spec(
        name,
        events.columns,
        digitise(events, scales).events.values,
        weights=events.weights,
        scales=scales,
        constant="keep" if scales or keep_constant else "refuse",
        offline=offline,
        source=f"derived from {len(events)} events of {events.process} in {source.path.name}",
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


def named_branches(options: list[str]) -> dict[str, str]:
    """COLUMN=BRANCH options as a mapping."""
    branches = {}
    for option in options:
        column, equals, branch = option.partition("=")
        if not (column and equals and branch):
            raise InputError(f"--branch {option}: expected COLUMN=BRANCH or COLUMN=BRANCH[INDEX]")
        branches[column] = branch
    return branches
