"""The command `naetrigger list`: what is shipped or registered, and every key of a recipe."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from naetrigger.contracts.errors import InputError
from naetrigger.pipeline.command_options import OPTIONS, DebugOption, JsonOption
from naetrigger.pipeline.schemas import Document, schema_of


class Kind(StrEnum):
    """What can be listed."""

    recipes = "recipes"
    boards = "boards"
    machines = "machines"
    inputs = "inputs"
    objectives = "objectives"
    engines = "engines"
    scores = "scores"
    samples = "samples"
    processes = "processes"
    signals = "signals"
    keys = "keys"
    schema = "schema"


FILES = (Kind.recipes, Kind.boards, Kind.inputs, Kind.machines)


def list_(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help=f"One of {', '.join(Kind)}.")],
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="Of recipes, boards, inputs, machines: print this one's YAML. Of keys: a section.",
        ),
    ] = None,
    of: Annotated[
        Document | None,
        typer.Option(
            "--of",
            metavar="DOCUMENT",
            help=f"Of `schema`: which document's, of {', '.join(Document)}; default: recipe.",
        ),
    ] = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List what is shipped or registered, print one of it, or list the keys of a recipe.

    `schema` prints a JSON schema, by itself the recipe's.
    """
    OPTIONS.json, OPTIONS.debug = as_json, debug
    if of is not None and kind is not Kind.schema:
        raise InputError(f"--of: '{kind.value}' has no documents; only `list schema` takes it")
    if kind is Kind.keys:
        _list_keys(name, as_json)
    elif name is not None:
        _print_file(kind, name, as_json)
    elif kind is Kind.schema:
        typer.echo(json.dumps(schema_of(of or Document.recipe), indent=1))
    else:
        _list_all(kind, as_json)


def _list_all(kind: Kind, as_json: bool) -> None:
    from naetrigger.pipeline import terminal
    from naetrigger.pipeline.listings import LISTINGS

    rows = LISTINGS[kind.value]()
    if as_json:
        typer.echo(json.dumps(rows))
        return
    columns = list(rows[0])
    if terminal.is_narrow():
        columns = [column for column in columns if column != "source"]
    terminal.show_table("", columns, [[row[column] for column in columns] for row in rows])


def _list_keys(section: str | None, as_json: bool) -> None:
    from naetrigger.pipeline import terminal
    from naetrigger.pipeline.recipe_keys import recipe_keys

    groups = recipe_keys(section)
    if as_json:
        keys = [{"section": group.name, **asdict(key)} for group in groups for key in group.keys]
        typer.echo(json.dumps(keys))
        return
    terminal.show_keys(groups)


def _print_file(kind: Kind, name: str, as_json: bool) -> None:
    """The text of a shipped file, as it is; with --json what it holds."""
    from naetrigger.firmware_configs.shipped import find, parse_yaml

    if kind not in FILES:
        files = ", ".join(file.value for file in FILES)
        raise InputError(f"list {kind.value}: takes no name, got '{name}' (those that do: {files})")
    text, source = find(kind.value, name)
    typer.echo(json.dumps(parse_yaml(text, source)) if as_json else text, nl=as_json)
