"""What a reader of the report's page meets first, and what is folded or left out."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from naetrigger.contracts.progress import Silent
from naetrigger.validation.baselines import fit_pca
from naetrigger.validation.comparison import compare
from naetrigger.validation.report.build import _pca_note, build_report
from naetrigger.validation.report.figures import report_figures
from naetrigger.validation.report.html import key_numbers, render_page
from naetrigger.validation.report.schema import Check, DecisionBit, Report
from naetrigger.validation.settings import ValidationSettings

QUICK = ValidationSettings(bootstrap_replicas=20)
BIT = DecisionBit(
    bit=0,
    target=0.01,
    threshold_hw=2829,
    training_background_efficiency=0.0098,
    background_efficiency=0.0136,
    low=0.0115,
    high=0.0160,
)
RARE = BIT.model_copy(
    update={"bit": 1, "target": 0.0001, "background_efficiency": 1e-4, "low": 0.0, "high": 4e-4}
)


@pytest.fixture(scope="module")
def report(inputs: Any) -> Report:
    return build_report(compare(QUICK, inputs(n=600, signals=("svj",))))


def changed(report: Report, **fields: Any) -> Report:
    return report.model_copy(update=fields)


def section(page: str, name: str) -> str:
    """The text from a heading to the next."""
    return page.split(f'<h2 id="{name}">')[1].split("<h2 ")[0]


def test_the_headline_has_the_threshold_that_the_firmware_holds(report: Report) -> None:
    (key,) = (
        k for k in key_numbers(changed(report, decision=(RARE, BIT))) if "hreshold" in k.title
    )
    assert key.title == "Firmware's threshold for background 0.01"  # the rare one is hardly known
    assert key.value == "2,829"
    assert key.comment == "bit 0 fires on 0.0136 ± 0.0023 of the test background"
    (key,) = (k for k in key_numbers(report) if "hreshold" in k.title)
    assert key.title.startswith("Threshold for background")


def test_working_points_say_what_they_were_set_on(report: Report) -> None:
    points = section(render_page(report), "points")
    assert "set on the background of the test sample" in points
    assert "#decision" not in points
    points = section(render_page(changed(report, decision=(BIT,))), "points")
    assert points.index('<a href="#decision">') < points.index('<h3 id="decision">')
    assert "0.0136 ± 0.0023" in points


def test_checks_are_folded_only_where_all_hold(report: Report) -> None:
    assert report.passed
    assert re.match(r"Checks</h2>\s*<details>", section(render_page(report), "checks"))
    failed = Check(name="lut", passed=False, value=3, limit=2)
    broken = changed(report, passed=False, checks=(*report.checks, failed))
    assert re.match(r"Checks</h2>\s*<details open>", section(render_page(broken), "checks"))


def test_one_signal_needs_no_table_over_all(report: Report, inputs: Any) -> None:
    low = section(render_page(report), "low")
    assert "Over all signals" not in low
    assert "<details open>" in low
    two = build_report(compare(QUICK, inputs(n=600, signals=("svj", "leptoquark"))))
    assert "Over all signals" in section(render_page(two), "low")


def test_a_column_for_reweighting_only_where_it_is_wanted(report: Report) -> None:
    assert "<th>reweighted</th>" in section(render_page(report), "auc")
    plain = changed(report, metadata=report.metadata.model_copy(update={"reweight": None}))
    assert "reweighted" not in section(render_page(plain), "auc").split("<details>")[0]


def test_figures_are_named_while_they_are_drawn(
    report: Report, inputs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    listener = Silent()
    monkeypatch.setattr(listener, "start", lambda label, total: told.append((label, total)))
    found = compare(QUICK, inputs(n=600, signals=("svj",)))
    assert next(iter(report_figures(report, found, listener))).name == "auc"
    assert told == [("figures: summary", 8)]


def test_components_that_leave_one_direction_are_no_rival() -> None:
    x = np.random.default_rng(1).normal(size=(200, 4))
    assert "no rival" in _pca_note(fit_pca(x, components=3))
    assert "no rival" not in _pca_note(fit_pca(x, components=2))
