"""The recipe: one YAML file that describes a whole run, section by section.

    naetrigger run my_recipe.yaml --set objective.steps=500

Each section is the settings of one stage and documented there. A recipe states only what differs
from the defaults; the run folder keeps the recipe with every value written out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError, model_validator

from naetrigger.contracts.errors import InputError, RecipeError, suggestion
from naetrigger.contracts.settings import Matching, Settings
from naetrigger.export.settings import FirmwareSettings
from naetrigger.export.student_settings import StudentSettings
from naetrigger.firmware_configs.problems import problem_lines
from naetrigger.firmware_configs.shipped import find, parse_yaml
from naetrigger.pipeline.other_objective import carried_over, model_carried_over
from naetrigger.pipeline.paths import located, relative_to
from naetrigger.pipeline.search_settings import SearchSettings
from naetrigger.training.data.settings import DataSettings
from naetrigger.training.settings import (
    EnsembleSettings,
    ModelSettings,
    ObjectiveSettings,
    TrainingOptions,
    WnaeObjective,
)
from naetrigger.validation.settings import OF_SIGNALS, ValidationSettings

log = logging.getLogger(__name__)

RunName = Annotated[
    str,
    Matching(
        r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}",
        "1 to 100 letters, digits and _ . + -, the first a letter or digit",
    ),
]


class Recipe(Settings):
    """Everything that one run depends on, the input files aside."""

    name: RunName = "unnamed"
    """Names the run folder runs/NAME when no other is given."""

    description: str = ""
    """What the run is for; shown by `naetrigger list recipes` where the recipe is shipped."""

    data: DataSettings = DataSettings()
    """Events, their split and the number format of the inputs."""

    model: ModelSettings = ModelSettings()
    """The teacher: the float autoencoder."""

    objective: ObjectiveSettings = WnaeObjective()
    """What the teacher is trained for."""

    training: TrainingOptions = TrainingOptions()
    """How the teacher is trained: device, precision, threads, what is kept."""

    ensemble: EnsembleSettings = EnsembleSettings()
    """The same training with further seeds, for the spread of the results."""

    student: StudentSettings = StudentSettings()
    """The compact fixed-point network for the hardware."""

    firmware: FirmwareSettings = FirmwareSettings()
    """The board and the targets."""

    validation: ValidationSettings = ValidationSettings()
    """How the result is judged."""

    search: SearchSettings = SearchSettings()
    """What `naetrigger search` may change; no stage of a run reads it."""

    seed: int = Field(0, ge=0, lt=2**31)
    """Seed of everything random: the same recipe and seed give the same files."""

    @model_validator(mode="before")
    @classmethod
    def _default_objective(cls, document: Any) -> Any:
        """An objective section without a name is about the default objective."""
        match document:
            case {"objective": dict(objective)} if "name" not in objective:
                default = cls.model_fields["objective"].default.name
                return {**document, "objective": {"name": default, **objective}}
        return document

    @model_validator(mode="after")
    def _model_is_used(self) -> Recipe:
        """A network without what `model` asks for would be trained, unsaid."""
        unused = self.objective.unused(self.model)
        if unused:
            raise ValueError(unused)
        return self

    @model_validator(mode="after")
    def _score_reaches_the_student(self) -> Recipe:
        """Said before anything is trained: a score without a network of its own is regressed."""
        obstacle = self.objective.obstacle
        if not obstacle and self.objective.needs_model:
            obstacle = self.model.obstacle(self.student.mode)
        if obstacle and self.student.mode != "regress":
            raise ValueError(
                f"student.mode: {self.student.mode} cannot follow the teacher, because {obstacle}; "
                "set student.mode to regress, or choose another objective.score or objective.name"
            )
        return self

    @model_validator(mode="after")
    def _own_inputs_need_regression(self) -> Recipe:
        """Only a score can be learned from other inputs: shape, weights and vector are theirs."""
        if self.data.has_two_specs and self.student.mode != "regress":
            raise ValueError(
                f"student.mode: must be regress, as data.student_input_spec gives the student "
                f"inputs of its own ({self.data.student_input_spec}), got {self.student.mode}"
            )
        return self

    @model_validator(mode="after")
    def _flat_weights_are_used(self) -> Recipe:
        """Weights that nothing draws by would leave the spectrum as it is, unsaid."""
        if self.data.flatten is not None and not self.objective.use_weights:
            raise ValueError(
                "objective.use_weights: must be true, as data.flatten gives training events the "
                "weights they are to be drawn by"
            )
        return self

    @model_validator(mode="after")
    def _required_signals_are_there(self) -> Recipe:
        """A name that no signal has would only fail at the very end."""
        named = self.data.signals
        for number, wanted in enumerate(self.validation.require if named is not None else ()):
            if wanted.figure in OF_SIGNALS and wanted.of not in (named or ()):
                raise ValueError(
                    f"validation.require.{number}.of: '{wanted.of}' is none of data.signals"
                    f"{suggestion(wanted.of, list(named or ()))}"
                )
        return self

    @property
    def score_name(self) -> str:
        """What is scored, for the reader of the report."""
        offered = self.objective.offered
        name: str = self.model.score
        if offered != "reconstruction":
            name = f"{offered} of objective {self.objective.name}"
        if self.student.mode == "regress":
            name += ", which the student learned on a scale of its own"
        return name

    def to_yaml(self, folder: Path) -> str:
        """The recipe with every value written out, to be kept in `folder`.

        Reading it back from there gives the same recipe.
        """
        document = relative_to(self.model_dump(mode="json"), folder)
        return yaml.safe_dump(document, sort_keys=False, width=100)


def load_recipe(
    name_or_path: str, overrides: Sequence[str] = (), notify: Callable[[str], None] = log.warning
) -> Recipe:
    """Read a shipped recipe by name, or a file, with ``section.key=value`` overrides.

    notify : told of each of the recipe's settings that an override of objective.name leaves out,
        and of those of `model` that the objective does without
    Raises RecipeError with a line for every problem.
    """
    text, source = find("recipes", name_or_path)
    is_file = source == name_or_path
    folder = Path(name_or_path).parent if is_file else Path()
    document = located(parse_yaml(text, source), folder)
    _make_room(document, overrides, notify)
    for override in overrides:
        _apply(document, override)
    recipe = parse_recipe(located(document, Path()), source, _paths(overrides))
    passed_over = recipe.objective.passed_over(recipe.model)
    if passed_over:
        notify(f"{source}: {passed_over}")
    return recipe


def parse_recipe(
    document: dict[str, Any], source: str, overridden: frozenset[str] = frozenset()
) -> Recipe:
    """A recipe from a mapping; problems under an overridden key are said to come from --set."""
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        lines = problem_lines(Recipe, error, source)
        raise RecipeError(
            "\n".join(_from_set(line, source, overridden) for line in lines)
        ) from error


def _make_room(
    document: dict[str, Any], overrides: Sequence[str], notify: Callable[[str], None]
) -> None:
    """Before another objective is named, drop in place what it cannot take over."""
    section, model = document.get("objective"), document.get("model")
    after = _last("objective.name", overrides)
    if after is None or not isinstance(section, dict):
        return
    before = str(section.get("name", Recipe.model_fields["objective"].default.name))
    document["objective"], lines = carried_over(section, before, after)
    if before != after and isinstance(model, dict):
        score = _last("objective.score", overrides) or document["objective"].get("score")
        document["model"], further = model_carried_over(model, after, score and str(score))
        lines += further
    for line in lines:
        notify(line)


def _last(path: str, overrides: Sequence[str]) -> str | None:
    """What the last override of a setting says; none: nothing overrides it."""
    values = [o for o in overrides if o.partition("=")[0].strip() == path]
    return str(_value(values[-1].partition("=")[2], values[-1])) if values else None


def _apply(document: dict[str, Any], override: str) -> None:
    """Set a.b=c in place; sections that are not there are made."""
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise RecipeError(f"--set {override}: expected section.key=value")
    value = _value(text, override)
    place = document
    for key in keys[:-1]:
        below = place.setdefault(key, {})
        if below is None:
            below = place[key] = {}
        if not isinstance(below, dict):
            raise RecipeError(f"--set {override}: '{key}' holds a value, not a section")
        place = below
    place[keys[-1]] = value


def _value(text: str, override: str) -> Any:
    """The value of an override, read as YAML: 3, 1e-3, true, [8, 16], {a: b.csv}, words."""
    try:
        return parse_yaml(f"value: {text}", f"--set {override}")["value"]
    except InputError as error:
        raise RecipeError(str(error)) from error


def _paths(overrides: Sequence[str]) -> frozenset[str]:
    return frozenset(override.partition("=")[0].strip() for override in overrides)


def _from_set(line: str, source: str, overridden: frozenset[str]) -> str:
    place = line.removeprefix(f"{source}: ").partition(":")[0]
    if any(place == path or place.startswith(f"{path}.") for path in overridden):
        return line.replace(f"{source}: ", "--set ", 1)
    return line
