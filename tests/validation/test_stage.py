"""The whole verdict on synthetic runs: what passes, what must fail, what is written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import h5py
import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed
from naetrigger.firmware_configs.board import load_board
from naetrigger.validation import comparison
from naetrigger.validation.comparison import compare
from naetrigger.validation.report.build import build_report
from naetrigger.validation.report.html import (
    check_groups,
    measured,
    number,
    percent,
    plain,
    render_html,
    render_page,
)
from naetrigger.validation.report.schema import (
    FirmwareEstimate,
    PairAgreement,
    Report,
    report_from_json,
    report_to_json,
)
from naetrigger.validation.settings import Limits, ValidationSettings
from naetrigger.validation.stage import validate

QUICK = ValidationSettings(bootstrap_replicas=30)
SMALL = {"n": 600, "signals": ("svj", "leptoquark")}


def _report(inputs, settings=QUICK) -> Report:
    return build_report(compare(settings, inputs))


def _failed(report: Report) -> set[str]:
    return {check.name for check in report.failed_checks}


@pytest.fixture(scope="module")
def run(inputs, tmp_path_factory):
    """A passing run, written."""
    folder = tmp_path_factory.mktemp("validation")
    return validate(QUICK, inputs(**SMALL), folder), folder


def test_a_good_run_passes(run):
    report, _ = run
    assert report.passed, _failed(report)
    assert {check.name.split()[0] for check in report.checks} == {
        "agreement", "saturated", "rank", "AUC", "budget",
    }  # fmt: skip


def test_every_model_and_baseline_has_an_auc_on_every_signal(run):
    report, _ = run
    for signal in ("svj", "leptoquark"):
        entries = [entry for entry in report.auc if entry.signal == signal]
        models = {entry.model for entry in entries}
        assert {"teacher", "student", "mahalanobis", "input:mass", "input:axis_minor"} <= models
        assert all(entry.error and entry.reweighted for entry in entries)
        best = [entry for entry in entries if entry.best_single_input]
        assert len(best) == 1
        singles = [entry.value for entry in entries if entry.model.startswith("input:")]
        assert best[0].value == max(singles)
        assert min(singles) < 0.5  # a wrong direction is reported as it is


def test_paired_errors_are_smaller_than_independent_ones(run):
    report, _ = run
    errors = {(e.signal, e.model): e.error for e in report.auc}
    for difference in report.auc_differences:
        if (difference.a, difference.b) == ("teacher", "student"):
            both = [errors[difference.signal, m] for m in ("teacher", "student")]
            assert difference.error < 0.7 * np.hypot(*both)


def test_teacher_and_student_are_paired_with_every_baseline(run):
    report, _ = run
    models = {entry.model for entry in report.auc} - {"teacher", "student"}
    pairs = {(d.a, d.b) for d in report.auc_differences if d.signal == "svj"}
    wanted = {(model, other) for model in ("teacher", "student") for other in models}
    assert pairs == wanted | {("teacher", "student")}
    values = {(e.signal, e.model): e.value for e in report.auc}
    for d in report.auc_differences:
        assert d.error is not None
        assert d.value == pytest.approx(values[d.signal, d.a] - values[d.signal, d.b])


def test_a_baseline_that_beats_the_teacher_is_noted(run):
    report, _ = run
    beaten = {d.b for d in report.auc_differences if d.a == "teacher" and d.value < -2 * d.error}
    models = {entry.model for entry in report.auc} - {"student", "teacher"}
    for model in models:
        noted = any(note.startswith(f"{model} has a larger AUC") for note in report.notes)
        assert noted == (model in beaten and not model.startswith("input:"))


def test_working_points_are_at_or_below_their_target(run):
    report, _ = run
    for point in report.working_points:
        if point.background_efficiency is not None:
            assert 0 < point.background_efficiency <= point.target
            assert point.low < point.background_efficiency < point.high
        assert (point.threshold_hw is not None) == (
            point.model == "student" and point.background_efficiency is not None
        )
        assert point.rate_khz is None
    assert any(not point.reliable and point.note for point in report.working_points)


def test_rates_follow_the_crossing_rate(inputs):
    report = _report(inputs(**SMALL, crossing_rate_khz=28_600.0))
    for point in report.working_points:
        if point.background_efficiency is not None:
            assert point.rate_khz == pytest.approx(28_600 * point.background_efficiency)


def test_the_same_inputs_give_the_same_bytes(inputs, run, tmp_path):
    _, folder = run
    validate(QUICK, inputs(**SMALL), tmp_path)
    for name in ("report.json", "report.html", "scores.h5"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "report.html", "scores.h5"}


def test_report_json_round_trips_and_fits_its_schema(run):
    report, folder = run
    text = (folder / "report.json").read_text()
    assert report_from_json(text) == report
    assert report_to_json(report) == text
    properties = Report.model_json_schema()["properties"]
    assert set(json.loads(text)) == set(properties)
    assert json.loads(text)["version"] == 1


def test_foreign_json_is_refused(run):
    _, folder = run
    foreign = json.loads((folder / "report.json").read_text()) | {"version": 2}
    with pytest.raises(ValueError, match="version"):
        report_from_json(json.dumps(foreign))


def test_scores_are_written_as_they_came(inputs, run):
    _, folder = run
    given = inputs(**SMALL)
    with h5py.File(folder / "scores.h5") as file:
        assert file.attrs["format"] == "naetrigger-test-scores"  # not that of `naetrigger score`
        network = file["svj/scores/student/network"]
        assert network.dtype == np.int64
        assert np.array_equal(network, given.scores["student"]["network"]["svj"])
        assert network.attrs["scale"] == given.score_scale
        assert file["svj/background_weights"].shape == (600,)
        assert file["tt"].attrs["role"] == "background"
        assert "mahalanobis" in file["tt/scores"]


def _with_scores(inputs, model, engine, change):
    """The same run with one engine's background scores changed."""
    given = inputs(**SMALL)
    engines = {name: dict(scores) for name, scores in given.scores[model].items()}
    engines[engine] = {**engines[engine], "tt": change(engines[engine]["tt"].copy())}
    return inputs(**SMALL, scores={**given.scores, model: engines})


