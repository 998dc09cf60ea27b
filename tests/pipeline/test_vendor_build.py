"""Vendor tools, played by scripts on PATH: one that works, one that fails, ones that lie."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from naetrigger.contracts.errors import EnvironmentProblem, InputError
from naetrigger.contracts.manifest import (
    Manifest,
    StageRecord,
    read_manifest,
    record_files,
    write_manifest,
)
from naetrigger.export.hls_build import build_project
from naetrigger.pipeline.stages import VALIDATION
from naetrigger.pipeline.vendor_build import build, build_digests, built_figures

REPORT = """<profile>
<UserAssignments><TargetClockPeriod>5.00</TargetClockPeriod></UserAssignments>
<PerformanceEstimates>
<SummaryOfTimingAnalysis><EstimatedClockPeriod>3.65</EstimatedClockPeriod></SummaryOfTimingAnalysis>
<SummaryOfOverallLatency><Best-caseLatency>9</Best-caseLatency>
<Worst-caseLatency>11</Worst-caseLatency><Interval-min>1</Interval-min>
<Interval-max>1</Interval-max></SummaryOfOverallLatency></PerformanceEstimates>
<AreaEstimates><Resources><BRAM_18K>3</BRAM_18K><DSP>2</DSP><FF>1500</FF><LUT>7100</LUT></Resources>
<AvailableResources><DSP>100</DSP></AvailableResources></AreaEstimates></profile>
"""
PLACE = "anomaly_score_prj/solution1/syn/report"
WORKS = f"""mkdir -p {PLACE}
echo '<p><solutions><solution name="solution1"/></solutions></p>' > anomaly_score_prj/hls.app
cat > {PLACE}/anomaly_score_csynth.xml <<'END'
{REPORT}END
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What an export leaves of a project, as far as a build looks."""
    folder = tmp_path / "run" / "export" / "hls"
    folder.mkdir(parents=True)
    record = {"format": "naetrigger-hls", "version": 1, "project": "anomaly_score"}
    record |= {"backend": "Vitis", "clock_ns": 5.0}
    (folder / "hls.json").write_text(json.dumps(record))
    (folder / "project.tcl").write_text(
        'variable project_name\nset project_name "anomaly_score"\nvariable backend\n'
        'set backend "vitis"\n'
    )
    (folder / "build_prj.tcl").write_text("# what the tool runs\n")
    return folder


def files(source: Path) -> list[str]:
    return [path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()]


def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A vitis-run on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    path = folder / "vitis-run"
    path.write_text(f'#!/bin/sh\necho "$@" > arguments\n{script}')
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_a_tool_that_works(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path, monkeypatch, WORKS)
    (figures,) = build_project(source, files(source), tmp_path / "work", synthesis=False)
    assert (figures.latency_cycles, figures.initiation_interval) == (11, 1)
    assert (figures.lut, figures.ff, figures.dsp, figures.bram) == (7100, 1500, 2, 1.5)
    assert (figures.clock_ns, figures.tool, figures.step) == (3.65, "vitis-run", "C synthesis")
    said = (tmp_path / "work" / "arguments").read_text().split()
    assert said == ["--mode", "hls", "--tcl", "build_prj.tcl"]
    assert "synth 1" in (tmp_path / "work" / "build_opt.tcl").read_text()


def test_a_tool_that_fails_is_quoted(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path, monkeypatch, f"{WORKS}echo 'ERROR: [HLS 200] no license' >&2\nexit 3\n")
    with pytest.raises(EnvironmentProblem, match=r"status 3:\n.*no license"):
        build_project(source, files(source), tmp_path / "work", synthesis=False)


def test_a_tool_that_reports_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path, monkeypatch, "exit 0\n")
    with pytest.raises(EnvironmentProblem, match="without an error and left no report"):
        build_project(source, files(source), tmp_path / "work", synthesis=False)


def test_an_old_report_is_not_taken(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = f"touch -d 2020-01-01 {PLACE}/anomaly_score_csynth.xml\n"
    tool(tmp_path, monkeypatch, WORKS + old)
    with pytest.raises(EnvironmentProblem, match=r"csynth\.xml is older than the call"):
        build_project(source, files(source), tmp_path / "work", synthesis=False)


def test_a_torn_report_is_refused(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(
        tmp_path, monkeypatch, f"mkdir -p {PLACE}\necho '<prof' > {PLACE}/anomaly_score_csynth.xml"
    )
    with pytest.raises(EnvironmentProblem, match="hls4ml cannot read the reports of Vitis"):
        build_project(source, files(source), tmp_path / "work", synthesis=False)


def test_a_missing_tool_is_named(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="needs vitis-run or vitis_hls on PATH"):
        build_project(source, files(source), tmp_path / "work", synthesis=False)


@pytest.fixture
def run_folder(source: Path) -> Path:
    """A run whose export stands in its manifest; the report of an earlier call by hand does not."""
    root = source.parents[1]
    export = StageRecord("key", (), 0, {}, record_files(root / "export", "export"))
    write_manifest(root, Manifest({"export": export}))
    stale = source / PLACE
    stale.mkdir(parents=True)
    (stale / "anomaly_score_csynth.xml").write_text(REPORT)
    return root


def test_figures_belong_to_the_run_and_to_its_export(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = VALIDATION.extras(read_manifest(run_folder))
    tool(tmp_path, monkeypatch, WORKS)
    build(run_folder)
    (figures,) = built_figures(run_folder)
    assert figures["lut"] == 7100
    after = VALIDATION.extras(read_manifest(run_folder))
    assert before == {}
    assert list(after) == ["build/hls/vendor.json"], "the report is made anew with them"
    build(run_folder)
    assert len(built_figures(run_folder)) == 1
    manifest = read_manifest(run_folder)
    (run_folder / "export" / "hls" / "more.h").write_text("// another export\n")
    export = StageRecord("key2", (), 0, {}, record_files(run_folder / "export", "export"))
    write_manifest(run_folder, Manifest({**manifest.stages, "export": export}))
    assert build_digests(read_manifest(run_folder)) == {}
    assert built_figures(run_folder) == []


def test_a_report_from_before_is_no_part_of_the_build(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path, monkeypatch, "echo hello\nexit 0\n")
    with pytest.raises(EnvironmentProblem, match="left no report") as raised:
        build(run_folder)
    assert built_figures(run_folder) == []
    log = run_folder / "build-failed" / "hls" / "build.log"
    assert str(log.parent) in str(raised.value)
    assert log.read_text() == "hello\n"


def test_an_unknown_project_is_named(run_folder: Path) -> None:
    with pytest.raises(InputError, match=r"no HLS project 'hls_x' in the export \(there is hls\)"):
        build(run_folder, ["hls_x"])
