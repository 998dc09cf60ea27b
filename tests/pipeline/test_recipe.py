"""Recipes: defaults, overrides, and every complaint a wrong one gets, all at once."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from naetrigger.contracts.errors import InputError, RecipeError
from naetrigger.firmware_configs.shipped import parse_yaml, shipped_names
from naetrigger.pipeline.recipe import Recipe, load_recipe, parse_recipe
from naetrigger.pipeline.schemas import Document, schema_of


def recipe_file(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", shipped_names("recipes"))
def test_shipped_recipes_are_read(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.description


def test_a_student_may_have_inputs_of_its_own(tmp_path: Path) -> None:
    text = (
        "data: {input_spec: images-1600, student_input_spec: sums.yaml}\nstudent: {mode: regress}"
    )
    recipe = load_recipe(recipe_file(tmp_path, text))
    assert recipe.data.has_two_specs
    assert recipe.data.student_input_spec == str(tmp_path / "sums.yaml")
    same = parse_recipe({"data": {"input_spec": "jets8", "student_input_spec": "jets8"}}, "x.yaml")
    assert not same.data.has_two_specs


def test_written_out_recipe_reads_back_the_same(tmp_path: Path) -> None:
    path = recipe_file(
        tmp_path,
        "data: {source: b.csv, signals: {s: ../s.csv}, input_spec: mine.yaml}\n"
        "objective: {name: nae}\nfirmware: {board: boards/mine.yaml}",
    )
    recipe = load_recipe(path)
    assert recipe.data.source == str(tmp_path / "b.csv")
    assert recipe.data.signals == {"s": str(tmp_path.parent / "s.csv")}
    assert recipe.firmware.board == str(tmp_path / "boards" / "mine.yaml")
    run = tmp_path / "runs" / "mine"
    run.mkdir(parents=True)
    text = recipe.to_yaml(run)
    assert str(tmp_path) not in text
    assert load_recipe(recipe_file(run, text)) == recipe


def test_paths_of_overrides_are_relative_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep").mkdir()
    path = recipe_file(tmp_path / "deep", "data: {source: b.csv}")
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe(path, ["data.signals={s: s.csv}"])
    assert recipe.data.source == str(tmp_path / "deep" / "b.csv")
    assert recipe.data.signals == {"s": str(tmp_path / "s.csv")}


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    path = recipe_file(
        tmp_path,
        """
        trainig: {steps: 3}
        seed: -1
        data: {split: {train: 0.5}, input_type: fixd<3>}
        model: {hidden: [8, many], layers: 3}
        objective:
          name: wnae
          chain: {step_size: -1.0, temperature: .nan}
        validation: {bootstrap_replicas: 2.5}
        """,
    )
    with pytest.raises(RecipeError) as raised:
        load_recipe(path)
    lines = str(raised.value).splitlines()
    for expected in (
        "trainig: unknown key",
        "seed: must be >= 0, got -1",
        "data.split: train + validation + test must be 1, got 0.9",
        "data.input_type: 'fixd<3>' is no fixed-point format",
        "model.hidden.1: must be a valid integer",
        "model.layers: unknown key",
        "objective.chain.step_size: must be > 0, got -1.0",
        "objective.chain.temperature: must be a finite number, got nan",
        "validation.bootstrap_replicas: must be a valid integer",
    ):
        assert any(line.startswith(f"{path}: {expected}") for line in lines), (expected, lines)
    assert len(lines) == 9


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("objective: {name: wnea}", "objective.name: unknown 'wnea'; did you mean 'wnae'?"),
        ("objective: {stepz: 3}", "objective.stepz: unknown key; did you mean 'steps'?"),
        ("objective: {name: ae, gamma: 1}", "objective.gamma: unknown key"),
        ("name: ../../elsewhere", "name: must be 1 to 100 letters, digits and _ . + -, the first"),
        ("epochs: 5", "did you mean 'student.epochs' or 'search.epochs'?"),
        ("steps: 5", "did you mean 'data.steps' or 'objective.steps'?"),
        ("objective: {name: wane}", "did you mean 'wae' or 'wnae'?"),
        ("model: {hidden: 16}", "model.hidden: must be a list, as [16], got 16"),
        (
            "data: {signals: s.csv}",
            "data.signals: write {NAME: signal.csv}, or a list of the source's processes, got ",
        ),
        ("data: {source: a.csv, signals: [s]}", "takes signals as {name: path"),
        ("data: {source: a.h5, format: nanoaot}", "no format 'nanoaot'; did you mean 'nanoaod'?"),
        ("data: {signals: ['../evil']}", "is no process name"),
        ("data: {input_spec: jets8, offline: {a: log}}", "offline goes with"),
        (
            "data: {input_spec: jets8, steps: [{step: remap, power: 0.5}]}",
            "steps goes with input_spec: auto",
        ),
        (
            "data: {flatten: {column: jet_pt, low: 300, high: 1500}}",
            "objective.use_weights: must be true",
        ),
        ("data: {flatten: {column: jet_pt, low: 3, high: 1}}", "low must be below high"),
        ("data: {steps: [{step: rmap}]}", "unknown 'rmap'; did you mean 'remap'?"),
        ("data: {student_input_spec: auto}", "student_input_spec must name a spec"),
        (
            "data: {input_spec: images-1600, student_input_spec: images-100}",
            "student.mode: must be regress",
        ),
        ("seed: 1\nseed: 2", "key 'seed' stands twice"),
        ("- a\n- b", "expected a mapping"),
        ("seed: [1", "not valid YAML"),
        ("name: !!python/object/apply:os.getcwd []", "not valid YAML"),
        ("a: &a [x, x]\nb: *a", "aliases"),
        ("name: " + "[" * 5000, "not valid YAML"),
        ("name: '" + "x" * 2_000_000 + "'", "larger than"),
    ],
)
def test_one_problem(tmp_path: Path, text: str, said: str) -> None:
    path = recipe_file(tmp_path, text)
    with pytest.raises(InputError) as raised:
        load_recipe(path)
    assert said in str(raised.value)
    assert str(raised.value).startswith(path)


def test_overrides(tmp_path: Path) -> None:
    path = recipe_file(tmp_path, "seed: 3\nobjective: {name: ae, steps: 10}\n")
    recipe = load_recipe(
        path,
        [
            "objective.steps=20",
            "objective.learning_rate=1e-4",
            "model.hidden=[4, 5]",
            "data.reweight=jet_pt",
            "objective.use_weights=true",
            "student.latent=null",
            "name=other",
        ],
    )
    assert recipe.objective.steps == 20
    assert recipe.objective.learning_rate == 1e-4
    assert recipe.model.hidden == (4, 5)
    assert recipe.data.reweight == "jet_pt"
    assert recipe.objective.use_weights
    assert (recipe.seed, recipe.name) == (3, "other")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("objective.steps", "expected section.key=value"),
        ("=3", "expected section.key=value"),
        ("objective..steps=3", "expected section.key=value"),
        ("seed.steps=3", "'seed' holds a value, not a section"),
        ("model.hidden=[1", "not valid YAML"),
        ("objective.steps=0", "--set objective.steps: must be >= 1, got 0"),
        ("objective.speed=3", "--set objective.speed: unknown key"),
        ("modle.hidden=[3]", "unknown key; did you mean 'model'?"),
    ],
)
def test_bad_override(tmp_path: Path, override: str, said: str) -> None:
    path = recipe_file(tmp_path, "seed: 3\n")
    with pytest.raises(RecipeError) as raised:
        load_recipe(path, [override])
    assert said in str(raised.value)


def test_unknown_recipe_name() -> None:
    with pytest.raises(InputError, match="no shipped recipe 'jets-quickstar'; did you mean"):
        load_recipe("jets-quickstar")


def test_objective_without_name_is_the_default_one() -> None:
    recipe = parse_recipe({"objective": {"steps": 7}}, "mine.yaml")
    assert (recipe.objective.name, recipe.objective.steps) == ("wnae", 7)


def test_schema_knows_every_section() -> None:
    schema = schema_of(Document.recipe)
    assert set(schema["properties"]) == set(Recipe.model_fields)
    assert all("description" in field for field in schema["properties"].values())
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("document", Document)
def test_every_document_has_a_schema_without_loose_ends(document: Document) -> None:
    schema = schema_of(document)
    assert schema["$schema"].startswith("https://json-schema.org/")
    named = set(re.findall(r'"#/\$defs/([^"]+)"', json.dumps(schema)))
    assert named <= set(schema.get("$defs", {}))
    assert schema["properties"]


def test_recipe_text_is_read_as_data() -> None:
    with pytest.raises(InputError):
        parse_yaml("a: !!python/name:os.system ''", "x.yaml")


@pytest.mark.parametrize(
    ("objective", "model", "mode", "said"),
    [
        ("{name: igebm}", "{}", "quantize", "the energy is a network's only output"),
        ("{name: vae, score: likelihood}", "{}", "distil", "needs exponentials"),
        ("{name: ae}", "{spherical: true}", "quantize", "model.spherical divides"),
        ("{name: ae}", "{activation: tanh}", "quantize", "no model.activation 'tanh'"),
    ],
)
def test_a_score_that_cannot_go_to_hardware_is_refused_before_training(
    objective: str, model: str, mode: str, said: str
) -> None:
    options = [f"objective={objective}", f"model={model}", f"student.mode={mode}"]
    options.append("data.flatten=null")  # which wants objective.use_weights
    with pytest.raises(RecipeError, match=f"student.mode: {mode} cannot follow.*{said}"):
        load_recipe("jets-quickstart", options)
    options[2] = "student.mode=regress"
    assert load_recipe("jets-quickstart", options).student.mode == "regress"


def test_a_model_that_plays_no_role_does_not_hinder_the_student() -> None:
    """Mahalanobis of the inputs is one linear layer, whatever `model` says."""
    model = "model={activation: tanh, hidden: [8]}"
    options = [model, "objective={name: mahalanobis}", "data.flatten=null"]
    with pytest.raises(RecipeError, match=r"quantize.*activation 'tanh'"):
        load_recipe("jets-quickstart", options)
    options[1] = "objective={name: mahalanobis, score: inputs}"
    assert load_recipe("jets-quickstart", options).student.mode == "quantize"


@pytest.mark.parametrize("name", ["flow", "glow", "pixelcnn", "igebm", "mpdr"])
@pytest.mark.parametrize(
    ("model", "said", "scalar_has_it"),
    [
        ("{kind: conv}", "model.kind: conv", False),
        ("{spherical: true}", "model.spherical: true", False),
        ("{spectral_norm: true}", "model.spectral_norm: true", True),
        ("{batch_norm: true}", "model.batch_norm: true", True),
    ],
)
def test_a_setting_that_the_network_does_not_have_is_refused(
    name: str, model: str, said: str, scalar_has_it: bool
) -> None:
    objective = f"{{name: {name}, score: network}}" if name == "mpdr" else f"{{name: {name}}}"
    options = [f"model={model}", f"objective={objective}", "student.mode=regress"]
    options.append("data.flatten=null")
    if scalar_has_it and name in ("igebm", "mpdr"):
        load_recipe("jets-quickstart", options)
        return
    with pytest.raises(RecipeError, match=f"{said} has no effect.*objective {name}"):
        load_recipe("jets-quickstart", options)
    options[1] = "objective={name: mpdr}"  # whose network is that of `model`
    load_recipe("jets-quickstart", options)


@pytest.mark.parametrize(
    ("objective", "mode", "said"),
    [
        ("wnae", "quantize", "squared_error"),
        ("flow", "regress", "likelihood of objective flow, which the student learned"),
        ("mahalanobis", "distil", "latent of objective mahalanobis"),
    ],
)
def test_the_report_names_the_score(objective: str, mode: str, said: str) -> None:
    overrides = [f"objective.name={objective}", f"student.mode={mode}"]
    recipe = load_recipe("jets-quickstart", overrides)
    assert recipe.score_name.startswith(said)
    assert ("learned" in recipe.score_name) == (mode == "regress")
