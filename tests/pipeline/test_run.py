"""Running stages: what is kept, what is made anew, and that no moment of death does harm.

The stages here write a few bytes each; the real ones are in test_end_to_end.py.
"""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from naetrigger.contracts.errors import EnvironmentProblem, InputError
from naetrigger.contracts.manifest import Manifest, read_manifest
from naetrigger.pipeline import preflight, run_folder
from naetrigger.pipeline.recipe import Recipe, load_recipe
from naetrigger.pipeline.run import current_stages, outdated_verdict, run, stage_states, versions
from naetrigger.pipeline.stages import STAGES, TRAINING, Stage
from naetrigger.pipeline.work import Work

RECIPE = Recipe(seed=1)


def section(name: str) -> Callable[[Recipe], dict[str, Any]]:
    return lambda recipe: recipe.model_dump(mode="json", include={name})


class Calls:
    """Three stages; the first reads nothing, each other reads the one before."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.stages = (
            self.stage("data", "data"),
            self.stage("training", "objective", ("data/a.txt",), resumes=True),
            self.stage("validation", "validation", ("data/*", "training/a.txt")),
        )

    def stage(
        self, name: str, part: str, reads: tuple[str, ...] = (), resumes: bool = False
    ) -> Stage:
        def write(work: Work) -> None:
            self.made.append(name)
            text = json.dumps(section(part)(work.recipe), sort_keys=True)
            (work.folder / "a.txt").write_text(text)
            (work.folder / "deep").mkdir(exist_ok=True)
            (work.folder / "deep" / "b.txt").write_text(name)

        return Stage(name, section(part), write, ("numpy",), reads, resumes=resumes)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    monkeypatch.setattr(preflight, "EXPORT_MODULES", ())
    monkeypatch.setattr(preflight.shutil, "which", lambda name: name)
    return Calls()


def bring_up(calls: Calls, root: Path, recipe: Recipe = RECIPE, **options: Any) -> list[str]:
    """Run; the lines that the user saw."""
    lines: list[str] = []
    calls.made.clear()
    run(recipe, root, stages=calls.stages, notify=lines.append, **options)
    return lines


def changed(**sections: Any) -> Recipe:
    return Recipe.model_validate({"seed": 1, **sections})


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_second_run_keeps_everything(calls: Calls, tmp_path: Path) -> None:
    bring_up(calls, tmp_path / "run")
    assert calls.made == ["data", "training", "validation"]
    before = contents(tmp_path / "run")
    bring_up(calls, tmp_path / "run")
    assert calls.made == []
    assert contents(tmp_path / "run") == before
    assert not [name for name in before if name.endswith((".partial", ".json~"))]
    assert set(stage_states(tmp_path / "run", calls.stages).values()) == {"done"}


def test_until(calls: Calls, tmp_path: Path) -> None:
    bring_up(calls, tmp_path, until="training")
    assert calls.made == ["data", "training"]
    assert stage_states(tmp_path, calls.stages)["validation"] == "not run"
    with pytest.raises(InputError, match="no stage 'trainin'; did you mean"):
        bring_up(calls, tmp_path, until="trainin")


def test_changed_settings_make_their_stage_and_what_reads_it(calls: Calls, tmp_path: Path) -> None:
    bring_up(calls, tmp_path)
    lines = bring_up(calls, tmp_path, changed(objective={"steps": 5}))
    assert calls.made == ["training", "validation"]
    assert "recipe: objective.steps: was 2000, is 5" in lines
    assert "training: made anew (its settings or inputs have changed)" in lines
    bring_up(calls, tmp_path, changed(validation={"label": "x"}, objective={"steps": 5}))
    assert calls.made == ["validation"]
    assert not list(tmp_path.glob(".*.old")) + list(tmp_path.glob(".*.partial"))


def test_a_password_in_a_changed_recipe_is_not_said(calls: Calls, tmp_path: Path) -> None:
    bring_up(calls, tmp_path)
    storage = "postgresql://me:secret@host/db"
    lines = bring_up(calls, tmp_path, changed(search={"storage": storage}))
    assert "recipe: search.storage: was None, is postgresql://me:***@host/db" in lines


def test_outdated_state(calls: Calls, tmp_path: Path) -> None:
    bring_up(calls, tmp_path)
    bring_up(calls, tmp_path, changed(objective={"steps": 5}), until="training")
    assert stage_states(tmp_path, calls.stages) == {
        "data": "done",
        "training": "done",
        "validation": "outdated",
    }


def test_an_outdated_verdict_says_so(calls: Calls, tmp_path: Path) -> None:
    bring_up(calls, tmp_path, until="training")
    assert outdated_verdict(tmp_path, calls.stages) == ""  # there is none
    bring_up(calls, tmp_path)
    assert outdated_verdict(tmp_path, calls.stages) == ""
    bring_up(calls, tmp_path, changed(objective={"steps": 5}), until="training")
    said = outdated_verdict(tmp_path, calls.stages)
    assert "the verdict is outdated: validation do" in said
    assert f"naetrigger run {tmp_path}/recipe.yaml --out {tmp_path}" in said
    other = changed(objective={"steps": 6})
    (tmp_path / "recipe.yaml").write_text(other.to_yaml(tmp_path))
    assert "outdated: training, validation do" in outdated_verdict(tmp_path, calls.stages)
    (tmp_path / "recipe.yaml").write_text("seed: one\n")
    said = outdated_verdict(tmp_path, calls.stages)
    assert said.startswith("whether the verdict is outdated cannot be told: ")


def test_what_is_made_from_an_outdated_stage_is_outdated(calls: Calls, tmp_path: Path) -> None:
    """Its own settings and files are those that it was made with; they are not the recipe's."""
    bring_up(calls, tmp_path)
    other = changed(objective={"steps": 5})
    (tmp_path / "recipe.yaml").write_text(other.to_yaml(tmp_path))
    assert stage_states(tmp_path, calls.stages) == {
        "data": "done",
        "training": "outdated",
        "validation": "outdated",
    }
    assert current_stages(other, read_manifest(tmp_path), calls.stages) == ["data"]


