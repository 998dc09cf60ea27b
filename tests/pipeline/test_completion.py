"""Tab completes commands and options in the shells that typer knows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("naetrigger")


def completed(line: str) -> list[str]:
    """What bash would offer at the end of a line, as its script asks for it."""
    words = line.split(" ")
    environment = {
        **os.environ,
        "_NAETRIGGER_COMPLETE": "complete_bash",
        "COMP_WORDS": line.replace(" ", "\n"),
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(
        [PROGRAM], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("naetrigger sc", {"score"}),
        ("naetrigger do", {"doctor"}),
        ("naetrigger data co", {"convert"}),
        ("naetrigger show --ex", {"--explain"}),
        ("naetrigger list mach", {"machines"}),
    ],
)
def test_words_are_completed(line: str, offers: set[str]) -> None:
    assert set(completed(line)) == offers


def test_the_script_for_the_shell_is_printed() -> None:
    done = subprocess.run(
        ["bash", "-c", f"'{PROGRAM}' --show-completion; true"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "_NAETRIGGER_COMPLETE=complete_bash" in done.stdout
    assert done.stderr == ""
