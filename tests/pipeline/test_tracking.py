"""Runs in MLflow: what stands there, once however often, and a store that is not there."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest

from naetrigger.contracts.errors import EnvironmentProblem, InputError, MissingExtra
from naetrigger.contracts.manifest import Manifest, StageRecord, record_files, write_manifest
from naetrigger.pipeline import tracking
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.run import run_recipe
from naetrigger.pipeline.stages import STAGES
from naetrigger.pipeline.tracking import report_metrics, track, track_if_it_can
from naetrigger.validation.report.schema import Auc, Check, FirmwareEstimate, Report

_spec = importlib.util.spec_from_file_location(
    "small_run", Path(__file__).with_name("small_run.py")
)
assert _spec is not None
assert _spec.loader is not None
small_run: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(small_run)

CURVES = "step,loss,distance\n10,0.5,\n20,0.25,1.5\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with curves, whose manifest knows them."""
    root: Path = small_run.make_run(tmp_path_factory.mktemp("tracked") / "my run")
    (root / "training" / "curves.csv").write_text(CURVES)
    stages: dict[str, StageRecord] = {}
    for stage in STAGES[:4]:
        key = stage.key(run_recipe(root), Manifest(stages))
        assert key is not None
        files = record_files(root / stage.name, stage.name)
        stages[stage.name] = StageRecord(key, stage.parents, 0, {}, files)
    write_manifest(root, Manifest(stages))
    return root


@pytest.fixture(scope="module")
def logged(run: Path) -> Any:
    """The run, logged into a database beside it."""
    return track(run)


def client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def test_a_run_stands_in_a_database_beside_it(run: Path, logged: Any) -> None:
    assert logged.uri == f"sqlite:///{run.parent / 'mlflow.sqlite3'}"
    assert (logged.experiment, logged.new) == ("small", True)
    found = client(logged.uri).get_run(logged.run_id)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "my run"
    assert found.data.params["data.input_spec"] == "l1-57-pt"
    assert found.data.metrics["training/curves/loss"] == 0.25
    history = client(logged.uri).get_metric_history(logged.run_id, "training/curves/loss")
    assert [(m.step, m.value) for m in history] == [(10, 0.5), (20, 0.25)]
    distance = client(logged.uri).get_metric_history(logged.run_id, "training/curves/distance")
    assert [(m.step, m.value) for m in distance] == [(20, 1.5)], "an empty cell is no number"


def test_its_files_are_copied(run: Path, logged: Any) -> None:
    (artifacts,) = (run.parent / "mlflow-artifacts" / "small").glob("*/artifacts")
    for file in ("recipe.yaml", "manifest.json", "export/network/network.json"):
        assert (artifacts / file).read_bytes() == (run / file).read_bytes()


