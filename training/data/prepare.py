"""The data stage: read, check, digitise, split, and write what the other stages read.

Signals go into ``test.h5`` alone, so nothing that trains can see one. The split is by a hash of
the event id (naetrigger.contracts.events.split_of). Columns that an input spec counts in hardware
steps are hardware integers in all that is written.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import HARDWARE_UNIT, SPLITS, Events, split_of, write_events
from naetrigger.contracts.manifest import sha256_of
from naetrigger.firmware_configs.derive_spec import derive_input_spec
from naetrigger.firmware_configs.digitise import Digitised, digitise
from naetrigger.firmware_configs.input_spec import InputSpec, columns_of, load_input_spec
from naetrigger.firmware_configs.scale import Scale
from naetrigger.firmware_configs.trigger_scales import scales_to_derive, trigger_scale
from naetrigger.training.data.event_numbers import advice, event_numbers
from naetrigger.training.data.flattening import flattened
from naetrigger.training.data.readers import read_source, source_files
from naetrigger.training.data.settings import DataSettings
from naetrigger.training.data.source_columns import named_columns
from naetrigger.training.data.training_weights import write_training_weights

log = logging.getLogger(__name__)

MIN_EVENTS = 20
LOOK_ROWS = 20_000  # of each process; seconds in the slowest format
INPUT_SPEC = "input_spec.yaml"
STUDENT_INPUT_SPEC = "student_input_spec.yaml"
COUNTS = "counts.json"
SOURCES = "sources_sha256"  # in counts.json: of each file that was read, wherever it lay


@dataclass(frozen=True)
class _Specs:
    """The teacher's inputs (None: still to be derived) and the student's own, if it has some."""

    teacher: InputSpec | None
    student: InputSpec | None

    @property
    def given(self) -> list[InputSpec]:
        return [spec for spec in (self.teacher, self.student) if spec is not None]


@dataclass(frozen=True)
class _Prepared:
    """What goes into the folder.

    samples : the events of each file; specs : the teacher's inputs and the student's own
    drawn : weights that training draws by, where they are not the events'
    counts : for counts.json
    """

    samples: dict[str, list[Events]]
    specs: list[InputSpec]
    drawn: dict[str, npt.NDArray[np.float64]]
    counts: dict[str, Any]


@dataclass(frozen=True)
class Look:
    """What a look at the sources finds.

    events : rows read of each process, the background first; whole : whether that is all of them
    inputs : of the model; columns : of the background, inputs or not
    """

    events: dict[str, int]
    whole: bool
    inputs: tuple[str, ...]
    columns: tuple[str, ...]


def prepare(settings: DataSettings, folder: Path) -> None:
    """Write train.h5, validation.h5, test.h5, input_spec.yaml and counts.json into `folder`.

    With `data.student_input_spec`, student_input_spec.yaml as well; the events hold the columns
    that either spec reads. With `data.flatten`, training_weights.npz as well; the events keep
    their own weights.
    """
    made = _prepared(settings)
    for name, sample in made.samples.items():
        write_events(folder / f"{name}.h5", sample)
    if made.drawn:
        write_training_weights(folder, made.drawn)
    for name, one in zip((INPUT_SPEC, STUDENT_INPUT_SPEC), made.specs, strict=False):
        (folder / name).write_text(one.to_yaml(), encoding="utf-8")
    (folder / COUNTS).write_text(json.dumps(made.counts, indent=1) + "\n", encoding="utf-8")


def look(settings: DataSettings, rows: int = LOOK_ROWS) -> Look:
    """Do what `prepare` does without writing, in seconds: of files with more than `rows` events of
    a process with the first of them, as far as these can tell.

    Raises what `prepare` would raise.
    """
    specs = _given_specs(settings)
    background, signals = read_source(settings, _wanted(settings, specs), rows)
    parts = (background, *signals)
    whole = all(len(part) < rows for part in parts)
    spec = _prepared(settings).specs[0] if whole else specs.teacher
    if not whole:
        scales = _scales(settings, specs, background)
        for part in parts:
            _counts(_digitised(part, scales, settings).events, specs.given)
        _warn_of_numbers(settings, background)
    return Look(
        events={part.process: len(part) for part in parts},
        whole=whole,
        inputs=spec.source_columns if spec else settings.columns or background.columns,
        columns=(*background.columns, *background.context_columns),
    )


def _prepared(settings: DataSettings) -> _Prepared:
    specs = _given_specs(settings)
    background, signals = read_source(settings, _wanted(settings, specs))
    background = replace(_first(background, settings.max_background), role="background")
    signals = [replace(_first(s, settings.max_signal), role="signal") for s in signals]
    if settings.weights == "unit":
        background, *signals = (_unweighted(sample) for sample in (background, *signals))
    scales = _scales(settings, specs, background)
    digitised = {
        part.process: _digitised(part, scales, settings) for part in (background, *signals)
    }
    background, *signals = (part.events for part in digitised.values())
    parts = _split(settings, background)
    drawn = _flat(settings, parts, scales)
    seen = replace(parts["train"], weights=drawn.get("train", parts["train"].weights))
    spec = specs.teacher or _derived_spec(settings, seen, scales)
    if settings.reweight is not None:
        for part in (background, *signals):
            _require_finite(part, settings.reweight)  # now, not after training
    both = replace(specs, teacher=spec).given
    columns = tuple(dict.fromkeys(column for one in both for column in one.source_columns))
    samples = {
        "train": [with_columns(parts["train"], columns)],
        "validation": [with_columns(parts["validation"], columns)],
        "test": [with_columns(part, columns) for part in (parts["test"], *signals)],
    }
    counts: dict[str, Any] = {
        name: {part.process: _counts(part, both) for part in sample}
        for name, sample in samples.items()
    }
    for name, weights in drawn.items():
        counts[name][background.process]["effective_events_in_training"] = _effective(weights)
    counts[SOURCES] = {name: sha256_of(path) for name, path in source_files(settings).items()}
    if scales:
        counts["digitised"] = {name: _record(result) for name, result in digitised.items()}
    return _Prepared(samples, both, drawn, counts)


def source_sha256(folder: Path) -> str | None:
    """sha256 of the file that the background of a data folder came from; None: nobody noted it."""
    try:
        counts = json.loads((folder / COUNTS).read_text(encoding="utf-8"))
        return str(counts[SOURCES]["source"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _split(settings: DataSettings, background: Events) -> dict[str, Events]:
    split = split_of(background.event_ids, settings.split.fractions)
    parts = {name: background.select(split == i) for i, name in enumerate(SPLITS)}
    for name, part in parts.items():
        if len(part) < MIN_EVENTS:
            raise InputError(
                f"data: only {len(part)} of {len(background)} background events fall into "
                f"'{name}'; at least {MIN_EVENTS} are needed: {_split_advice(parts)}"
            )
    return parts


def _flat(
    settings: DataSettings, parts: dict[str, Events], scales: dict[str, Scale]
) -> dict[str, npt.NDArray[np.float64]]:
    """The weights of training and validation in training alone; {}: their own."""
    if settings.flatten is None:
        return {}
    scale = _hardware_scale(settings.flatten.column, parts["train"], scales, settings)
    return {
        name: flattened(parts[name], settings.flatten, scale).weights
        for name in ("train", "validation")
    }


def _split_advice(parts: dict[str, Events]) -> str:
    """Event ids decide; those of a file of another run's data all fall into one part."""
    total = sum(len(part) for part in parts.values())
    whole = [name for name, part in parts.items() if len(part) == total]
    if whole and total >= MIN_EVENTS:
        return (
            f"by their event ids all belong to '{whole[0]}', as those of another run's "
            f"data/{whole[0]}.h5 do; give the file that run was made from, or leave out the ids"
        )
    return "give more events or change data.split"


