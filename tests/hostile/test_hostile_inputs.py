"""Every hostile input: no traceback, no silent acceptance, the right exit status and message."""

from __future__ import annotations

from pathlib import Path

import pytest

from naetrigger.pipeline.cli import run_command_line
from tests.hostile import (
    event_file_cases,
    import_cases,
    recipe_cases,
    run_folder_cases,
    streaming_cases,
)
from tests.hostile.case import DEFECT, Case, listing

TABLES = (recipe_cases, event_file_cases, streaming_cases, run_folder_cases, import_cases)
CASES: list[Case] = [case for table in TABLES for case in table.CASES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_hostile_input(
    case: Case, working_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case.make(working_folder)
    before = listing(working_folder)
    status = run_command_line(case.arguments)
    captured = capsys.readouterr()
    said = captured.out + captured.err
    assert not [word for word in DEFECT if word in said], said
    assert (status, case.said in said) == (case.status, True), f"{status}: {said}"
    left = {name for name in listing(working_folder) - before if not name.startswith(case.leaves)}
    assert not left or status == 0


def test_the_table_is_long_and_each_line_is_one() -> None:
    assert len(CASES) >= 200
    assert len({case.name for case in CASES}) == len(CASES)
