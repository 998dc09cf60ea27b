"""Every check that a report can hold is explained, and names settings that exist."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from naetrigger.firmware_configs.board import load_board
from naetrigger.pipeline.recipe import Recipe
from naetrigger.validation.report.explanations import EXPLANATIONS, explanation
from naetrigger.validation.report.schema import Report, report_from_json
from naetrigger.validation.settings import Requirement, ValidationSettings
from naetrigger.validation.stage import validate
from tests.validation.conftest import make_inputs

DEPTH = {"source": "yosys", "lut_levels": 3, "lut_level_ns": 0.3}
BIT = {
    "bit": 0,
    "background_efficiency_target": 0.1,
    "threshold_hw": 2000,
    "training_background_efficiency": 0.1,
    "training_low": 0.09,
    "training_high": 0.11,
}
SECTIONS = "student|validation|firmware|model"
SETTING = re.compile(rf"(?:{SECTIONS})(?:\.\w+)+")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """With every kind of check: models of each kind, and firmware held against a board."""
    folder = tmp_path_factory.mktemp("verdict")
    plain = make_inputs(n=600, decision=[BIT])
    counted = plain.firmware[0].model_copy(update=DEPTH)
    inputs = replace(plain, firmware=(*plain.firmware, counted))
    wanted = Requirement(figure="auc", of="nothing", at_least=0.5)
    settings = ValidationSettings(bootstrap_replicas=20, require=(wanted,))
    validate(settings, inputs, folder / "validation")
    return report_from_json((folder / "validation" / "report.json").read_bytes())


def test_every_check_of_a_report_is_explained(report: Report) -> None:
    names = [(check.name, check.unit) for check in report.checks]
    assert len(names) > 5
    assert [name for name, unit in names if explanation(name, unit) is None] == []


def test_every_explanation_is_of_a_check(report: Report) -> None:
    """None is left over from a check that is gone."""
    used = {explanation(check.name, check.unit) for check in report.checks}
    assert {known.begins for known in EXPLANATIONS if known not in used} == set()


def test_a_check_that_nobody_knows_is_not_explained() -> None:
    assert explanation("taste of the report", "") is None
    assert explanation("agreement a = b", "of moons") is None


@pytest.mark.parametrize("known", EXPLANATIONS, ids=lambda known: f"{known.begins} {known.unit}")
def test_settings_that_are_named_exist(known: object) -> None:
    text = " ".join(map(str, vars(known).values()))
    for name in SETTING.findall(text):
        place: object = Recipe()
        for part in name.split("."):
            assert hasattr(place, part), name
            place = getattr(place, part)
    board = load_board("vu13p-5ns")
    for name in re.findall(r"budget\.(\w+)", text.replace("limits.budget", "")):
        assert hasattr(board.budget, name)
    for name in ("lut_level_ns", "latency_cutoff"):
        assert hasattr(board, name)