def test_another_seed_makes_all_anew(calls: Calls, tmp_path: Path) -> None:
    bring_up(calls, tmp_path)
    bring_up(calls, tmp_path, Recipe(seed=2))
    assert calls.made == ["data", "training", "validation"]


def test_same_result_upstream_keeps_what_follows(calls: Calls, tmp_path: Path) -> None:
    bring_up(calls, tmp_path)
    (tmp_path / "data" / "a.txt").unlink()
    lines = bring_up(calls, tmp_path)
    assert calls.made == ["data"]
    assert f"data: made anew ({tmp_path / 'data' / 'a.txt'} is missing)" in lines
    assert any(re.fullmatch(r"data: done, \d+\.\d s", line) for line in lines)


def test_edited_file_is_refused(calls: Calls, tmp_path: Path) -> None:
    bring_up(calls, tmp_path)
    path = tmp_path / "training" / "a.txt"
    path.write_text("edited")
    assert stage_states(tmp_path, calls.stages)["training"] == "damaged"
    with pytest.raises(InputError) as raised:
        bring_up(calls, tmp_path)
    assert str(path) in str(raised.value)
    assert f"delete {tmp_path / 'training'} and run again" in str(raised.value)
    for left in (tmp_path / "training").rglob("*.txt"):
        left.unlink()
    bring_up(calls, tmp_path)
    assert calls.made == ["training"]


class Killed(BaseException):
    """Stands for the end of the process; nobody may catch it."""


def deaths(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Arm the n-th of all calls that change the disk, for n = 0, 1, ... until none is left."""
    for n in range(1000):
        count = -1

        def step(real: Callable[..., Any], n: int = n) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                nonlocal count
                count += 1
                if count == n:
                    raise Killed
                return real(*args, **kwargs)

            return call

        with monkeypatch.context() as patch:
            for owner, name in (
                (Path, "rename"),
                (Path, "replace"),
                (Path, "unlink"),
                (Path, "mkdir"),
                (run_folder.shutil, "rmtree"),
            ):
                patch.setattr(owner, name, step(getattr(owner, name)))
            patch.setattr(os, "fsync", step(lambda descriptor: None))  # a moment, but a quick one
            yield
        if count < n:
            return
    raise AssertionError("a run changes the disk more than a thousand times")


@pytest.mark.parametrize("before", [None, changed(objective={"steps": 9})])
def test_death_at_any_step_then_the_same_files(
    calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: Recipe | None
) -> None:
    reference = tmp_path / "reference"
    bring_up(calls, reference)
    expected = contents(reference)
    moments = 0
    for moments, _ in enumerate(deaths(monkeypatch)):
        root = tmp_path / f"run{moments}"
        try:
            if before is not None:
                bring_up(calls, root, before)
            bring_up(calls, root)
        except Killed:
            bring_up(calls, root)
        assert contents(root) == expected, f"killed at step {moments}"
    assert moments > 30


def test_finished_stage_is_taken_over(
    calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its last byte and the manifest a stage's work is not lost."""

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "_take_place", killed)
        with pytest.raises(Killed):
            bring_up(calls, tmp_path)
    lines = bring_up(calls, tmp_path)
    assert "data: finished by an interrupted run" in lines
    assert calls.made == ["training", "validation"]