def test_what_is_outdated_is_named_and_not_logged(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the run stands there anew when its recipe is that of its stages again."""
    root = tmp_path / "run"
    shutil.copytree(run, root)
    recipe, text = root / "recipe.yaml", (root / "recipe.yaml").read_text()
    recipe.write_text(text.replace("\n  steps: 2000\n", "\n  steps: 5\n"))
    assert recipe.read_text() != text
    done = track(root)
    assert done.outdated == ("training", "student", "export")
    found = client(done.uri).get_run(done.run_id)
    assert (found.data.tags["naetrigger.stages"], found.data.metrics) == ("data", {})
    assert found.data.tags["naetrigger.outdated"] == "training, student, export"
    files = {path.name for path in (tmp_path / "mlflow-artifacts").rglob("*") if path.is_file()}
    assert files == {"recipe.yaml", "manifest.json"}
    assert run_command_line(["track", str(root)]) == 0
    assert "not logged: training, student, export: outdated" in capsys.readouterr().err
    said: list[str] = []
    track_if_it_can(root, "local", said.append)
    assert "not logged: training, student, export: outdated" in said[0]
    recipe.write_text(text)
    again = track(root)
    assert (again.new, again.outdated, again.warning) == (True, (), "")
    assert client(done.uri).get_run(again.run_id).data.metrics["training/curves/loss"] == 0.25


def test_no_password_of_its_recipe_is_logged(run: Path, tmp_path: Path) -> None:
    root = tmp_path / "run"
    shutil.copytree(run, root)
    recipe = root / "recipe.yaml"
    url = "postgresql://me:hunter2@db/searches"
    recipe.write_text(recipe.read_text().replace("storage: null", f"storage: {url}"))
    assert url in recipe.read_text()
    done = track(root)
    found = client(done.uri).get_run(done.run_id)
    assert found.data.params["search.storage"] == "postgresql://me:***@db/searches"
    files = [path for path in (tmp_path / "mlflow-artifacts").rglob("*") if path.is_file()]
    assert "recipe.yaml" in {path.name for path in files}
    for path in [*files, tmp_path / "mlflow.sqlite3"]:
        assert b"hunter2" not in path.read_bytes()


def test_it_stands_there_once(run: Path, logged: Any, tmp_path: Path) -> None:
    again = track(run)
    assert (again.run_id, again.new) == (logged.run_id, False)
    package = tmp_path / "GTADModel_v1"
    package.mkdir()
    (package / "emulator.cc").write_text("int main() {}\n")
    with_package = track(run, package=package)
    assert with_package.run_id == logged.run_id
    (artifacts,) = (run.parent / "mlflow-artifacts" / "small").glob("*/artifacts")
    assert (artifacts / "package" / "GTADModel_v1" / "emulator.cc").is_file()
    with pytest.raises(InputError, match="naetrigger package"):
        track(run, package=tmp_path / "nowhere")


def test_what_was_cut_short_is_marked_and_logged_again(
    run: Path, logged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tracking, "_log_curves", full)
    with pytest.raises(EnvironmentProblem, match=r"No space left.*is whole as it is"):
        track(run, experiment="other")
    monkeypatch.undo()
    done = track(run, experiment="other")
    assert done.new
    found = client(logged.uri).search_runs(
        [client(logged.uri).get_experiment_by_name("other").experiment_id]
    )
    assert sorted(one.info.status for one in found) == ["FAILED", "FINISHED"]


def test_a_server_that_is_not_there_loses_nothing(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    said: list[str] = []
    track_if_it_can(run, "http://me:secret@127.0.0.1:1", said.append)
    (warning,) = said
    assert "the run was not logged there" in warning
    assert "naetrigger track" in warning
    assert "secret@" not in warning
    assert run_command_line(["track", str(run), "--to", "http://127.0.0.1:1"]) == 3
    assert "the run was not logged there" in capsys.readouterr().err


def test_the_command(run: Path, logged: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["track", str(run)]) == 0
    assert "was there already" in capsys.readouterr().out
    assert run_command_line(["track", str(run), "--quiet", "--to", "local"]) == 0
    assert capsys.readouterr().out.strip() == logged.run_id


def test_a_run_that_was_edited_is_refused(run: Path, tmp_path: Path) -> None:
    root = tmp_path / "edited"
    shutil.copytree(run, root)
    (root / "export" / "network" / "network.json").write_text("{}")
    with pytest.raises(InputError, match="edited"):
        track(root)


def test_without_mlflow_the_extra_is_named_before_a_run_starts(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"naetrigger\[mlflow\]"):
        track(run)
    out = tmp_path / "run"
    assert run_command_line(["run", "jets-quickstart", "--out", str(out), "--track", "local"]) == 3
    assert "pip install 'naetrigger[mlflow]'" in capsys.readouterr().err
    assert not out.exists()


def test_the_numbers_of_a_report() -> None:
    report = Report.model_construct(
        checks=(
            Check(name="a", passed=True, value=1, limit=2),
            Check(name="b", passed=False, value=None, limit=2),
        ),
        auc=(
            Auc(
                signal="s", model="teacher", engine="torch", value=0.9, error=None, reweighted=True
            ),
            Auc(signal="s", model="input:x", engine="", value=0.6, error=None, reweighted=False),
        ),
        working_points=(),
        firmware=(
            FirmwareEstimate(target="rtl", source="estimate", lut=1200),
            *(
                FirmwareEstimate(target="hls Vitis", source="vendor", step=step, lut=lut)
                for step, lut in (("C synthesis", 900), ("logic synthesis", 700))
            ),
        ),
    )
    assert dict(report_metrics(report)) == {
        "checks/passed": 1,
        "checks/failed": 1,
        "auc/s/teacher/torch/reweighted": 0.9,
        "firmware/rtl/estimate/lut": 1200.0,
        "firmware/hls Vitis/vendor/C synthesis/lut": 900.0,
        "firmware/hls Vitis/vendor/logic synthesis/lut": 700.0,
    }
