"""Another objective by --set: what the recipe's own settings become, for every objective."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from naetrigger.contracts.errors import RecipeError
from naetrigger.pipeline.other_objective import OBJECTIVES, carried_over
from naetrigger.pipeline.recipe import load_recipe, parse_recipe

SCORES = [
    (name, score if "score" in kind.model_fields else None)
    for name, kind in OBJECTIVES.items()
    for score in kind.offers
]


def needed(name: str) -> list[str]:
    """Overrides for settings without a default, which no recipe of another objective has."""
    fields = OBJECTIVES[name].model_fields.items()
    return [f"objective.{key}={EXAMPLES[key]}" for key, field in fields if field.is_required()]


EXAMPLES = {"labels": "label", "classes": 3}


@pytest.mark.parametrize("recipe", ["jets-quickstart", "digits"])
@pytest.mark.parametrize(("name", "score"), SCORES)
def test_the_demo_recipes_take_every_objective_and_score(
    recipe: str, name: str, score: str | None
) -> None:
    """Or say before training starts that the student must regress."""
    overrides = [f"objective.name={name}", *needed(name)]
    overrides += [f"objective.score={score}"] if score else []
    regress = load_recipe(recipe, [*overrides, "student.mode=regress"], _nobody)
    assert regress.objective.name == name
    assert regress.objective.offered == (score or next(iter(OBJECTIVES[name].offers)))
    obstacle = regress.objective.obstacle
    if obstacle:
        with pytest.raises(RecipeError, match=f"quantize cannot follow the teacher.*{obstacle}"):
            load_recipe(recipe, [*overrides, "student.mode=quantize"], _nobody)
    else:
        load_recipe(recipe, [*overrides, "student.mode=quantize"], _nobody)


@pytest.mark.parametrize(("before", "after"), [*itertools.product(OBJECTIVES, repeat=2)])
def test_every_setting_is_taken_over_or_named(before: str, after: str) -> None:
    """From any objective with all its defaults written out to any other."""
    document = {"name": before, **{k: EXAMPLES[k] for k in EXAMPLES if k in _required(before)}}
    section = {
        key: field.default
        for key, field in OBJECTIVES[before].model_fields.items()
        if not field.is_required()
    } | document
    kept, lines = carried_over(section, before, after)
    named = [key for key in section if any(f"objective.{key}: " in line for line in lines)]
    assert sorted([*(kept.keys() - {"name"}), *named, "name"]) == sorted(section)
    if not _required(after):
        parse_recipe({"objective": {**kept, "name": after}, "student": REGRESS}, "x.yaml")


REGRESS = {"mode": "regress"}


def _required(name: str) -> list[str]:
    return [key for key, field in OBJECTIVES[name].model_fields.items() if field.is_required()]


def _nobody(line: str) -> None:
    del line


def test_what_the_other_objective_does_not_know_is_left_out_and_said() -> None:
    lines: list[str] = []
    recipe = load_recipe("jets-quickstart", ["objective.name=ae"], lines.append)
    own = load_recipe("jets-quickstart")
    assert (recipe.objective.name, recipe.objective.steps) == ("ae", own.objective.steps)
    assert len(lines) == 1
    assert "objective.chain" in lines[0]
    assert "ae has no such setting" in lines[0]


def test_a_default_of_its_own_stands_before_the_recipe_and_an_override_before_both() -> None:
    lines: list[str] = []
    name = "objective.name=nae"
    recipe = load_recipe("jets-quickstart", [name], lines.append)
    assert (recipe.objective.steps, recipe.objective.learning_rate) == (4000, 1e-4)
    assert recipe.objective.batch_size == 256  # the recipe's
    assert recipe.objective.model_dump()["chain"]["temperature"] == 0.3
    assert sorted(line.split(": ")[1] for line in lines) == [
        "objective.learning_rate",
        "objective.steps",
    ]
    for order in (["objective.steps=3000", name], [name, "objective.steps=3000"]):
        assert load_recipe("jets-quickstart", order, _nobody).objective.steps == 3000


@pytest.mark.parametrize("name", ["flow", "igebm", "mahalanobis", "vae"])
def test_settings_of_the_model_follow_too(name: str) -> None:
    """Those that the recipe states; one that is given by hand is refused."""
    lines: list[str] = []
    options = [f"objective.name={name}", "student.mode=regress"]
    options += ["objective.score=likelihood"] if name == "vae" else []
    recipe = load_recipe("l1-objects", options, lines.append)
    own = load_recipe("l1-objects").model
    assert own.score == "absolute_error"
    assert recipe.model == own.model_copy(update={"score": "squared_error"})
    assert sum("model.score: absolute_error: left out" in line for line in lines) == 1
    with pytest.raises(RecipeError, match=r"model\.score: absolute_error has no effect"):
        load_recipe("l1-objects", [*options, "model.score=absolute_error"], _nobody)


@pytest.mark.parametrize(
    ("recipe", "name", "score", "said"),
    [
        ("digits", "glow", "", "model.hidden, model.latent: not used by objective glow (like"),
        ("digits", "pixelcnn", "", "objective.filters, objective.blocks and objective.halvings"),
        ("digits", "flow", "", "model.latent: not used by objective flow (likelihood): a flow"),
        ("digits", "mahalanobis", "inputs", "model.hidden, model.latent: not used by objective ma"),
        ("jets-quickstart", "igebm", "", "but for its baseline (objective.baseline_steps)"),
        ("digits", "vae", "likelihood", ""),
        ("digits", "mahalanobis", "latent", ""),
    ],
)
def test_widths_that_the_network_does_without_are_named(
    recipe: str, name: str, score: str, said: str
) -> None:
    lines: list[str] = []
    options = [f"objective.name={name}", "student.mode=regress"]
    options += [f"objective.score={score}"] if score else []
    load_recipe(recipe, options, lines.append)
    found = [line for line in lines if "not used by" in line]
    assert len(found) == bool(said)
    assert not said or (said in found[0] and found[0].startswith(f"recipes/{recipe}.yaml: model."))


def test_widths_that_no_recipe_states_are_not_named(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("objective: {name: glow}\nstudent: {mode: regress}\n")
    lines: list[str] = []
    load_recipe(str(path), (), lines.append)
    assert not lines


def test_a_network_of_the_model_keeps_all_of_it() -> None:
    recipe = load_recipe("l1-objects", ["objective.name=vae"], _nobody)
    assert recipe.model == load_recipe("l1-objects").model


def test_the_same_objective_keeps_everything() -> None:
    lines: list[str] = []
    recipe = load_recipe("jets-quickstart", ["objective.name=wnae"], lines.append)
    assert recipe == load_recipe("jets-quickstart")
    assert not lines


def test_an_unknown_objective_and_a_mistake_in_the_recipe_are_still_found() -> None:
    with pytest.raises(RecipeError, match=r"--set objective\.name: unknown 'wnea'.*'wnae'"):
        load_recipe("jets-quickstart", ["objective.name=wnea"])
    kept, lines = carried_over({"name": "wnae", "stepz": 3}, "wnae", "ae")
    assert kept == {"stepz": 3}
    assert not lines


def test_the_recipe_of_digits_has_the_score_of_its_teacher_and_few_weights() -> None:
    """Regressed by 32 units, the score lost its order; 9200 weights take minutes to compile."""
    recipe = load_recipe("digits")
    assert recipe.student.mode == "quantize"
    widths = [64, *recipe.model.hidden, recipe.model.latent]
    assert 2 * sum(a * b for a, b in itertools.pairwise(widths)) < 8000
