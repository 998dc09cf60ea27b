"""Paths in a recipe: relative ones are looked up beside the recipe's file.

Once read, a recipe holds absolute paths. The run folder keeps it with paths relative to itself,
so it can be run again from there, and folder and data can be moved together.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from naetrigger.training.data.settings import FILE_SUFFIXES

PATH_KEYS = (
    "data.source",
    "data.signals",
    "data.input_spec",
    "data.student_input_spec",
    "firmware.board",
)
SUFFIXES = (*FILE_SUFFIXES, ".yaml", ".yml")


def located(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The recipe's document with every path absolute, relative ones below `folder`."""
    return _with_paths(document, lambda path: os.path.abspath(folder / path))


def relative_to(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The recipe's document with every path relative to `folder`."""
    return _with_paths(document, lambda path: Path(os.path.relpath(path, folder)).as_posix())


def _with_paths(document: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    for key in PATH_KEYS:
        section, name = key.split(".")
        settings = document.get(section)
        if isinstance(settings, dict) and name in settings:
            changed = _changed(settings[name], change)
            document = {**document, section: {**settings, name: changed}}
    return document


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {name: _changed(path, change) for name, path in value.items()}
    return change(value) if isinstance(value, str) and value.endswith(SUFFIXES) else value
