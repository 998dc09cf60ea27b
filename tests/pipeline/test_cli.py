"""Every command and option, and the exit status of every way to end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from naetrigger.contracts.errors import EnvironmentProblem, TrainingDiverged
from naetrigger.firmware_configs.shipped import find, shipped_names
from naetrigger.pipeline import cli, run
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.list_command import FILES, Kind

COMMANDS = [
    "run",
    "train",
    "export",
    "validate",
    "report",
    "show",
    "list",
    "data info",
    "data spec",
]


@pytest.fixture(autouse=True)
def beside_the_recipe(tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_recipe.parent)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["--help"]) == 0
    said = capsys.readouterr().out
    for command in COMMANDS:
        assert command.split()[0] in said


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line([*command.split(), "--help"]) == 0
    assert "--debug" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["--version"]) == 0
    assert capsys.readouterr().out.startswith("naetrigger 0.")


@pytest.mark.parametrize(
    "arguments", [["fly"], ["run"], ["run", "tiny.yaml", "--fast"], ["list", "planets"]]
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(arguments) == 2
    assert "Usage:" in capsys.readouterr().err


def test_finished_run_is_kept(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["run", "tiny.yaml", "--out", str(finished_run)]) == 0
    captured = capsys.readouterr()
    assert "passed: all" in captured.out
    assert f"report: {finished_run / 'validation' / 'report.html'}" in captured.out
    assert "peak memory" in captured.out
    for stage in ("data", "training", "student", "export", "validation"):
        assert f"{stage}: up to date" in captured.err


def test_quiet(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["validate", "tiny.yaml", "--out", str(finished_run), "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "peak memory" not in captured.out


@pytest.mark.parametrize(
    ("command", "stages"), [("train", 2), ("export", 4), ("validate", 5), ("run", 5)]
)
def test_json(
    command: str, stages: int, finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line([command, "tiny.yaml", "--out", str(finished_run), "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert captured.err == ""
    assert document["exit_status"] == 0
    assert [stage["action"] for stage in document["stages"]] == ["kept"] * stages
    assert document["peak_memory_mb"] > 10
    assert ("passed" in document) == (stages == 5)


def test_default_folder_and_override(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shutil.copy("tiny.yaml", tmp_path)
    arguments = ["train", "tiny.yaml", "--set", "name=named", "--set", "objective.steps=10"]
    try:
        assert run_command_line(arguments) == 0
        assert "run folder: runs/named" in capsys.readouterr().out
        kept = yaml.safe_load(Path("runs/named/recipe.yaml").read_text())
        assert kept["objective"]["steps"] == 10
        assert kept["validation"]["limits"]["budget"] is True  # every value is written out
    finally:
        shutil.rmtree("runs", ignore_errors=True)


def test_failed_check(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "run"
    shutil.copytree(finished_run, root)
    strict = ["--set", "validation.limits.student_spearman=1"]
    assert run_command_line(["run", "tiny.yaml", "--out", str(root), *strict]) == 1
    captured = capsys.readouterr()
    assert "failed: 1 of" in captured.out
    assert "rank correlation" in captured.out
    assert "recipe: validation.limits.student_spearman: was -1" in captured.err
    assert run_command_line(["report", str(root)]) == 1
    assert run_command_line(["run", "tiny.yaml", "--out", str(root), *strict, "--json"]) == 1
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert document["exit_status"] == 1
    assert len(document["failed_checks"]) == 1


def test_report(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["report", str(finished_run)]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.read_text(encoding="utf-8").lstrip().startswith("<!")
    assert run_command_line(["report", str(finished_run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == "naetrigger-report"


def test_show(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["show", str(finished_run)]) == 0
    said = capsys.readouterr().out
    for word in ("validation", "done", "AUC", "teacher", "noise", "rtl", "checks:"):
        assert word in said
    assert run_command_line(["show", str(finished_run), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document["states"].values()) == {"done"}
    assert document["passed"] is True


@pytest.mark.parametrize("command", [["report"], ["show"], ["show", "--explain", "all"]])
def test_an_outdated_verdict_is_warned_of(
    command: list[str], finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_command_line([*command, str(finished_run)])
    assert "outdated" not in capsys.readouterr().err
    root = finished_run.with_name("changed")  # beside it: the recipe names its sources from there
    shutil.copytree(finished_run, root)
    text = (root / "recipe.yaml").read_text(encoding="utf-8")
    (root / "recipe.yaml").write_text(text.replace("steps: 60", "steps: 61"), encoding="utf-8")
    try:
        run_command_line([*command, str(root)])
    finally:
        shutil.rmtree(root)
    said = " ".join(capsys.readouterr().err.split())
    assert "the verdict is outdated: training, student, export, validation do not belong" in said


@pytest.mark.parametrize("command", ["show", "report"])
def test_no_run_folder(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line([command, str(tmp_path)]) == 2
    assert "not a run folder" in capsys.readouterr().err
    assert run_command_line([command, str(tmp_path / "absent")]) == 2


def test_unfinished_run_has_no_report(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "run"
    assert run_command_line(["train", "tiny.yaml", "--out", str(root), "--quiet"]) == 0
    assert run_command_line(["report", str(root)]) == 2
    assert "stage 'validation' is not finished" in capsys.readouterr().err
    assert run_command_line(["show", str(root)]) == 0
    assert "not run" in capsys.readouterr().out
    assert (root / "training" / "teacher.safetensors").read_bytes() == (
        finished_run / "training" / "teacher.safetensors"
    ).read_bytes()


@pytest.mark.parametrize("kind", [k for k in Kind if k not in (Kind.schema, Kind.keys)])
def test_list(kind: Kind, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["list", kind.value]) == 0
    assert "name" in capsys.readouterr().out
    assert run_command_line(["list", kind.value, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows
    assert all(row["name"] for row in rows)
    assert kind is Kind.samples or all(row["description"] for row in rows)


def test_a_signal_of_several_samples_is_listed_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["list", "signals", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    names = [row["name"] for row in rows]
    assert len(set(names)) == len(names)
    (found,) = [row["description"] for row in rows if row["name"] == "a_4l"]
    assert found.endswith("[calo-regions, l1-objects]")


def test_list_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["list", "schema"]) == 0
    assert "objective" in json.loads(capsys.readouterr().out)["properties"]
    assert run_command_line(["list", "boards", "--of", "report"]) == 2
    assert "only `list schema` takes it" in capsys.readouterr().err


@pytest.mark.parametrize("kind", FILES)
def test_list_prints_a_shipped_file(kind: Kind, capsys: pytest.CaptureFixture[str]) -> None:
    for name in shipped_names(kind.value):
        assert run_command_line(["list", kind.value, name]) == 0
        text = capsys.readouterr().out
        assert text == find(kind.value, name)[0]
        assert run_command_line(["list", kind.value, name, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == yaml.safe_load(text)
    assert run_command_line(["list", kind.value, "nothing"]) == 2
    assert f"no shipped {kind.value[:-1]} 'nothing'" in capsys.readouterr().err


def test_what_has_no_file_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["list", "engines", "torch"]) == 2
    assert "takes no name, got 'torch'" in capsys.readouterr().err


def test_data_info(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in ("background.csv", str(finished_run / "data" / "test.h5")):
        assert run_command_line(["data", "info", file]) == 0
        said = capsys.readouterr().out
        assert "median" in said
    assert run_command_line(["data", "info", "signal.csv", "--json"]) == 0
    (process,) = json.loads(capsys.readouterr().out)["processes"]
    assert (process["events"], len(process["columns"])) == (200, 4)
    assert run_command_line(["data", "info", "absent.h5"]) == 2
    assert "no such file" in capsys.readouterr().err


def test_data_spec(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run_command_line(["data", "spec", "background.csv", "--name", "mine"]) == 0
    document = yaml.safe_load(capsys.readouterr().out)
    assert document["name"] == "mine"
    assert [feature["name"] for feature in document["features"]] == ["a", "b", "c", "d"]
    assert run_command_line(["data", "spec", "background.csv", "--offline", "e=log"]) == 2
    assert "--offline e: not a column" in capsys.readouterr().err
    assert run_command_line(["data", "spec", "background.csv", "--offline", "a=sqrt"]) == 2
    assert "--offline a=sqrt: expected COLUMN=STEP" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        "compare run x.h5",
        "data generate zero_bias --events 5 --out x.h5",
        "monitor run x.h5",
        "rates run x.h5",
        "score run x.h5 --out s.h5",
        "search l1-objects",
    ],
)
def test_no_worker_at_all_is_refused(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It would be waited for, for ever."""
    monkeypatch.chdir(tmp_path)
    assert run_command_line([*command.split(), "--workers", "0"]) == 2
    assert "--workers: must be 1 to 1024, got 0" in capsys.readouterr().err


