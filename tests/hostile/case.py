"""One hostile input: how it is made, the command that meets it, and how that must end."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Make = Callable[[Path], None]

DEFECT = ("Traceback", "This is a defect", "error: unexpected")


@dataclass(frozen=True)
class Case:
    """A line of the table.

    make : writes what is needed into the working folder
    command : as in a shell, its relative paths in the working folder
    said : a piece of the message, which also names what is wrong
    leaves : beginnings of the names of files that may stay behind a refusal
    """

    name: str
    make: Make
    command: str
    status: int
    said: str
    leaves: tuple[str, ...] = ()

    @property
    def arguments(self) -> list[str]:
        return shlex.split(self.command)


def nothing(folder: Path) -> None:
    """A case that needs no file."""


def all_of(*makes: Make) -> Make:
    """One after the other."""

    def made(folder: Path) -> None:
        for make in makes:
            make(folder)

    return made


def text(name: str, content: str) -> Make:
    """A text file."""

    def made(folder: Path) -> None:
        (folder / name).write_text(content, encoding="utf-8")

    return made


def raw(name: str, content: bytes) -> Make:
    """A file of bytes."""

    def made(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return made


def listing(folder: Path) -> set[str]:
    """Everything below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
