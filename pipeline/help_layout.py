"""How the help of commands is laid out."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup


class _Plain:
    """Typer shows flags as `--quiet <bool>`, its own `--help` among them, and arguments with types
    that break in a narrow terminal."""

    def get_params(self, ctx: Any) -> list[Any]:
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if param.param_type_name == "argument":
                param.metavar = param.metavar or param.name.upper()
                param.display_type_rich = _nothing
            elif param.is_flag and param.metavar is None:
                param.metavar = ""
        return params


def _nothing(**context: Any) -> None:
    """The type of an argument, whose name and help say what it is."""


class Command(_Plain, TyperCommand):
    """A command."""


class Group(_Plain, TyperGroup):
    """A group of commands."""


RUN = "Run"
LOOK = "Look at a run"
USE = "Use a run"
FIRMWARE = "Firmware"
DATA = "Data and models"
"""Panels of `naetrigger --help`."""
