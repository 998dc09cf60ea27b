"""What is said of a command line that cannot be read."""

from __future__ import annotations

import json

import pytest

from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.usage import in_our_words


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "recipe"], "'KIND': no 'recipe' here; did you mean 'recipes'? (there are rec"),
        (["list", "xyz"], "no 'xyz' here (there are recipes, boards,"),
        (["data", "info", "x.csv", "--units", "HW"], "no 'HW' here; did you mean 'hw'? (there ar"),
        (["data", "generate", "x", "--events", "many", "--out", "o.h5"], "must be a valid integer"),
        (["rates", "x"], "Missing argument"),
    ],
)
def test_what_is_wrong_with_a_word(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line([*arguments, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert said in error
    assert "Value error" not in error
    assert "parse" not in error


def test_words_of_an_older_library() -> None:
    known = "'recipes', 'boards'"
    assert in_our_words(f"'recipe' is not one of {known}.").startswith("no 'recipe' here; did you")
    assert in_our_words("No such option: --fast") == "No such option: --fast"
