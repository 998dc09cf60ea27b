"""A recipe checked without running it: files, columns, numbers, board, tools; nothing is written.

What is looked for is what a run would stumble over, by the same code: the preflight of the stages
that would be made, and the data stage as far as the first rows of large files tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.pipeline.preflight import preflight
from naetrigger.pipeline.recipe import Recipe
from naetrigger.pipeline.run import stages_until, to_be_made
from naetrigger.pipeline.run_folder import check_folder, open_run
from naetrigger.training.data.prepare import Look, look


@dataclass(frozen=True)
class Checked:
    """What a check saw, and the stages that a run would make and keep."""

    data: Look
    to_make: list[str]
    up_to_date: list[str]


def check(recipe: Recipe, root: Path, until: str) -> Checked:
    """Raise what running the recipe in `root` to the stage `until` would raise at its start."""
    stages = stages_until(until)
    check_folder(root)
    made = to_be_made(stages, recipe, root, open_run(root))
    preflight(recipe, made)
    if "training" in made:
        _require_device(recipe)
    data = look(recipe.data)
    _require_columns(recipe, data)
    return Checked(data, made, [stage.name for stage in stages if stage.name not in made])


def in_words(name: str, checked: Checked) -> list[str]:
    """What a check found, for people."""
    data = checked.data
    most = "" if data.whole else "the first "
    events = ", ".join(f"{process} {n}" for process, n in data.events.items())
    inputs = f"{len(data.inputs)} inputs ({_shown(data.inputs)})"
    lines = [f"ok: {name}: {most}events of {events}; {inputs}"]
    if checked.to_make:
        lines.append(f"would be made: {', '.join(checked.to_make)}")
    if checked.up_to_date:
        lines.append(f"up to date: {', '.join(checked.up_to_date)}")
    return lines


def _require_device(recipe: Recipe) -> None:
    from naetrigger.training.device import device_named

    device_named(recipe.training.device)


def _require_columns(recipe: Recipe, data: Look) -> None:
    """Columns that stages after the first read from the events."""
    labels = getattr(recipe.objective, "labels", None)
    _require("objective.labels", [] if labels is None else [labels], data.columns)
    _require("validation.turn_on", recipe.validation.turn_on, data.columns)


def _require(key: str, names: Iterable[str], columns: tuple[str, ...]) -> None:
    for name in names:
        if name not in columns:
            raise InputError(
                f"{key}: no column '{name}'{suggestion(name, columns)} (has {_shown(columns)})"
            )


def _shown(names: tuple[str, ...]) -> str:
    return ", ".join(names if len(names) <= 12 else (*names[:10], "...", names[-1]))