def _bump(event):
    def change(scores):
        scores[event] += 1
        return scores

    return change


def test_one_lsb_in_one_engine_fails(inputs):
    report = _report(_with_scores(inputs, "student", "hls", _bump(11)))
    assert _failed(report) == {
        "agreement student/network = student/hls (test sample)",
        "agreement student/qkeras = student/hls (test sample)",
        "agreement student/hls = student/rtlsim (test sample)",
    }
    assert not report.passed


def test_a_drifting_onnx_teacher_fails(inputs):
    report = _report(_with_scores(inputs, "teacher", "onnx", lambda s: s * (1 + 1e-4)))
    assert _failed(report) == {"agreement teacher/torch = teacher/onnx (test sample)"}


def test_a_disagreement_of_the_export_fails(inputs):
    pair = PairAgreement(
        a="student/network", b="student/rtl", n=9, exact_fraction=0.9, expectation="exact"
    )
    assert _failed(_report(inputs(**SMALL, agreement=[pair]))) == {
        "agreement student/network = student/rtl"
    }


def test_a_noisy_student_fails_rank_and_auc(inputs):
    report = _report(inputs(**SMALL, student_noise=1.5))
    assert any(name.startswith("rank correlation") for name in _failed(report))
    assert "AUC lost by the student on leptoquark" in _failed(report)


