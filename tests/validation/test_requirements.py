"""A recipe's own checks: met, failed, of what is not there, and settings that make no sense."""

from __future__ import annotations

import pytest

from naetrigger.contracts.errors import RecipeError
from naetrigger.pipeline.recipe import load_recipe
from naetrigger.validation.report.schema import Report, report_from_json
from naetrigger.validation.requirements import requirement_checks
from naetrigger.validation.settings import Requirement, ValidationSettings
from naetrigger.validation.stage import validate
from tests.validation.conftest import COLUMNS, SIGNALS, make_inputs

AT = 0.1


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("verdict") / "validation"
    settings = ValidationSettings(
        bootstrap_replicas=20,
        background_efficiencies=(AT,),
        require=(Requirement(figure="auc", of=SIGNALS[0], at_least=1.0),),
    )
    validate(settings, make_inputs(n=600), folder)
    return report_from_json((folder / "report.json").read_bytes())


def test_a_failed_requirement_fails_the_run(report: Report) -> None:
    (check,) = [c for c in report.checks if c.name.startswith("required: ")]
    assert check.name == f"required: auc of {SIGNALS[0]} (student), at least"
    assert not check.passed
    assert not report.passed
    by_engine = {(a.signal, a.engine): a.value for a in report.auc if a.model == "student"}
    assert check.value == by_engine[SIGNALS[0], "network"]


@pytest.mark.parametrize(
    ("figure", "of", "at"),
    [
        ("auc", SIGNALS[0], None),
        ("mean_efficiency", SIGNALS[0], None),
        ("efficiency", SIGNALS[0], AT),
        ("divergence", COLUMNS[0], AT),
        ("correlation", COLUMNS[0], None),
        ("lut", "rtl", None),
        ("latency_ns", "rtl", None),
    ],
)
def test_every_kind_of_figure_is_found_and_judged(
    report: Report, figure: str, of: str, at: float | None
) -> None:
    wanted = {"figure": figure, "of": of, "at": at}
    loose = Requirement.model_validate({**wanted, "at_most": 1e9})
    (check,) = requirement_checks(report, [loose])
    assert check.passed
    assert check.value is not None
    assert check.value >= 0
    exact = Requirement.model_validate({**wanted, "at_most": check.value})
    missed = Requirement.model_validate({**wanted, "at_most": check.value - 1e-6})
    assert [c.passed for c in requirement_checks(report, [exact, missed])] == [True, False]


def test_two_ends_of_a_figure_are_two_checks(report: Report) -> None:
    """Checks are told apart by their names, as between two runs."""
    ends = [Requirement(figure="lut", of="rtl", **{end: 1}) for end in ("at_least", "at_most")]
    checks = {c.name: c.passed for c in requirement_checks(report, ends)}
    assert checks == {
        "required: lut of rtl, at least": True,
        "required: lut of rtl, at most": False,
    }


def test_the_worst_of_several_tools_counts(report: Report) -> None:
    known = sorted(e.lut for e in report.firmware if e.target == "rtl" and e.lut is not None)
    assert known[0] < known[-1]
    most = Requirement(figure="lut", of="rtl", at_most=1e9)
    least = Requirement(figure="lut", of="rtl", at_least=0)
    assert [c.value for c in requirement_checks(report, [most, least])] == [known[-1], known[0]]


def test_what_the_report_does_not_have_has_failed_and_what_it_has_is_said(report: Report) -> None:
    (check,) = requirement_checks(report, [Requirement(figure="auc", of="axion", at_least=0.1)])
    assert (check.passed, check.value) == (False, None)
    assert all(signal in check.advice for signal in SIGNALS)


@pytest.mark.parametrize(
    ("require", "said"),
    [
        ("{figure: auc, of: top}", "one of at_least and at_most"),
        ("{figure: auc, of: top, at_least: 0.1, at_most: 1}", "one of at_least and at_most"),
        ("{figure: auc, of: top, at: 0.01, at_least: 0.1}", "auc has no `at`"),
        ("{figure: efficiency, of: top, at_least: 0.1}", "efficiency needs `at`"),
        ("{figure: efficiency, of: top, at: 0.02, at_least: 0.1}", "none of background_effic"),
        ("{figure: lut, of: rtl, at_most: 1}, {figure: lut, of: rtl, at_most: 2}", "stands twice"),
        ("{figure: lut, of: rtl, at_most: 1, model: teacher}", "lut has no `model`"),
        (
            "{figure: divergence, of: jet_pt, at: 0.01, at_most: 1, model: teacher}",
            "divergence is of the student's selection alone",
        ),
        (
            "{figure: correlation, of: jet_pt, at_most: 1, model: teacher}",
            "correlation is of the student's selection alone",
        ),
        ("{figure: taste, of: top, at_least: 0.1}", "figure"),
        ("{figure: auc, of: higgs, at_least: 0.1}", "none of data.signals"),
    ],
)
def test_requirements_that_make_no_sense_are_refused_before_training(
    require: str, said: str
) -> None:
    options = [f"validation.require=[{require}]", "data.signals=[svjt_2000_r03]"]
    with pytest.raises(RecipeError, match=said):
        load_recipe("jets-quickstart", options)
