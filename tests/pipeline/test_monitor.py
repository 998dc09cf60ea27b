"""Watching files: the reference, flags, constant memory's chunks, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import re
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events, write_events
from naetrigger.contracts.manifest import Manifest, StageRecord, record_files, write_manifest
from naetrigger.contracts.workers import Here
from naetrigger.firmware_configs.input_spec import InputSpec, load_input_spec
from naetrigger.pipeline import engines, monitoring
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.monitoring import MonitorOptions, _names, monitor_files, physical_inputs
from naetrigger.validation.monitor_page import flag_lines
from naetrigger.validation.monitor_schema import MonitorReport, Physical

_spec = importlib.util.spec_from_file_location(
    "small_run", Path(__file__).with_name("small_run.py")
)
assert _spec is not None
assert _spec.loader is not None
small_run: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(small_run)

N = 3000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = small_run.make_run(tmp_path_factory.mktemp("run") / "run")
    signal = replace(small_run.crossings(200, seed=9, process="odd"), role="signal")
    write_events(root / "data" / "test.h5", [small_run.crossings(N, seed=8), signal])
    (root / "validation").mkdir()
    points = [
        {"model": model, "target": 0.1, "threshold_hw": hw, "threshold_float": 368.75}
        for model, hw in (("student", 1475), ("teacher", None), ("pca", None))
    ]
    report = {"format": "naetrigger-report", "version": 1, "working_points": points}
    (root / "validation" / "report.json").write_text(json.dumps(report))
    rate = {"requested_khz": 1, "threshold_hw": 1800}
    rates = {"run_manifest_sha256": "of another export", "rates": [rate]}
    (root / "validation" / "rates.json").write_text(json.dumps(rates))
    bits = [{"bit": 0, "threshold_hw": 1475}]
    decision = {"format": "naetrigger-decision", "version": 1, "bits": bits}
    (root / "export" / "decision.json").write_text(json.dumps(decision))
    names = ("data", "training", "student", "export")
    stages = {n: StageRecord("0", (), 0, {}, record_files(root / n, n)) for n in names}
    write_manifest(root, Manifest(stages))
    return root


def written(folder: Path, events: Events | list[Events], name: str = "events.h5") -> Path:
    write_events(folder / name, events if isinstance(events, list) else [events])
    return folder / name


def broken() -> Events:
    """The first jet has the second's pt, a muon phi is stuck, MET is half as large again."""
    events = small_run.crossings(N, seed=11)
    values = events.values.copy()
    values[:, events.columns.index("jet1_pt")] = values[:, events.columns.index("jet2_pt")]
    values[:, events.columns.index("mu1_phi")] = 7
    met = events.columns.index("met_pt")
    values[:, met] = np.minimum(np.floor(values[:, met] * 1.5), 400)
    return replace(events, values=values)


def test_the_same_crossings_pass(run: Path, tmp_path: Path) -> None:
    file = written(tmp_path, small_run.crossings(N, seed=10))
    report = monitor_files(run, [file], tmp_path / "out")
    assert report.passed
    assert (report.reference, report.reference_events) == ("test.h5", N)  # without its signal
    assert report.tests == 4 * 58 + 2
    assert [f.point for f in report.files[0].fractions] == ["background 0.1", "bit 0"]
    assert "rates.json is of another export" in report.notes[0]
    assert "working points are those of a validation of other settings" in report.notes[1]
    assert 0 < report.files[0].fractions[0].reference < 1
    saved = (tmp_path / "out" / "monitor.json").read_text()
    assert MonitorReport.model_validate_json(saved) == report
    page = (tmp_path / "out" / "monitor.html").read_text()
    assert "nothing is flagged" in page
    assert not re.search(r'(?:src|href)="(?!#)', page)


