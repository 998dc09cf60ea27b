"""An ensemble through the pipeline: member 0 as if it were alone, kills on the way, the report."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from naetrigger.contracts.errors import TrainingDiverged
from naetrigger.contracts.manifest import read_manifest
from naetrigger.contracts.workers import Here, Job, Pool, Workers
from naetrigger.pipeline import training_stage
from naetrigger.pipeline.recipe import Recipe, load_recipe
from naetrigger.pipeline.run import run
from naetrigger.pipeline.training_stage import train_member
from naetrigger.training.teacher import read_description
from naetrigger.validation.report.schema import report_from_json


class Killed(BaseException):
    """Stands for SIGKILL."""


class KillAt:
    """A listener that ends the run at a label's n-th report, and notes all labels."""

    def __init__(self, label: str = "", n: int = 0) -> None:
        self.label, self.left = label, n
        self.labels: list[str] = []

    def start(self, label: str, total: int) -> None:
        self.labels.append(label)

    def update(self, done: int, **values: float) -> None:
        if self.labels[-1] == self.label:
            self.left -= 1
            if self.left < 0:
                raise Killed


def training_files(root: Path) -> dict[str, bytes]:
    folder = root / "training"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def recipe(finished_run: Path) -> Recipe:
    return load_recipe(str(finished_run.parent / "tiny.yaml"), ["ensemble.members=3"])


@pytest.fixture(scope="module")
def ensemble(
    finished_run: Path, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str]]:
    """The finished run brought to three members; what became of its stages."""
    root = tmp_path_factory.mktemp("ensemble") / "run"
    shutil.copytree(finished_run, root)
    result = run(recipe, root)
    return root, {stage.name: stage.action for stage in result.stages}


def test_member_zero_is_the_one_that_was_alone(
    finished_run: Path, ensemble: tuple[Path, dict[str, str]]
) -> None:
    root, _ = ensemble
    alone, together = training_files(finished_run), training_files(root)
    assert {name: together[name] for name in alone} == alone
    others = {name.removeprefix("members/") for name in together.keys() - alone.keys()}
    assert others == {f"seed_{seed}/{name}" for seed in (6, 7) for name in alone}
    for seed in (6, 7):
        folder = root / "training" / "members" / f"seed_{seed}"
        assert read_description(folder)["seed"] == seed
        assert (folder / "teacher.safetensors").read_bytes() != alone["teacher.safetensors"]


def test_student_and_firmware_do_not_hear_of_it(ensemble: tuple[Path, dict[str, str]]) -> None:
    root, actions = ensemble
    assert actions["student"] == actions["export"] == "kept"
    listed = {file.path for file in read_manifest(root).stages["training"].files}
    assert "training/members/seed_7/teacher.safetensors" in listed


def test_the_report_shows_the_spread(
    finished_run: Path, ensemble: tuple[Path, dict[str, str]]
) -> None:
    root, _ = ensemble
    report = report_from_json((root / "validation" / "report.json").read_text())
    assert report.ensemble is not None
    assert report.ensemble.seeds == (5, 6, 7)
    by_model = {entry.model: entry for entry in report.ensemble.auc}
    assert set(by_model) == {"teacher", "baseline_ae"}
    alone = report_from_json((finished_run / "validation" / "report.json").read_text())
    assert alone.ensemble is None
    first = next(a for a in alone.auc if (a.model, a.engine) == ("teacher", "torch"))
    assert by_model["teacher"].values[0] == first.value
    assert len(set(by_model["teacher"].values)) == 3
    assert report.auc == alone.auc
    assert 'id="ensemble"' in (root / "validation" / "report.html").read_text()


@pytest.mark.parametrize(
    ("label", "n"),
    [
        ("training teacher (wnae), seed 6 (2 of 3)", 0),
        ("training baseline_ae (ae), seed 6 (2 of 3)", 20),
        ("training teacher (wnae), seed 7 (3 of 3)", 45),
    ],
)
def test_killed_anywhere_it_ends_with_the_same_bytes(
    finished_run: Path,
    ensemble: tuple[Path, dict[str, str]],
    recipe: Recipe,
    tmp_path: Path,
    label: str,
    n: int,
) -> None:
    root = tmp_path / "run"
    root.mkdir()
    for name in ("data", "manifest.json", ".lock"):
        source = finished_run / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, root / name)
    with pytest.raises(Killed):
        run(recipe, root, until="training", progress=KillAt(label, n))
    again = KillAt()
    run(recipe, root, until="training", progress=again)
    assert training_files(root) == training_files(ensemble[0])
    trained = [heard for heard in again.labels if heard.startswith("training teacher")]
    assert trained[0].endswith(label.partition(", ")[2])  # finished members are left as they are


class Crew:
    """Stands for a cluster: its workers know what a task is given, and nothing else."""

    def __init__(self) -> None:
        self.saw: dict[str, str] = {}

    @contextmanager
    def pool(self, job: Job) -> Iterator[Pool]:
        self.saw = dict(job.sees())
        yield Here(job)


def test_a_crew_trains_the_same_bytes(
    finished_run: Path, ensemble: tuple[Path, dict[str, str]], recipe: Recipe, tmp_path: Path
) -> None:
    root = tmp_path / "run"
    root.mkdir()
    for name in ("data", "manifest.json", ".lock"):
        source = finished_run / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, root / name)
    crew = Crew()
    run(recipe, root, until="training", workers=crew)
    assert training_files(root) == training_files(ensemble[0])
    assert crew.saw[str(root / "manifest.json")], "a worker must see this run folder"
    assert {"torch", "processor"} <= crew.saw.keys()


@pytest.mark.parametrize("workers", [1, Crew()], ids=["here", "crew"])
def test_a_member_that_diverges_is_named(
    recipe: Recipe,
    finished_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: Workers,
) -> None:
    def diverging(settings: object, seed: int, *rest: object) -> None:
        if seed == 6:
            raise TrainingDiverged("nae: step 3: no")
        train_member(settings, seed, *rest)

    root = tmp_path / "run"
    shutil.copytree(finished_run, root)
    monkeypatch.setattr(training_stage, "train_member", diverging)
    with pytest.raises(TrainingDiverged, match=r"member with seed 6 \(2 of 3\): nae: step 3"):
        run(recipe, root, until="training", workers=workers)
