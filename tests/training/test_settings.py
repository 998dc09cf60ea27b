"""Settings: every field documented, bad values refused, any file's content read back."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from naetrigger.training import settings as module
from naetrigger.training.objectives import OBJECTIVES
from naetrigger.training.settings import (
    Langevin,
    ModelSettings,
    NaeObjective,
    Replay,
    TrainingSettings,
    WnaeObjective,
)

OBJECTIVE_KINDS = get_args(module.AnyObjective)
NEEDED = {"relative_mahalanobis": {"labels": "digit", "classes": 9}}  # what has no default
ALL = (ModelSettings, Langevin, Replay, TrainingSettings, *OBJECTIVE_KINDS)


@pytest.mark.parametrize("kind", ALL)
def test_every_field_is_documented(kind: type) -> None:
    undocumented = [
        name
        for name, field in kind.model_fields.items()
        if not field.description and name not in ("kind",)
    ]
    assert undocumented == []


def test_objectives_by_name_survive_json() -> None:
    adapter = TypeAdapter(module.ObjectiveSettings)
    names = set()
    for kind in OBJECTIVE_KINDS:
        needed = NEEDED.get(kind.model_fields["name"].default, {})
        settings = kind(steps=7, **needed)
        names.add(settings.name)
        assert adapter.validate_json(settings.model_dump_json()) == settings
        assert adapter.validate_python({"name": settings.name, "steps": 7, **needed}) == settings
    assert names == set(OBJECTIVES)


@pytest.mark.parametrize("kind", OBJECTIVE_KINDS)
def test_every_objective_says_what_its_scores_are(kind: type[module.ObjectiveBase]) -> None:
    choice = kind.model_fields.get("score")
    names = get_args(choice.annotation) if choice else tuple(kind.offers)
    assert tuple(kind.offers) == names
    for name in names:
        needed = NEEDED.get(kind.model_fields["name"].default, {})
        settings = kind(**needed, **({"score": name} if choice else {}))
        assert settings.offered == name
        assert settings.obstacle == kind.offers[name]


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        (Langevin, {"noise": 0}, "needs a step_size"),
        (Langevin, {"noise": float("nan")}, "noise"),
        (Langevin, {"temperature": 0}, "greater than 0"),
        (Langevin, {"step_size": -1}, "greater than 0"),
        (Langevin, {"bounds": (1, -1)}, "low < high"),
        (Langevin, {"bounds": (0, float("inf"))}, "finite"),
        (Langevin, {"metropolis": True}, "use boundary 'reject'"),
        (Langevin, {"spherical": True, "bounds": (-0.5, 0.5)}, "unit sphere"),
        (Langevin, {"stepsize": 1}, "stepsize"),
        (Langevin, {"noise": 0, "step_size": 0.1, "final_noise": 0.1}, "by factors"),
        (Langevin, {"metropolis": True, "boundary": "none", "final_noise": 0.1}, "one density"),
        (Langevin, {"gradient_clip_rows": 2}, "without a gradient_clip"),
        (ModelSettings, {"image": (2, 2)}, "is for kind: conv, and kind is mlp"),
        (NaeObjective, {"negatives": "cd", "latent_chain": {"steps": 7}}, "is for negatives: omi"),
        (NaeObjective, {"negatives": "pcd", "latent_chain": {"steps": 7}}, "is for negatives: omi"),
        (NaeObjective, {"negatives": "cd", "replay": {"size": 3}}, "is for negatives: pcd, or omi"),
        (NaeObjective, {"latent_start": "shuffled", "replay": {"size": 3}}, "latent_start: shuff"),
        (Replay, {"ratio": 1.5}, "less than or equal to 1"),
        (WnaeObjective, {"batch_size": 0}, "batch_size"),
        (TrainingSettings, {"objective": {"name": "gan"}}, "'ae', .*'nae', 'wnae'"),
    ],
)
def test_bad_values_are_refused(kind: type, values: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        kind(**values)


WITHOUT_SCORE = (
    *("flow likelihood", "glow likelihood", "pixelcnn likelihood", "igebm network"),
    *("mahalanobis latent", "relative_mahalanobis latent", "dagmm likelihood"),
    *("vae likelihood", "kernel_ae smeared"),
)
UNUSED = {
    "score": ("absolute_error", WITHOUT_SCORE),
    "decoder_hidden": ((8,), WITHOUT_SCORE[:4]),
    "activation": ("tanh", ("pixelcnn likelihood",)),
}


@pytest.mark.parametrize("kind", OBJECTIVE_KINDS)
@pytest.mark.parametrize("setting", UNUSED)
def test_settings_that_a_network_does_not_have_are_named(
    setting: str, kind: type[module.ObjectiveBase]
) -> None:
    value, without = UNUSED[setting]
    name = kind.model_fields["name"].default
    for score in kind.offers:
        chosen = {"score": score} if "score" in kind.model_fields else {}
        objective = kind(**NEEDED.get(name, {}), **chosen)
        said = objective.unused(ModelSettings(**{setting: value}))
        assert said.startswith(f"model.{setting}: ") == (f"{name} {score}" in without)
        assert not objective.unused(ModelSettings())


def test_default_step_targets_the_density() -> None:
    assert Langevin(noise=0.2).drift_step == pytest.approx(0.02)
    assert Langevin(noise=0.2, step_size=0.3).drift_step == 0.3


def test_settings_import_nothing_heavy() -> None:
    code = (
        "import sys, naetrigger.training.settings;"
        "print({'torch', 'numpy', 'ot', 'numba'} & set(sys.modules))"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "set()"