def test_a_saturated_score_fails_and_its_working_points_are_refused(inputs):
    narrow = Fixed(False, 7, 1)
    given = inputs(**SMALL)
    engines = {
        engine: {process: np.minimum(s, narrow.max_mantissa) for process, s in scores.items()}
        for engine, scores in given.scores["student"].items()
    }
    scores = {**given.scores, "student": engines}
    report = _report(inputs(**SMALL, score_format=narrow, scores=scores))
    assert "saturated scores in the background" in _failed(report)
    refused = [p for p in report.working_points if p.model == "student" and p.target < 0.02]
    assert len(refused) == 2
    for point in refused:
        assert point.threshold_hw is None
        assert "saturates" in point.note
    assert any("saturates" in note for note in report.notes)


def test_a_broken_budget_fails_unless_switched_off(inputs):
    estimate = FirmwareEstimate(target="rtl", source="vendor", lut=10_000_000)
    given = inputs(**SMALL, firmware=[estimate])
    assert _failed(_report(given)) == {"budget lut of rtl (vendor)"}
    off = ValidationSettings(bootstrap_replicas=30, limits=Limits(budget=False))
    assert _report(given, off).passed


def test_no_signals(inputs, tmp_path):
    report = validate(QUICK, inputs(n=400, signals=()), tmp_path)
    assert report.passed
    assert report.auc == ()
    assert report.auc_differences == ()
    assert any("no signals" in note for note in report.notes)
    assert len(report.working_points) == 12  # of teacher, student, mahalanobis, pca
    assert "no signals" in (tmp_path / "report.html").read_text()


def test_no_reweighting_column(inputs):
    report = _report(inputs(**SMALL, reweight="jet_mass"))
    assert not any(entry.reweighted for entry in report.auc)
    assert sum("'jet_mass' is missing" in note for note in report.notes) == 2


def test_no_reweighting_wanted(inputs):
    report = _report(inputs(**SMALL, reweight=None))
    assert not any(entry.reweighted for entry in report.auc)
    assert any("no reweighting column is set" in note for note in report.notes)


def test_reweighting_takes_away_what_pt_gave(inputs):
    """The mass grows with pT here: its AUC must fall once the background follows in pT."""
    values = {
        column: [
            entry.value
            for entry in _report(inputs(n=1500, reweight=column)).auc
            if entry.model == "input:mass" and entry.signal == "dijet resonance"
        ]
        for column in ("jet_pt", None)
    }
    assert values["jet_pt"][0] < values[None][0] - 0.01


def test_a_teacher_alone(inputs):
    given = inputs(**SMALL)
    report = _report(inputs(**SMALL, scores={"teacher": given.scores["teacher"]}, agreement=()))
    assert report.saturation == ()
    assert any("no student scores" in note for note in report.notes)
    assert render_page(report)


def test_no_board_and_no_estimates(inputs):
    report = _report(inputs(**SMALL, board=None, firmware=()))
    assert not any(check.name.startswith("budget") for check in report.checks)
    assert any("No board" in note for note in report.notes)
    unstated = _report(inputs(**SMALL, firmware=()))
    assert any("unchecked" in note for note in unstated.notes)


def test_another_clock_is_pointed_out(inputs):
    report = _report(inputs(**SMALL, board=load_board("vu13p-2.8ns")))
    assert any("clock of 5 ns" in note for note in report.notes)


def test_several_backgrounds_are_joined(inputs):
    given = inputs(**SMALL)
    events = list(given.events)
    events[1] = type(events[1])(**{**events[1].__dict__, "role": "background"})
    report = _report(inputs(**SMALL, events=events))
    assert {entry.signal for entry in report.auc} == {"leptoquark"}


def test_all_problems_of_the_inputs_are_named_at_once(inputs):
    given = inputs(**SMALL)
    broken = {"teacher": {"torch": {"tt": np.zeros(5), "svi": np.zeros(3)}}, "student": {}}
    with pytest.raises(InputError) as caught:
        inputs(**SMALL, scores=broken, inputs={"tt": given.inputs["tt"][:4]})
    for part in (
        "teacher/torch: no process 'svi'; did you mean 'svj'?",
        "teacher/torch: 'tt' needs shape (600,), got (5,)",
        "teacher/torch: 'leptoquark' needs shape (200,), got (0,)",
        "model 'student' has no engine",
        "inputs: process 'tt' has 600 events, got 4 rows",
        "inputs: process 'svj' is missing",
    ):
        assert part in str(caught.value)