def with_columns(events: Events, columns: tuple[str, ...]) -> Events:
    """The named columns as values; all other columns become context."""
    if columns == events.columns:
        return events
    inputs = set(columns)
    others = tuple(c for c in (*events.columns, *events.context_columns) if c not in inputs)
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
    known = dict(zip(events.context_columns, events.context_units, strict=False))
    known |= dict(zip(events.columns, events.units, strict=False))
    units = tuple(known.get(name, "") for name in columns)
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


def _wanted(settings: DataSettings, specs: _Specs) -> dict[str, tuple[str, ...]]:
    """The columns that the background must have, by the key that asks for them."""
    of_specs = {
        "data.input_spec": specs.teacher.source_columns if specs.teacher else (),
        "data.student_input_spec": specs.student.source_columns if specs.student else (),
    }
    return named_columns(settings) | of_specs


def _given_specs(settings: DataSettings) -> _Specs:
    """The specs that the settings name."""
    teacher = None
    if settings.input_spec != "auto":
        teacher = load_input_spec(settings.input_spec)
        if settings.columns is not None and settings.columns != teacher.source_columns:
            raise InputError(
                f"data.columns: ({_shown(settings.columns)}) are not the inputs of "
                f"{settings.input_spec} ({_shown(teacher.source_columns)}); leave one of the two "
                "out"
            )
    student = None
    if settings.has_two_specs:
        student = load_input_spec(str(settings.student_input_spec))
    return _Specs(teacher, student)