def fail_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(run, "_up_to_date", fail)


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (EnvironmentProblem("no disk"), 3, "error: no disk\n"),
        (TrainingDiverged("loss is nan"), 1, "error: loss is nan\n"),
        (ZeroDivisionError("oops"), 3, "unexpected ZeroDivisionError: oops"),
        (KeyboardInterrupt(), 130, "the same command goes on in"),
    ],
)
def test_exit_status(
    error: BaseException,
    status: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fail_with(error, monkeypatch)
    arguments = ["train", "tiny.yaml", "--out", str(tmp_path / "run")]
    assert run_command_line(arguments) == status
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err
    assert len(captured.err.splitlines()) < 10


def test_error_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "tiny.yaml", "--set", "seed=-1", "--out", str(tmp_path / "r"), "--json"]
    assert run_command_line(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err == ""
    document = json.loads(captured.out)
    assert document == {"exit_status": 2, "error": "--set seed: must be >= 0, got -1"}


def test_wrong_usage_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["list", "planets", "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "planets" in json.loads(captured.out)["error"]


def test_debug_shows_the_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(ZeroDivisionError("oops"), monkeypatch)
    arguments = ["train", "tiny.yaml", "--out", str(tmp_path / "run"), "--debug"]
    assert run_command_line(arguments) == 3
    assert "Traceback" in capsys.readouterr().err


def test_main_leaves_with_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["run", "absent.yaml"])
    assert left.value.code == 2


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("nan", "a,b\n1,2\n3,nan\n", "line 3: column 'b': must be a finite number, got 'nan'"),
        ("columns", "a,b\n1,2\n3,4,5\n", "line 3: expected 2 columns"),
        ("text", "a,b\n1,x\n", "column 'b': must be a number, got 'x'"),
        ("few", "a,b\n1,2\n3,4\n", "at least 20 are needed"),
    ],
)
def test_bad_data(
    name: str, text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"{name}.csv").write_text(text)
    (tmp_path / "r.yaml").write_text(f"data: {{source: {tmp_path}/{name}.csv}}")
    arguments = ["run", str(tmp_path / "r.yaml"), "--out", str(tmp_path / "run")]
    assert run_command_line(arguments) == 2
    assert said in capsys.readouterr().err