def test_background_is_needed(inputs):
    given = inputs(**SMALL)
    with pytest.raises(InputError, match="no background"):
        inputs(**SMALL, events=given.events[1:])


class _Page(HTMLParser):
    """Tags must nest and close; notes ids, links and figures."""

    VOID = frozenset({"meta", "br", "img", "link", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self._note(attrs)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self._note(attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def _note(self, attrs):
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            elif name in ("src", "srcset", "data", "action"):
                self.fetched.append(value)
            elif name in ("href", "xlink:href"):
                self.links.append(value)


@pytest.fixture(scope="module")
def page(inputs, tmp_path_factory):
    """The page with every figure there is."""
    path = tmp_path_factory.mktemp("curves") / "curves.csv"
    path.write_text("step,positive_energy,negative_energy\n0,1.0,2.0\n1,0.5,\n2,0.4,1.0\n")
    comparison = compare(QUICK, inputs(**SMALL, curves=path))
    text = render_html(build_report(comparison), comparison)
    parser = _Page()
    parser.feed(text)
    return text, parser


def test_the_page_is_well_formed(page):
    _, parser = page
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))


def test_the_page_fetches_nothing(page):
    text, parser = page
    assert parser.fetched == []
    assert all(link.startswith("#") for link in parser.links)
    assert {link[1:] for link in parser.links} <= set(parser.ids)
    assert not {"script", "link", "iframe", "img", "object", "embed"} & set(parser.tags)
    assert not re.search(r"@import|url\(\s*['\"]?(?!#)", text)
    assert set(re.findall(r"https?://[^\s\"'<]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }  # names of XML namespaces


def test_every_figure_is_there(page):
    _, parser = page
    captions = {i.removeprefix("caption-") for i in parser.ids if i.startswith("caption-")}
    assert captions == {
        "auc", "agreement", "roc-svj", "roc-leptoquark", "scores-teacher-0", "scores-student-0",
        "profile", "resources", "curves", "selection", "turn-on-jet-pt-0",
    }  # fmt: skip
    assert parser.tags.count("svg") == len(captions)


def test_the_page_says_what_failed(inputs):
    report = _report(_with_scores(inputs, "student", "hls", _bump(3)))
    text = render_page(report)
    assert "FAILED" in text
    assert text.index("student/network = student/hls") < text.index('id="checks"')


def test_checks_of_one_kind_stand_in_one_group(inputs):
    good = _report(inputs(**SMALL))
    groups = check_groups(good.checks)
    assert sorted(c.name for g in groups for c in g.checks) == sorted(c.name for c in good.checks)
    titles = [group.title for group in groups]
    assert "AUC lost by the student on 2 signals" in titles
    assert any(title.startswith("agreement of student engines network, ") for title in titles)
    assert len(titles) < len(good.checks)
    assert not any(group.failed for group in groups)


def test_a_group_shows_its_failures_first_and_its_worst_value(inputs):
    report = _report(_with_scores(inputs, "student", "hls", _bump(3)))
    group = check_groups(report.checks)[0]
    assert {c.name for c in group.checks if not c.passed} == _failed(report)
    assert 0 < group.failed < len(group.checks)
    assert group.worst.value == min(check.value for check in group.checks)


def test_names_are_escaped(inputs):
    text = render_page(_report(inputs(**SMALL, recipe="<script>alert(1)</script>")))
    assert "<script" not in text


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.73928, 0.00312, "0.7393 ± 0.0031"),
        (186.0, 7.54, "186.0 ± 7.5"),
        (1234.0, 56.0, "1234 ± 56"),
        (0.5, None, "0.5"),
        (0.5, 0.0, "0.5"),
        (None, None, "–"),
    ],
)
def test_values_with_errors(value, error, text):
    assert measured(value, error) == text


