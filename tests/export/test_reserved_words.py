"""Names of projects that would be broken C++, Verilog or VHDL are refused before anything runs."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from naetrigger.export.reserved_words import CPP, VERILOG, VHDL
from naetrigger.export.rtl import PRIMITIVES
from naetrigger.export.settings import FirmwareSettings


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("int", "C++"),
        ("main", "C++"),
        ("module", "Verilog"),
        ("reg", "Verilog"),
        ("process", "VHDL"),
        ("Signal", "VHDL"),
        ("model_inp", "the generated code"),
        ("logic12", "the generated code"),
        ("input_t", "the generated code"),
    ],
)
def test_words_of_a_language_are_no_names(name: str, language: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(f"must be no word of {language}")):
        FirmwareSettings(project=name)


@pytest.mark.parametrize("name", ["anomaly__score", "score_"])
def test_names_that_vhdl_has_not_are_refused_where_it_is_written(name: str) -> None:
    with pytest.raises(ValidationError, match="as no name in VHDL has"):
        FirmwareSettings(project=name)
    assert FirmwareSettings(project=name, languages=("verilog",)).project == name


@pytest.mark.parametrize("name", ["anomaly_score", "Int", "processor", "l1_v5", "logic_score"])
def test_other_names_are_free(name: str) -> None:
    assert FirmwareSettings(project=name).project == name


def test_modules_of_the_design_are_no_names() -> None:
    for path in PRIMITIVES.glob("*.v"):
        with pytest.raises(ValidationError, match="the generated code"):
            FirmwareSettings(project=path.stem)


def test_the_lists_are_words() -> None:
    for words in (CPP, VERILOG, VHDL):
        assert all(re.fullmatch("[a-z_0-9]+", word) for word in words.split())
        assert len(set(words.split())) == len(words.split()) > 80