def test_only_a_stage_that_resumes_finds_what_it_left(tmp_path: Path) -> None:
    tmp_path.joinpath("x").mkdir()
    for resumes, left in ((True, ["checkpoint"]), (False, [])):
        folder = run_folder.begin_stage(tmp_path, "training", "key", resumes)
        (folder / "checkpoint").write_text("step 3")
        again = run_folder.begin_stage(tmp_path, "training", "key", resumes)
        assert [path.name for path in again.iterdir()] == left
    other = run_folder.begin_stage(tmp_path, "training", "other", True)
    assert not list(other.iterdir())


def test_nothing_of_an_earlier_run_writes_where_another_one_works(tmp_path: Path) -> None:
    """A member that a cluster still trains, when its settings have changed."""
    earlier = run_folder.begin_stage(tmp_path, "training", "key", True)
    now = run_folder.begin_stage(tmp_path, "training", "other", True)
    with pytest.raises(FileNotFoundError):
        (earlier / "teacher.json").write_text("of other settings")
    (earlier / "members").mkdir(parents=True)
    assert not list(now.iterdir())
    run_folder.tidy(tmp_path, "training")
    assert not list(tmp_path.glob(".training*"))


def test_leftovers_of_cut_writes_are_no_results(calls: Calls, tmp_path: Path) -> None:
    folder = run_folder.begin_stage(
        tmp_path, "training", calls.stages[1].key(RECIPE, _with_data(calls, tmp_path)) or "", True
    )
    (folder / "a.txt.partial").write_text("half")
    bring_up(calls, tmp_path)
    assert not list(tmp_path.rglob("*.partial"))


def _with_data(calls: Calls, root: Path) -> Any:
    bring_up(calls, root, until="data")
    return read_manifest(root)


