"""Checks of commands without running them: programs, options, values, files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import typer

from naetrigger.contracts.errors import NaetriggerError
from naetrigger.pipeline.cli import UsageError, app
from naetrigger.pipeline.recipe import load_recipe
from tests.docs.blocks import REPOSITORY, Page

SEPARATORS = {"&&", "||", ";", "|", "&"}
STAGES = ("run", "train", "export", "validate", "search")
PROGRAMS = (
    *(
        "naetrigger",
        "python",
        "python3",
        "pip",
        "make",
        "torchrun",
        "source",
        "pre-commit",
        "pytest",
    ),
    *(
        "cd",
        "cp",
        "mkdir",
        "ls",
        "cat",
        "cut",
        "head",
        "tail",
        "rm",
        "sed",
        "test",
        "echo",
        "export",
        "ln",
    ),
    *("g++", "vitis_hls", "./test", "./bench", "git", "sha256sum", "eval"),
)
OPTION = re.compile(r"--[a-z][\w-]*")


def commands(text: str) -> list[list[str]]:
    """The words of each simple command of a shell block; comments and redirections left out."""
    found: list[list[str]] = [[]]
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>()")
        lexer.whitespace_split = True
        words = list(lexer)
        while words:
            word = words.pop(0)
            if word in SEPARATORS or set(word) <= set("()"):
                found.append([])
            elif set(word) <= set("<>&"):
                words.pop(0)  # where to
            else:
                found[-1].append(word)
        found.append([])
    return [words for words in found if words]


def problem(words: list[str], page: Page) -> str:
    """What is wrong with a command; an empty string: nothing."""
    words = [page.spelled(word) for word in words if not re.fullmatch(r"[A-Z_]+=\S*", word)]
    if not words:
        return ""
    program = words[0].removeprefix(".venv/bin/")
    if program not in PROGRAMS:
        return f"unknown program {program}"
    check = {
        "naetrigger": _naetrigger,
        "python": _python,
        "pip": _pip,
        "make": _make,
        "torchrun": _torchrun,
    }.get(program)
    return check(words[1:]) if check else ""


def _naetrigger(arguments: list[str]) -> str:
    """Its own parser on the arguments, without doing anything; then the values of --set."""
    command: Any = typer.main.get_command(app)
    try:
        context = command.make_context("naetrigger", list(arguments))
        rest = [*context._protected_args, *context.args]
        while hasattr(command, "get_command") and rest:
            name, *rest = rest
            found = command.get_command(context, name)
            if found is None:
                return f"no command {name}"
            command = found
            context = command.make_context(name, rest, parent=context)
            rest = [*getattr(context, "_protected_args", ()), *context.args]
    except (typer.Exit, SystemExit):
        return ""  # --help, --show-completion
    except UsageError as error:
        return str(error.format_message())
    return _overrides(context.info_name, context.params)


def _overrides(command: str, parameters: dict[str, Any]) -> str:
    """--set on a shipped recipe is held against the schema."""
    recipe = str(parameters.get("recipe", ""))
    if command not in STAGES or recipe.isupper():  # RECIPE, whichever
        return ""
    try:
        load_recipe(
            "jets-quickstart" if recipe.endswith(".yaml") else recipe,
            parameters.get("override") or (),
            lambda note: None,
        )
    except NaetriggerError as error:
        return str(error)
    return ""


def _python(arguments: list[str]) -> str:
    """A script of the project has the options that it is called with."""
    if arguments[0] == "-c":
        compile(arguments[1], "-c", "exec")
        return ""
    if arguments[0] == "-m" or not arguments[0].startswith("benchmarks/"):
        return ""
    script = REPOSITORY / arguments[0]
    if not script.is_file():
        return f"{arguments[0]} does not exist"
    known = set(re.findall(r'"(--[a-z][\w-]*)"', _source(script)))
    unknown = {word for word in arguments if OPTION.fullmatch(word)} - known
    return f"{arguments[0]} has no {', '.join(sorted(unknown))}" if unknown else ""


def _source(script: Path) -> str:
    """A script with its neighbours that it imports."""
    text = script.read_text(encoding="utf-8")
    neighbours = re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE)
    paths = [script.with_name(f"{name}.py") for name in neighbours]
    return "".join([text, *(p.read_text(encoding="utf-8") for p in paths if p.is_file())])


def _pip(arguments: list[str]) -> str:
    """The extras that it installs are ours."""
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {e for word in arguments for e in re.findall(r"\[([\w,-]+)\]", word)}
    unknown = {e for group in asked for e in group.split(",")}
    unknown -= set(project["optional-dependencies"])
    return f"no extra {', '.join(sorted(unknown))}" if unknown else ""


def _make(arguments: list[str]) -> str:
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", text, re.MULTILINE))
    unknown = {word for word in arguments if re.fullmatch(r"[\w-]+", word)} - targets
    return f"no make target {', '.join(sorted(unknown))}" if unknown else ""


def _torchrun(arguments: list[str]) -> str:
    if "naetrigger.pipeline.cli" not in arguments:
        return ""
    return _naetrigger(arguments[arguments.index("naetrigger.pipeline.cli") + 1 :])
