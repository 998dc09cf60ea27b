"""`--check`: what a run would stumble over is found in seconds, and nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from naetrigger.pipeline import preflight
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.recipe import load_recipe
from naetrigger.pipeline.run import run

RECIPE = """
name: mine
data: {source: qcd.csv, signals: {top: top.csv}, columns: [ht, met]}
objective: {name: ae, steps: 2}
"""


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rng = np.random.default_rng(1)
    for name, rows in (("qcd", 400), ("top", 60)):
        table(tmp_path / f"{name}.csv", rng.exponential(50, (rows, 2)))
    (tmp_path / "r.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "r.yaml"


def table(path: Path, values: np.ndarray, header: str = "ht,met") -> None:
    np.savetxt(path, values, fmt="%.3f", delimiter=",", header=header, comments="")


def test_it_says_what_it_saw_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert run_command_line(["train", "r.yaml", "--check"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ok: mine: events of qcd 400, top 60; 2 inputs (ht, met)",
        "would be made: data, training",
    ]
    assert run_command_line(["run", "r.yaml", "--check", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["exit_status"] == 0
    assert document["data"]["events"] == {"qcd": 400, "top": 60}
    assert document["to_make"] == ["data", "training", "student", "export", "validation"]
    assert sorted(tmp_path.rglob("*")) == before


def test_widths_without_a_use_are_named(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe.write_text(RECIPE.replace("ae, steps: 2", "igebm, steps: 2") + "model: {latent: 2}\n")
    options = ["train", "r.yaml", "--check", "--set", "student.mode=regress"]
    assert run_command_line(options) == 0
    said = " ".join("".join(capsys.readouterr()).split())
    assert "r.yaml: model.latent: not used by objective igebm" in said


def test_what_is_up_to_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(load_recipe("r.yaml"), tmp_path / "out", until="data")
    assert run_command_line(["train", "r.yaml", "--check", "--out", "out"]) == 0
    said = capsys.readouterr().out
    assert "would be made: training\nup to date: data\n" in said


@pytest.mark.parametrize(
    ("setting", "status", "said"),
    [
        ("data.source=qdc.csv", 2, "qdc.csv: no such file"),
        ("data.columns=[ht, MET]", 2, "no column 'MET'; did you mean 'met'?"),
        ("firmware.board=vu13p", 2, "did you mean 'vu13p-5ns'"),
        ("validation.turn_on=[hT]", 2, "validation.turn_on: no column 'hT'; did you mean 'ht'?"),
        ("data.input_spec=jets8", 2, "not the inputs of jets8"),
        ("firmware.compiler=no-such-compiler", 3, "no C++ compiler 'no-such-compiler' on PATH"),
        ("data.max_background=30", 2, "at least 20 are needed"),
    ],
)
def test_what_a_run_would_stumble_over(
    setting: str, status: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["run", "r.yaml", "--check", "--set", setting]) == status
    assert said in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_classes_are_looked_for(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    objective = "{name: relative_mahalanobis, labels: kind, classes: 2}"
    recipe.write_text(RECIPE.replace("{name: ae, steps: 2}", objective))
    regress = ["--set", "student.mode=regress"]
    assert run_command_line(["run", "r.yaml", "--check", *regress]) == 2
    assert "objective.labels: no column 'kind'" in capsys.readouterr().err


def test_missing_packages_are_the_environments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(preflight, "find_spec", lambda name: None)
    assert run_command_line(["run", "r.yaml", "--check"]) == 3
    assert "pip install 'naetrigger[export]'" in capsys.readouterr().err
    assert run_command_line(["train", "r.yaml", "--check"]) == 0