def test_folder_of_something_else_is_left_alone(calls: Calls, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match=r"holds thesis.tex and no manifest.json"):
        bring_up(calls, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(InputError, match="is a file"):
        bring_up(calls, tmp_path / "thesis.tex")


LOCKER = """
import sys, time
from pathlib import Path
from naetrigger.pipeline.run_folder import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_second_run_is_refused_and_a_dead_one_is_no_obstacle(calls: Calls, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LOCKER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(EnvironmentProblem, match=rf"pid {other.pid} on .*--out"):
            bring_up(calls, tmp_path)
        other.kill()
        other.wait()
    assert (tmp_path / ".lock").read_text()
    bring_up(calls, tmp_path)
    assert calls.made == ["data", "training", "validation"]
    assert (tmp_path / ".lock").read_text() == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full"),
        (RuntimeError("h5: write failed: No space left on device"), "the disk is full"),
        (OSError(errno.EROFS, "Read-only file system"), "cannot be written to"),
    ],
)
def test_disk_problems_name_the_folder(tmp_path: Path, error: Exception, said: str) -> None:
    def fail(work: Work) -> None:
        raise error

    stages = (Stage("data", section("data"), fail, ()),)
    with pytest.raises(EnvironmentProblem, match=said) as raised:
        run(RECIPE, tmp_path, until="data", stages=stages)
    assert str(raised.value).startswith(str(tmp_path))


@pytest.mark.parametrize(
    "error", [InputError("no such column"), OSError(errno.ENOSPC, "No space left on device")]
)
def test_a_failed_start_leaves_the_recipe_of_what_is_finished(
    error: Exception, calls: Calls, tmp_path: Path
) -> None:
    def fail(work: Work) -> None:
        raise error

    data, training, validation = calls.stages
    bring_up(calls, tmp_path)
    before = (tmp_path / "recipe.yaml").read_bytes()
    other = changed(data={"max_signal": 50}, objective={"steps": 5})
    with pytest.raises((InputError, EnvironmentProblem)):
        run(other, tmp_path, stages=(replace(data, run=fail), training, validation))
    assert (tmp_path / "recipe.yaml").read_bytes() == before
    assert set(stage_states(tmp_path, calls.stages).values()) == {"done"}
    with pytest.raises((InputError, EnvironmentProblem)):
        run(other, tmp_path, stages=(data, replace(training, run=fail), validation))
    assert (tmp_path / "recipe.yaml").read_bytes() != before  # its data are finished
    assert stage_states(tmp_path, calls.stages)["data"] == "done"


def test_other_errors_pass(tmp_path: Path) -> None:
    def fail(work: Work) -> None:
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        run(RECIPE, tmp_path, until="data", stages=(Stage("data", section("data"), fail, ()),))


def test_stage_without_files_is_refused(tmp_path: Path) -> None:
    stage = Stage("data", section("data"), lambda work: None, ())
    with pytest.raises(EnvironmentProblem, match="wrote no files"):
        run(RECIPE, tmp_path, until="data", stages=(stage,))


def test_missing_tools_are_named_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls()
    monkeypatch.setattr(preflight, "find_spec", lambda name: None if name == "hls4ml" else 1)
    monkeypatch.setattr(preflight.shutil, "which", lambda name: None)
    with pytest.raises(EnvironmentProblem) as raised:
        preflight.preflight(RECIPE, ["student", "export"])
    assert "hls4ml are not installed" in str(raised.value)
    assert "pip install 'naetrigger[export]'" in str(raised.value)
    assert "no C++ compiler 'g++' on PATH" in str(raised.value)
    bring_up(calls, tmp_path, until="training")
    with pytest.raises(EnvironmentProblem, match="no C"):
        bring_up(calls, tmp_path)
    assert calls.made == []


def test_unknown_board_is_named_before_anything_runs(tmp_path: Path) -> None:
    recipe = load_recipe("jets-quickstart", ["firmware.board=vu13"])
    with pytest.raises(InputError, match="did you mean 'vu13p-5ns'"):
        run(recipe, tmp_path, until="export")
    assert not (tmp_path / "recipe.yaml").exists()
    assert not (tmp_path / "data").exists()


def test_real_stages_read_only_from_stages_before_them() -> None:
    names: list[str] = []
    for stage in STAGES:
        assert set(stage.parents) <= set(names)
        names.append(stage.name)


def test_training_never_reads_the_test_sample() -> None:
    for stage in STAGES[1:4]:
        assert "data/test.h5" not in stage.reads
        assert not any(pattern in ("data/*", "*") for pattern in stage.reads)


def test_changed_input_spec_of_any_name_makes_data_anew(tmp_path: Path) -> None:
    events, spec = tmp_path / "b.csv", tmp_path / "my.spec"
    events.write_text("a\n1\n")
    for field in ("input_spec", "student_input_spec"):
        data = {"source": str(events), field: str(spec)}
        recipe = Recipe.model_validate({"data": data, "student": {"mode": "regress"}})
        keys = []
        for text in ("name: a\n", "name: b\n"):
            spec.write_text(text)
            keys.append(STAGES[0].key(recipe, Manifest()))
        assert keys[0] != keys[1]


def test_changed_source_file_makes_data_anew(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    recipe = Recipe.model_validate({"data": {"source": str(path)}})
    keys = []
    for text in ("a\n1\n", "a\n2\n"):
        path.write_text(text)
        keys.append(STAGES[0].key(recipe, Manifest()))
    assert keys[0] != keys[1]


def test_runs_of_the_tree_events_stay_up_to_date_and_those_of_another_do_not() -> None:
    settings = STAGES[0].settings
    assert "tree" not in settings(Recipe())  # as before there was such a setting
    assert settings(Recipe.model_validate({"data": {"tree": "t"}}))["tree"] == "t"


def test_the_record_holds_the_versions_that_decide_a_training() -> None:
    found = versions((*TRAINING.packages, "no-such-distribution"))
    assert {"naetrigger", "numpy", "torch", "POT", "numba", "zuko"} <= found.keys()
    assert "no-such-distribution" not in found
