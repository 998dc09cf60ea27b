"""Every key of a recipe is listed once in its group, with a default and a sentence."""

from __future__ import annotations

import json

import pytest
import yaml

from naetrigger.contracts.errors import InputError
from naetrigger.firmware_configs.shipped import shipped_names
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.recipe import Recipe, load_recipe
from naetrigger.pipeline.recipe_keys import REQUIRED, Key, recipe_keys
from naetrigger.training.objectives import OBJECTIVES


def keys_of(section: str) -> dict[str, Key]:
    """Those of a section's first group: its own."""
    return {key.name: key for key in recipe_keys(section)[0].keys}


def test_every_key_is_described_once() -> None:
    for group in recipe_keys():
        names = [key.name for key in group.keys]
        assert len(set(names)) == len(names), group.name
        assert group.description, group.name
        for key in group.keys:
            assert key.description, key
            assert key.values, key


@pytest.mark.parametrize("name", shipped_names("recipes"))
def test_every_key_of_a_full_recipe_is_listed_with_its_default(name: str) -> None:
    """Also of those that no recipe states: what is written out has each key."""
    recipe = load_recipe(name).model_dump(mode="json")
    objective = f"objective.name={recipe['objective']['name']}"
    groups = [g for g in recipe_keys() if "." not in g.name or g.name == objective]
    listed = {key.name for group in groups for key in group.keys}
    for section, keys in recipe.items():
        assert section in listed
        if isinstance(keys, dict):
            assert {f"{section}.{key}" for key in keys} <= listed


def test_defaults_are_those_of_a_recipe() -> None:
    default = Recipe().model_dump(mode="json")
    for section in ("data", "model", "student", "firmware", "validation", "search", "wnae"):
        for name, key in keys_of(section).items():
            value = default
            for word in name.split("."):
                value = value.get(word, REQUIRED) if isinstance(value, dict) else REQUIRED
            if value != REQUIRED and not isinstance(value, dict) and "[" not in name:
                read = (
                    float if isinstance(value, float) else yaml.safe_load
                )  # 1e-05 is text in YAML
                assert read(key.default) == value, name


def test_what_a_key_takes() -> None:
    data, student = keys_of("data"), keys_of("student")
    assert data["data.split.train"] == Key(
        "data.split.train",
        "number > 0 and < 1",
        "0.6",
        "What the teacher and the student learn from.",
    )
    assert data["data.max_signal"].values == "integer >= 10, null"
    assert data["data.offline"].values == "NAME: none or log or log1p"
    assert data["data.flatten.column"].default == REQUIRED
    assert student["student.rounding"].values == "half_even, half_up"
    assert student["student.layers.NAME.weight"].values == "integer >= 2 and <= 24, null"
    assert keys_of("recipe")["objective"].default == "wnae"


def test_each_objective_has_its_keys() -> None:
    assert {g.name for g in recipe_keys("objective")} == {f"objective.name={n}" for n in OBJECTIVES}
    assert recipe_keys("objective.name=nae") == recipe_keys("nae")
    assert {"data", "data.steps[].step=sum"} <= {g.name for g in recipe_keys("data")}


def test_an_unknown_section_is_named() -> None:
    with pytest.raises(InputError, match="no section 'studnet'; did you mean 'student'"):
        recipe_keys("studnet")


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["list", "keys", "student"]) == 0
    lines = capsys.readouterr().out.splitlines()
    place = lines.index("student.weight_bits = 8  (integer >= 2 and <= 24)")
    assert lines[place + 1].startswith("    Bits of every weight")
    assert run_command_line(["list", "keys", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == sum(len(group.keys) for group in recipe_keys())
    assert set(rows[0]) == {"section", "name", "values", "default", "description"}