def test_what_is_broken_is_named_and_nothing_else(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = written(tmp_path, broken(), "bad.h5")
    good = written(tmp_path, small_run.crossings(N, seed=10), "good.h5")
    out = tmp_path / "out"
    asked = ["monitor", str(run), str(good), str(bad), "--out", str(out), "--workers", "1"]
    assert run_command_line(asked) == 1
    said = capsys.readouterr().out
    assert "flagged: " not in said  # a table says it
    assert re.search(r"mu1_phi +dead", said)
    assert not said.endswith("(replaced)\n")
    assert run_command_line([*asked, "--quiet"]) == 1
    said = capsys.readouterr().out
    assert "flagged: bad.h5: mu1_phi: dead" in said
    assert "flagged: good.h5" not in said
    assert said.endswith("monitor.html (replaced)\n")
    assert "FAILED: 1 of 2 files" in said
    report = MonitorReport.model_validate_json((out / "monitor.json").read_text())
    flags = {drift.name: drift.flags for drift in report.files[1].flagged}
    assert set(flags) - {"score"} == {"jet1_pt", "mu1_phi", "met_pt"}
    assert "dead" in flags["mu1_phi"]
    assert (out / "monitor.html").read_text().count("<svg") >= 5  # scores, and what is flagged
    alone = ["monitor", str(run), str(good), "--out", str(out), "--workers", "1", "--json"]
    assert run_command_line(alone) == 0
    assert json.loads(capsys.readouterr().out)["files"][0]["file"] == "good.h5"


def test_chunks_do_not_show(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, small_run.crossings(9000, seed=10))
    whole = monitor_files(run, [file], tmp_path / "a")
    monkeypatch.setattr("naetrigger.pipeline.score_stream.MAX_ROWS", 4096)
    cut = monitor_files(run, [file], tmp_path / "b")
    assert cut == whole


def test_the_order_in_which_workers_finish_does_not_show(
    run: Path, tmp_path: Path, teacher: type[Teacher], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first chunk settles the bins of scores that are floats."""
    file = written(tmp_path, small_run.crossings(9000, seed=10))
    options = MonitorOptions(engine="torch", reference=file)
    monkeypatch.setattr("naetrigger.pipeline.score_stream.MAX_ROWS", 4096)
    one = monitor_files(run, [file], tmp_path / "a", options)
    as_finished = monitoring.score_stream

    def late(*args: Any, **kwargs: Any) -> list[Any]:
        return list(as_finished(*args, **kwargs))[::-1]

    monkeypatch.setattr(monitoring, "score_stream", late)
    assert monitor_files(run, [file], tmp_path / "b", options) == one


def test_another_reference(run: Path, tmp_path: Path) -> None:
    file = written(tmp_path, broken())
    report = monitor_files(run, [file], tmp_path / "out", MonitorOptions(reference=file))
    assert report.passed
    assert report.reference == "events.h5"


def test_a_large_file_with_a_small_shift_passes(run: Path, tmp_path: Path) -> None:
    """MET that is some steps higher in one event of twelve: significant, and small."""
    reference = written(tmp_path, small_run.crossings(12_000, seed=12), "reference.h5")
    events = small_run.crossings(12_000, seed=13)
    values = events.values.copy()
    values[::12, 0] += 12
    file = written(tmp_path, replace(events, values=values))
    lenient = MonitorOptions(reference=reference)
    report = monitor_files(run, [file], tmp_path / "out", lenient)
    met = next(drift for drift in report.files[0].inputs if drift.name == "met_pt")
    assert met.p < 0.01
    assert met.flags == ()
    assert 0.01 < met.wasserstein < 0.1


class Teacher:
    """Floats, the sum of all magnitudes; of 77 events the same for each, or no numbers."""

    value = 7.0

    def __init__(self, root: Path) -> None:
        del root

    def scores(self, inputs: Any) -> Any:
        if inputs.shape[0] == 77:
            return np.full(77, self.value)
        return np.abs(inputs).sum(axis=1) / 16


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch) -> type[Teacher]:
    """A float engine, in this process."""
    kind = replace(engines.ENGINES["torch"], files=(), load=Teacher)
    monkeypatch.setitem(engines.ENGINES, "torch", kind)

    @contextmanager
    def alone(task: Any, count: int) -> Any:
        del count
        yield Here(task)

    monkeypatch.setattr("naetrigger.pipeline.score_stream.working", alone)
    monkeypatch.setattr(Teacher, "value", 7.0)
    return Teacher


def test_scores_of_a_teacher(run: Path, tmp_path: Path, teacher: type[Teacher]) -> None:
    options = MonitorOptions(engine="torch")
    good = written(tmp_path, small_run.crossings(N, seed=10), "good.h5")
    constant = written(tmp_path, small_run.crossings(77, seed=10), "constant.h5")
    report = monitor_files(run, [good, constant], tmp_path / "out", options)
    assert [file.passed for file in report.files] == [True, False]
    assert "constant" in report.files[1].score.flags
    teacher.value = np.nan
    with pytest.raises(InputError, match="77 scores are NaN or infinite, the first in row 0"):
        monitor_files(run, [constant], tmp_path / "out", options)


def test_means_are_told_in_the_units_of_the_events(run: Path, tmp_path: Path) -> None:
    """Of a hardware integer of half a GeV, and of what the host takes the logarithm of."""
    events = broken()
    (file,) = monitor_files(run, [written(tmp_path, events)], tmp_path / "out").files
    met = next(drift for drift in file.inputs if drift.name == "met_pt")
    column = events.values[:, events.columns.index("met_pt")].astype(float)
    lsb = next(f.lsb for f in load_input_spec("l1-57-pt").features if f.name == "met_pt")
    assert lsb is not None
    expected = lsb * np.average(column, weights=events.weights)
    assert met.means[1] == pytest.approx(expected, abs=0.5)  # half a bin of its histogram
    assert met.shift is not None
    (line,) = (line for line in flag_lines(file) if ": met_pt: " in line)
    assert f"-> {met.means[1]:.4g} GeV ({met.shift:+.2f} sigma)" in line
    features = [
        {"name": "ht", "offline": "log", "offset": 5.0, "shift": -1, "unit": "GeV"},
        {
            "name": "phi",
            "lsb": 0.1,
            "bits": 6,
            "period": 64,
            "unit": "rad",
            "offset": 0,
            "shift": 3,
        },
    ]
    spec = InputSpec.model_validate(
        {"name": "s", "description": "", "source": "", "features": features}
    )
    log = Physical(quantity="log(ht)", offset=5.0, factor=0.5)
    assert physical_inputs(spec) == {"ht": log}


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"alpha": 1.0}, "--alpha: must be between 0 and 1"),
        ({"min_effect": -1.0}, "--min-effect: must not be negative"),
        ({"process": "ttbar"}, "--process ttbar: not in .*has zero_bias"),
        ({"engine": "hls"}, "is missing, which engine 'hls' reads"),
        ({"engine": "nothing"}, "no engine 'nothing'"),
    ],
)
def test_options_that_cannot_be(
    run: Path, tmp_path: Path, options: dict[str, Any], match: str
) -> None:
    file = written(tmp_path, small_run.crossings(100, seed=10))
    with pytest.raises(InputError, match=match):
        monitor_files(run, [file], tmp_path / "out", MonitorOptions(**options))


def test_files_that_cannot_be_watched(run: Path, tmp_path: Path) -> None:
    def refused(match: str, *paths: Path) -> None:
        with pytest.raises(InputError, match=match):
            monitor_files(run, paths, tmp_path / "out")
        assert not (tmp_path / "out" / "monitor.json").exists()

    events = small_run.crossings(100, seed=10)
    refused("no files")
    refused("no such file", tmp_path / "nothing.h5")
    one = written(tmp_path, small_run.crossings(1, seed=10), "one.h5")
    refused("one.h5: 1 events .* needs at least 50", one)
    (tmp_path / "empty.csv").write_text(",".join(events.columns) + "\n")
    refused("no events|no rows|empty", tmp_path / "empty.csv")
    names = tuple(name.replace("met", "ecal") for name in events.columns)
    other = written(tmp_path, replace(events, columns=names), "other.h5")
    refused("met_pt", other)
    physical = written(tmp_path, replace(events, units=("cm",) * 57), "unit.h5")
    refused("unit", physical)


def test_a_signal_alone_is_watched_where_no_background_is(run: Path, tmp_path: Path) -> None:
    events = replace(small_run.crossings(500, seed=10, process="odd"), role="signal")
    report = monitor_files(run, [written(tmp_path, events)], tmp_path / "out")
    assert report.files[0].processes == {"odd": 500}


def test_a_run_without_its_test_sample(tmp_path: Path) -> None:
    root = small_run.make_run(tmp_path / "run")
    file = written(tmp_path, small_run.crossings(100, seed=10))
    with pytest.raises(InputError, match=r"test\.h5"):
        monitor_files(root, [file], tmp_path / "out")


def test_files_of_one_name_are_told_apart() -> None:
    assert _names([Path("a/x.h5"), Path("b/y.h5")]) == ["x.h5", "y.h5"]
    assert _names([Path("a/x.h5"), Path("b/x.h5")]) == ["a/x.h5", "b/x.h5"]