def _scales(settings: DataSettings, specs: _Specs, background: Events) -> dict[str, Scale]:
    """Scales of all columns that are to be hardware integers.

    With `auto`, of those that already are and of trigger objects in physical units, under the
    names that trigger hardware is known by.
    """
    scales: dict[str, Scale] = {}
    if specs.teacher is None:
        units = background.units or ("",) * len(background.columns)
        scales |= scales_to_derive(background.columns, units, settings.units)
    for spec in specs.given:
        for column, scale in spec.scales.items():
            if scales.setdefault(column, scale) != scale:
                raise InputError(
                    f"data.student_input_spec: column '{column}' has another hardware scale than "
                    "among the teacher's inputs; one file of events serves both, so they must agree"
                )
    return scales


def _hardware_scale(
    column: str, events: Events, scales: dict[str, Scale], settings: DataSettings
) -> Scale | None:
    """The scale of a column that holds hardware integers after :func:`_digitised`, else None."""
    if column in scales:
        return scales[column]
    unit = events.unit_of(column) or settings.units
    return trigger_scale(column) if unit == HARDWARE_UNIT else None


def _digitised(events: Events, scales: dict[str, Scale], settings: DataSettings) -> Digitised:
    """The events with hardware integers; says what saturated and what had to be sorted."""
    events = with_columns(events, tuple(dict.fromkeys((*events.columns, *scales))))
    result = digitise(events, scales, assumed=settings.units, sort_objects=settings.sort_objects)
    if result.saturated:
        worst = sorted(result.saturated.items(), key=lambda item: -item[1])
        log.warning(
            "data: %s: %d values are beyond the hardware range and saturate (%s)",
            events.process,
            sum(result.saturated.values()),
            ", ".join(f"{column}: {n}" for column, n in worst[:5])
            + (", ..." if len(worst) > 5 else ""),
        )
    if result.sorted_rows:
        log.info("data: %s: objects of %d events were sorted", events.process, result.sorted_rows)
    return result


def _record(result: Digitised) -> dict[str, Any]:
    """For counts.json: how many values of each column saturated, how many events were sorted."""
    return {"saturated": result.saturated, "sorted_events": result.sorted_rows}


def _derived_spec(settings: DataSettings, train: Events, scales: dict[str, Scale]) -> InputSpec:
    columns = settings.columns or train.columns
    _warn_of_numbers(settings, train)
    unknown = sorted(set(settings.offline) - set(columns))
    if unknown:
        raise InputError(f"data.offline: {', '.join(unknown)}: not among the inputs")
    return derive_input_spec(
        "auto",
        columns,
        _table(train, columns),
        weights=train.weights,
        scales={name: scale for name, scale in scales.items() if name in columns},
        steps=settings.steps,
        offline=settings.offline,
        type=settings.input_type,
        constant=settings.constant,
        source=f"derived from {len(train)} training events of {train.process}",
    )


def _warn_of_numbers(settings: DataSettings, events: Events) -> None:
    """Say which columns number the events and are inputs only because nobody named the inputs."""
    if settings.input_spec != "auto" or settings.columns is not None:
        return
    if numbers := event_numbers(events.columns, events.values):
        log.warning("data: %s: %s", events.process, advice(numbers))


def _shown(names: tuple[str, ...]) -> str:
    return ", ".join(names if len(names) < 80 else (*names[:10], "...", names[-1]))


def _table(events: Events, columns: tuple[str, ...]) -> npt.NDArray[np.float32]:
    return columns_of(events, columns) if columns else np.zeros((len(events), 0), np.float32)


def _first(events: Events, limit: int | None) -> Events:
    return events if limit is None else events.select(np.arange(min(limit, len(events))))


def _counts(events: Events, specs: list[InputSpec]) -> dict[str, Any]:
    """Events, effective events, and how many values the input formats cannot hold."""
    try:
        saturated = [spec.saturated(events) for spec in specs]
    except InputError as error:
        raise InputError(f"data: {events.process}: {error}") from error
    fractions = [{name: round(value, 6) for name, value in one.items()} for one in saturated]
    keys = ("saturated_fraction", "student_saturated_fraction")
    return {
        "role": events.role,
        "events": len(events),
        "effective_events": _effective(events.weights),
        **dict(zip(keys, fractions, strict=False)),
    }


def _effective(weights: npt.NDArray[np.float64]) -> float:
    return round(float(weights.sum() ** 2 / (weights**2).sum()), 1)
