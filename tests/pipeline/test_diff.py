"""What changed between two runs: every section, shared resamples, other versions, exit status."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from naetrigger import firmware_configs
from naetrigger.contracts.errors import InputError
from naetrigger.contracts.manifest import Manifest, StageRecord, record_files, write_manifest
from naetrigger.firmware_configs.board import load_board
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.diffing import diff_runs
from naetrigger.validation.budget import budget_checks
from naetrigger.validation.efficiency import auc_replicas, resample_counts, scored, spread
from naetrigger.validation.paired_auc import paired_auc_error
from naetrigger.validation.report.schema import FirmwareEstimate

RECIPE = "recipes/jets-quickstart.yaml"
REPORT: dict[str, Any] = {
    "format": "naetrigger-report",
    "version": 1,
    "metadata": {"score": "mse", "score_scale": 0.5, "score_format": "ufixed<8,4>"},
    "checks": [
        {"name": "latency", "passed": True, "value": 9.0, "limit": 10.0, "unit": "cycles"},
        {"name": "agreement", "passed": True, "value": 1.0, "limit": 1.0},
        {"name": "saturation", "passed": False, "value": 0.2, "limit": 0.1},
    ],
    "auc": [
        {"signal": "top", "model": "student", "engine": "network", "value": 0.9, "error": 0.03}
    ],
    "working_points": [
        {"model": "student", "target": 0.01, "threshold_hw": 50, "threshold_float": 25.0,
         "background_efficiency": 0.0099, "low": 0.009, "high": 0.011,
         "signals": [{"signal": "top", "efficiency": 0.3, "low": 0.28, "high": 0.32}]},
        {"model": "pca", "target": 0.01, "threshold_hw": None, "threshold_float": 1.0,
         "background_efficiency": 0.0099, "low": 0.009, "high": 0.011},
    ],
    "firmware": [
        {"target": "rtl", "source": "yosys", "lut": 1000, "latency_ns": 45.0, "tool": "t"}
    ],
}  # fmt: skip


def changed(**values: Any) -> dict[str, Any]:
    return {**json.loads(json.dumps(REPORT)), **values}


def write_run(root: Path, report: dict[str, Any] | None = None, scores: int | None = None) -> Path:
    """A run folder with little in it but its documents."""
    for stage in ("data", "export", "validation"):
        (root / stage).mkdir(parents=True)
    write_events(root / "data" / "test.h5", 1.0)
    (root / "recipe.yaml").write_text("name: demo\nstudent: {bits: 6, layers: [8, 4]}\nseed: 1\n")
    bits = [{"bit": 0, "threshold_hw": 40, "training_background_efficiency": 0.01}]
    decision = {"format": "naetrigger-decision", "version": 1, "bits": bits}
    (root / "export" / "decision.json").write_text(json.dumps(decision))
    if report is not None:
        (root / "validation" / "report.json").write_text(json.dumps(report))
    if scores is not None:
        write_scores(root / "validation" / "scores.h5", scores)
    record(root)
    return root


def write_events(path: Path, value: float) -> None:
    with h5py.File(path, "w") as file:
        file["values"] = [value]


def record(root: Path, version: str = "1.0") -> None:
    names = [path.name for path in root.iterdir() if path.is_dir()]
    versions = {"numpy": version, "naetrigger": "0.1.0"}
    stages = {n: StageRecord("0", (), 0, versions, record_files(root / n, n)) for n in names}
    write_manifest(root, Manifest(stages))


def write_scores(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        file.attrs["processes"] = ["qcd", "top"]
        for name, role, n in (("qcd", "background", 400), ("top", "signal", 200)):
            group = file.create_group(name)
            group.attrs["role"] = role
            group["weights"], group["event_ids"] = np.ones(n), np.arange(n, dtype=np.uint64)
            mean = 60 if role == "signal" else 50
            common = np.random.default_rng(0).normal(mean, 10, n)  # what both runs see
            group["scores/student/network"] = np.rint(common + rng.normal(size=n)).astype(np.int64)
        file["top"]["background_weights"] = np.linspace(1, 2, 400)


def test_a_run_and_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = write_run(tmp_path / "a", REPORT)
    shutil.copytree(a, tmp_path / "b")
    found = diff_runs(a, tmp_path / "b")
    assert found.same
    assert found.notes == ()
    assert run_command_line(["diff", str(a), str(tmp_path / "b")]) == 0
    assert "the runs are the same" in capsys.readouterr().out


def test_a_password_in_a_recipe_is_not_shown(tmp_path: Path) -> None:
    a, b = (write_run(tmp_path / name, REPORT) for name in "ab")
    with (b / "recipe.yaml").open("a") as text:
        text.write('search: {storage: "postgresql://me:secret@host/db"}\n')
    (difference,) = diff_runs(a, b).recipe
    assert difference.b == "postgresql://me:***@host/db"


def test_every_section(tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", REPORT)
    report = changed(metadata={"score": "mse", "score_scale": 0.25, "score_format": "ufixed<8,4>"})
    report["checks"][0].update(passed=False, value=12.0)
    report["checks"][2].update(passed=True, value=0.05)
    report["auc"][0].update(value=0.85, error=0.04)
    report["working_points"][0].update(threshold_hw=55)
    report["working_points"][0]["signals"][0].update(efficiency=0.2, low=0.19, high=0.22)
    report["firmware"][0].update(lut=1200)
    b = write_run(tmp_path / "b", report)
    (b / "recipe.yaml").write_text(
        "name: demo\nstudent: {bits: 8, layers: [8, 4]}\nnew: 1\nseed: 1\n"
    )
    rate = {
        "requested_khz": 1,
        "threshold_hw": 77,
        "test": {"rate_khz": 0.9, "interval_68": [0.8, 1]},
    }
    rates = {"format": "naetrigger-rates", "version": 1, "rates": [rate]}
    (b / "validation" / "rates.json").write_text(json.dumps(rates))
    record(b, "2.0")
    found = diff_runs(a, b)
    assert found.worse == ("latency",)
    assert {(s.key, s.a, s.b) for s in found.recipe} == {("student.bits", 6, 8), ("new", None, 1)}
    assert [(s.key, s.a, s.b) for s in found.packages] == [("numpy", "1.0", "2.0")]
    assert [(s.key, s.b) for s in found.about] == [("score_scale", 0.25)]
    assert [(s.stage, s.files_changed, s.only_b) for s in found.stages] == [("validation", 1, 1)]
    assert {c.name: c.change for c in found.checks} == {
        "latency": "fails now",
        "saturation": "passes now",
    }
    (auc,) = found.auc
    assert auc.difference == pytest.approx(-0.05)
    assert auc.error == pytest.approx(0.05)  # in quadrature: no scores to resample
    assert auc.sigma == pytest.approx(-1)
    assert not auc.paired
    points = {point.point: point for point in found.thresholds}
    assert set(points) == {"student, background 0.01", "1 kHz"}
    assert points["student, background 0.01"].threshold_b == 55
    (kept,) = points["student, background 0.01"].signals
    assert (kept.signal, kept.a, kept.b) == ("top", 0.3, 0.2)
    assert (kept.interval_a, kept.interval_b) == ((0.28, 0.32), (0.19, 0.22))
    assert (points["1 kHz"].kept_b, points["1 kHz"].interval_b) == (0.9, (0.8, 1.0))
    assert [(f.quantity, f.a, f.b) for f in found.firmware] == [("lut", 1000, 1200)]


def test_steps_of_a_vendors_tool_are_compared_each_with_its_own(tmp_path: Path) -> None:
    for name, luts in (("a", (900, 700)), ("b", (900, 650))):
        estimates = [
            FirmwareEstimate(target="hls Vitis", source="vendor", step=step, lut=lut)
            for step, lut in zip(("C synthesis", "logic synthesis"), luts, strict=True)
        ]
        firmware = [estimate.model_dump(mode="json") for estimate in estimates]
        write_run(tmp_path / name, changed(firmware=firmware))
        write_run(tmp_path / f"turned {name}", changed(firmware=firmware[::-1]))
    for other in ("b", "turned b"):
        (found,) = diff_runs(tmp_path / "a", tmp_path / other).firmware
        assert (found.source, found.a, found.b) == ("vendor, logic synthesis", 700, 650)


@pytest.mark.parametrize(("levels", "status"), [(6, 0), (8, 0), (40, 1)])
def test_a_depth_that_changes_is_the_same_check(tmp_path: Path, levels: int, status: int) -> None:
    board = load_board("vu13p-5ns")
    assert board.lut_level_ns is not None
    for name, n in (("a", 8), ("b", levels)):
        depth = {"lut_levels": n, "lut_level_ns": board.lut_level_ns.value}
        estimate = FirmwareEstimate(target="rtl", source="yosys", **depth)
        (check,) = budget_checks([estimate], board)
        write_run(tmp_path / name, changed(checks=[check.model_dump(mode="json")]))
    assert run_command_line(["diff", str(tmp_path / "a"), str(tmp_path / "b")]) == status


def test_the_command_fails_where_a_check_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = write_run(tmp_path / "a", REPORT)
    b = write_run(tmp_path / "b", changed(checks=REPORT["checks"][1:]))
    assert run_command_line(["diff", str(a), str(b)]) == 1
    assert "worse: latency: passes in a, not in b" in capsys.readouterr().out
    assert run_command_line(["diff", str(b), str(a)]) == 0  # a new check that passes
    assert run_command_line(["diff", str(a), str(b), "--json"]) == 1
    capsys.readouterr()
    assert run_command_line(["diff", str(a), str(b), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["exit_status"], document["worse"]) == (1, ["latency"])


def test_an_auc_that_one_run_alone_has_is_shown(tmp_path: Path) -> None:
    more = [*REPORT["auc"], {**REPORT["auc"][0], "signal": "higgs", "value": 0.8}]
    a, b = write_run(tmp_path / "a", REPORT), write_run(tmp_path / "b", changed(auc=more))
    for runs, value in (((a, b), (None, 0.8)), ((b, a), (0.8, None))):
        (auc,) = diff_runs(*runs).auc
        assert (auc.signal, auc.a, auc.b, auc.difference, auc.sigma) == (
            "higgs",
            *value,
            None,
            None,
        )


def test_the_page_has_every_section_and_marks_what_is_lost(tmp_path: Path) -> None:
    report = changed()
    report["auc"][0].update(value=0.85, error=0.04)
    report["checks"][0].update(passed=False, value=12.0)
    a, b = write_run(tmp_path / "a", REPORT), write_run(tmp_path / "b", report)
    page = tmp_path / "changes.html"
    assert run_command_line(["diff", str(a), str(b), "--html", str(page)]) == 1
    text = page.read_text()
    assert "FAILED" in text
    assert "latency: passes in a, not in b" in text
    assert text.count('class="failed"') == 1
    for title in ("Checks", "AUC", "Stages"):
        assert f"<h2>{title}</h2>" in text
    assert "<h2>Firmware</h2>" not in text  # nothing of it differs
    assert text.count("<svg") == 1
    assert run_command_line(["diff", str(b), str(b), "--html", str(page)]) == 0
    assert "the runs are the same" in page.read_text()


def test_a_page_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = write_run(tmp_path / "a", REPORT)
    page = a / "recipe.yaml" / "changes.html"
    assert run_command_line(["diff", str(a), str(a), "--html", str(page)]) == 2
    assert f"{page.parent}: " in capsys.readouterr().err


def test_errors_are_those_of_shared_resamples_where_events_are_the_same(tmp_path: Path) -> None:
    report = changed()
    report["auc"][0]["value"] = 0.89
    a = write_run(tmp_path / "a", REPORT, scores=1)
    b = write_run(tmp_path / "b", report, scores=2)
    (auc,) = diff_runs(a, b).auc
    assert auc.paired
    assert auc.error is not None
    assert 0 < auc.error < 0.01  # apart they are known to 0.03
    write_events(b / "data" / "test.h5", 2.0)
    record(b)
    assert not diff_runs(a, b).auc[0].paired


def test_torn_scores_are_refused(tmp_path: Path) -> None:
    report = changed()
    report["auc"][0]["value"] = 0.89
    a = write_run(tmp_path / "a", REPORT, scores=1)
    b = write_run(tmp_path / "b", report, scores=2)
    scores = b / "validation" / "scores.h5"
    scores.write_bytes(scores.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"b/validation/scores\.h5: not readable .*make it anew"):
        diff_runs(a, b)


def test_the_paired_error_is_the_spread_of_differences(tmp_path: Path) -> None:
    write_scores(tmp_path / "a.h5", 1)
    write_scores(tmp_path / "b.h5", 2)
    error = paired_auc_error(
        tmp_path / "a.h5", tmp_path / "b.h5", "top", "student", "network", replicas=2000
    )
    ids = [np.arange(n, dtype=np.uint64) for n in (400, 200)]
    rng = np.random.default_rng(99)
    counts = (resample_counts(ids[0], 2000, rng), resample_counts(ids[1], 2000, rng))
    values = []
    for name in ("a.h5", "b.h5"):
        with h5py.File(tmp_path / name) as file:
            background = scored(
                file["qcd/scores/student/network"][:], file["top/background_weights"][:], ids[0]
            )
            signal = scored(file["top/scores/student/network"][:], None, ids[1])
        values.append(auc_replicas(background, signal, counts))
    assert error == pytest.approx(spread(values[1] - values[0]), rel=0.1)
    assert paired_auc_error(tmp_path / "a.h5", tmp_path / "b.h5", "top", "teacher", "torch") is None


def test_a_run_without_a_verdict_has_lost_every_check(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a", REPORT), write_run(tmp_path / "b")
    found = diff_runs(a, b)
    assert found.worse == ("latency", "agreement")
    assert found.auc == ()
    assert any("not validated" in note for note in found.notes)
    assert diff_runs(b, a).worse == ()


def test_edited_files_are_said(tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", REPORT)
    shutil.copytree(a, tmp_path / "b")
    (tmp_path / "b" / "validation" / "report.json").write_text(json.dumps(changed(auc=[])))
    assert "report.json: truncated" in diff_runs(a, tmp_path / "b").notes[0]


def test_a_verdict_of_another_export_is_said(tmp_path: Path) -> None:
    """Else a run that was exported anew passes by the checks of the old one."""
    a, b = write_run(tmp_path / "a", REPORT), write_run(tmp_path / "b", REPORT)
    rates = {"format": "naetrigger-rates", "version": 1, "run_manifest_sha256": "0"}
    (b / "validation" / "rates.json").write_text(json.dumps(rates))
    (b / "recipe.yaml").write_text((files(firmware_configs) / RECIPE).read_text())
    said = diff_runs(a, b).notes
    assert [note.partition(": ")[0] for note in said] == [str(b)] * 2
    assert "of another export; naetrigger run" in said[0]
    assert "rates.json is that of another export" in said[1]


@pytest.mark.parametrize(
    "report",
    [
        {"checks": [1]},
        {"metadata": [1]},
        {"auc": [{"signal": "s", "model": "student", "engine": "network", "value": "high"}]},
        {"working_points": [{"model": "student"}]},
        {"board": 3},
    ],
)
def test_reports_that_are_none_are_refused(tmp_path: Path, report: dict[str, Any]) -> None:
    a, b = write_run(tmp_path / "a", REPORT), write_run(tmp_path / "b", changed(**report))
    with pytest.raises(InputError, match=r"/b: .*report\.json.* not what this program writes"):
        diff_runs(a, b)


def test_reports_with_fewer_and_more_keys_are_read(tmp_path: Path) -> None:
    older = {key: value for key, value in REPORT.items() if key not in ("firmware", "auc")}
    a = write_run(tmp_path / "a", older)
    b = write_run(tmp_path / "b", changed(something_new=[1]))
    assert diff_runs(a, b).worse == ()


@pytest.mark.parametrize(
    ("path", "text", "match"),
    [
        ("validation/report.json", '{"format": "naetrigger-report", "version": 9}', "version 9"),
        ("validation/report.json", '{"format": "other"}', "expected naetrigger-report"),
        ("validation/report.json", "{", "make it anew"),
        ("recipe.yaml", "- a", "expected a mapping"),
        ("recipe.yaml", "a: [", r"recipe\.yaml: not valid YAML"),
        ("manifest.json", '{"format": "naetrigger-run", "version": 7}', "version 7"),
    ],
)
def test_other_documents_are_refused(tmp_path: Path, path: str, text: str, match: str) -> None:
    a, b = write_run(tmp_path / "a", REPORT), write_run(tmp_path / "b", REPORT)
    (b / path).write_text(text)
    with pytest.raises(InputError, match=match):
        diff_runs(a, b)


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such run folder"):
        diff_runs(tmp_path / "nothing", tmp_path)
