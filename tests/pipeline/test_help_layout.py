"""What `--help` shows, and in how many columns."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer

from naetrigger.pipeline import terminal
from naetrigger.pipeline.cli import app, run_command_line
from naetrigger.pipeline.help_layout import DATA, FIRMWARE, LOOK, RUN, USE


def paths(group: Any, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command and group."""
    found = [before]
    for name, command in getattr(group, "commands", {}).items():
        found += paths(command, (*before, name))
    return found


COMMANDS = paths(typer.main.get_command(app))


def help_of(
    *command: str,
    columns: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", columns)
    assert run_command_line([*command, "--help"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_flag_takes_no_value_and_a_list_is_no_type(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = help_of(*command, columns=100, monkeypatch=monkeypatch, capsys=capsys)
    assert "<bool>" not in said
    assert "<list" not in said
    assert "--help" in said


def test_kinds_are_whole_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = help_of("list", columns=90, monkeypatch=monkeypatch, capsys=capsys)
    words = re.findall(r"\w+", said)
    assert {"KIND", "recipes", "objectives", "processes", "schema", "monitor"} <= {*words}


def test_commands_stand_in_panels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = help_of(columns=100, monkeypatch=monkeypatch, capsys=capsys)
    panels = [said.index(f"─ {name} ─") for name in (RUN, LOOK, USE, FIRMWARE, DATA)]
    assert panels == sorted(panels)
    assert "─ Commands ─" not in said
    for command in COMMANDS:
        if len(command) == 1:
            assert said.index(f"│ {command[0]} ") > panels[0]


def test_a_narrow_terminal_leaves_sources_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["list", "objectives"]) == 0
    assert "arXiv" in capsys.readouterr().out  # into a pipe
    monkeypatch.setattr(terminal, "is_narrow", lambda: True)
    assert run_command_line(["list", "objectives"]) == 0
    said = capsys.readouterr().out
    assert "arXiv" not in said
    assert "regression" in said
