"""docs/cli.md lists every command of the program, and none besides."""

from __future__ import annotations

import re
from typing import Any

import typer

from naetrigger.pipeline.cli import app
from tests.docs.blocks import DOCS, read_page


def commands(group: Any, before: str = "") -> set[str]:
    """Names of all commands, those of groups with their group's."""
    return {
        name
        for key, command in group.commands.items()
        for name in (
            commands(command, f"{key} ") if hasattr(command, "commands") else {f"{before}{key}"}
        )
    }


def listed(text: str, groups: set[str]) -> set[str]:
    """The commands that lines of the synopsis begin with."""
    found = re.findall(r"^naetrigger (\w+) (\w+)?", text, re.MULTILINE)
    return {f"{a} {b}" if a in groups else a for a, b in found}


def test_the_list_is_the_programs() -> None:
    root: Any = typer.main.get_command(app)
    groups = {key for key, command in root.commands.items() if hasattr(command, "commands")}
    synopsis = read_page(DOCS / "cli.md").blocks[0]
    assert "naetrigger run RECIPE" in synopsis.text
    assert listed(synopsis.text, groups) == commands(root)


def test_a_command_that_is_not_there_is_seen() -> None:
    assert listed("naetrigger fly RUN\nnaetrigger data info X\n", {"data"}) == {"fly", "data info"}