def test_a_percentage_below_100_never_reads_100():
    assert [percent(x) for x in (1.0, 0.5, 0.9987, 1 - 1 / 8000, 1 - 1e-7, None)] == [
        "100%", "50%", "99.9%", "99.9875%", "99.99999%", "–",
    ]  # fmt: skip


def test_numbers():
    assert [number(x) for x in (None, 18600, 0.00071234, 1.0)] == ["–", "18,600", "0.0007123", "1"]


def test_an_error_has_two_digits():
    assert [plain(x) for x in (113.2, 41.0, 0.456, 1.2e-7, 1e12)] == [
        "110", "41", "0.46", "1.2e-07", "1e+12",
    ]  # fmt: skip


def test_settings_and_schema_are_light():
    """The command line reads them before it knows whether anything will be drawn."""
    code = (
        "import sys, naetrigger.validation.settings, naetrigger.validation.report.schema;"
        "print({'scipy', 'matplotlib', 'jinja2', 'mplhep'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_settings_refuse_nonsense():
    for bad in (
        {"background_efficiencies": [0.1, 0.1]},
        {"background_efficiencies": [1.5]},
        {"bootstrap_replicas": 1},
        {"limits": {"student_spearman": 2}},
        {"bootstraps": 100},
    ):
        with pytest.raises(ValueError):
            ValidationSettings.model_validate(bad)
    assert ValidationSettings(background_efficiencies=(0.001, 0.1)).background_efficiencies == (
        0.1,
        0.001,
    )


def test_of_many_inputs_the_leading_ones_have_rows(inputs, monkeypatch, tmp_path):
    """Each signal's best is among them, with the AUC that it has when all are shown."""
    full = validate(QUICK, inputs(**SMALL), tmp_path / "full")
    monkeypatch.setattr(comparison, "MOST_INPUTS", 4)
    monkeypatch.setattr(comparison, "LEADING_INPUTS", 3)
    few = validate(QUICK, inputs(**SMALL), tmp_path / "few")

    def singles(report):
        return [entry for entry in report.auc if entry.model.startswith("input:")]

    assert full.inputs_left_out == 0
    assert few.inputs_left_out == 8 - len({entry.model for entry in singles(few)}) >= 4
    assert all(entry in singles(full) for entry in singles(few))
    for report in (full, few):
        assert {e.signal for e in singles(report) if e.best_single_input} == {
            e.signal for e in report.auc
        }
    assert "Leading single inputs" in (tmp_path / "few" / "report.html").read_text()
    assert "Each single input" in (tmp_path / "full" / "report.html").read_text()


def test_bits_of_the_firmware_s_decision_are_measured_on_the_test_sample(inputs, tmp_path):
    student = inputs(**SMALL).scores["student"]["network"]
    threshold = int(np.quantile(student["tt"], 0.9))
    entry = {
        "bit": 0,
        "background_efficiency_target": 0.1,
        "threshold_hw": threshold,
        "training_background_efficiency": 0.099,
        "training_low": 0.097,
        "training_high": 0.101,
    }
    report = validate(QUICK, inputs(**SMALL, decision=[entry]), tmp_path)
    (bit,) = report.decision
    assert (bit.threshold_hw, bit.target) == (threshold, 0.1)
    assert bit.background_efficiency == pytest.approx(np.mean(student["tt"] >= threshold), rel=0.2)
    assert bit.low < bit.background_efficiency < bit.high
    assert [signal.signal for signal in bit.signals] == [name for name in student if name != "tt"]
    assert "The decision in firmware" in (tmp_path / "report.html").read_text()
    assert _report(inputs(**SMALL)).decision == ()
