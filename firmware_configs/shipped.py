"""Finding shipped YAML files by name, and reading YAML strictly."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.contracts.regular_file import require_regular
from naetrigger.firmware_configs.problems import problem_lines

M = TypeVar("M", bound=BaseModel)

MAX_BYTES = 1_000_000
MAX_DEPTH = 50


# libyaml reads a spec of 1600 inputs in a tenth of the time
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Open:
    """A mapping or sequence that is being read."""

    def __init__(self, is_mapping: bool) -> None:
        self.items: list[Any] = []
        self.is_mapping = is_mapping

    def value(self) -> Any:
        if not self.is_mapping:
            return self.items
        return dict(zip(self.items[::2], self.items[1::2], strict=True))


def _document(text: str) -> Any:
    """The one document of a YAML text, without recursion: a deeply nested one breaks C parsers.

    No tags, no aliases, no key twice.
    """
    opened: list[_Open] = [_Open(is_mapping=False)]
    for event in yaml.parse(text, Loader=_PARSER):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if tag := getattr(event, "tag", None):
            raise yaml.YAMLError(f"line {line}: tags ({tag}) are not read here")
        match event:
            case yaml.events.ScalarEvent():
                _add(opened[-1], _scalar(event.value, event.implicit[0]), line)
            case yaml.events.AliasEvent():
                raise InputError(f"line {line}: YAML aliases (*name) are not read; write it out")
            case yaml.events.CollectionStartEvent():
                opened.append(_Open(isinstance(event, yaml.events.MappingStartEvent)))
            case yaml.events.CollectionEndEvent():
                _add(opened[-2], opened.pop().value(), line)
        if len(opened) > MAX_DEPTH:
            raise yaml.YAMLError(f"line {line}: nested more than {MAX_DEPTH} deep")
    documents = opened[0].items
    if len(documents) > 1:
        raise yaml.YAMLError(f"holds {len(documents)} documents instead of one")
    return documents[0] if documents else None


def _add(place: _Open, value: Any, line: int) -> None:
    if place.is_mapping and len(place.items) % 2 == 0:
        if isinstance(value, dict | list):
            raise yaml.YAMLError(f"line {line}: a key must be one word")
        if not isinstance(value, str):
            raise yaml.YAMLError(f"line {line}: the key {value} is no text; put it in quotes")
        if value in place.items[::2]:
            raise InputError(f"key '{value}' stands twice (again in line {line})")
    place.items.append(value)


@lru_cache(maxsize=65536)
def _scalar(text: str, is_plain: bool) -> Any:
    """A scalar as YAML 1.1 reads it: quoted ones are text."""
    if not is_plain:
        return text
    loader: Any = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    return loader.construct_object(yaml.ScalarNode(tag, text))


def parse_yaml(text: str, source: str) -> dict[str, Any]:
    """A YAML mapping from text; InputError naming `source` for anything else."""
    if len(text) > MAX_BYTES:
        raise InputError(f"{source}: {len(text)} characters are too many (at most {MAX_BYTES})")
    try:
        document = _document(text)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    except (yaml.YAMLError, RecursionError, TypeError, ValueError) as error:
        raise InputError(f"{source}: not valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise InputError(
            f"{source}: expected a mapping (key: value), got {type(document).__name__}"
        )
    return document


def read_text(path: Path) -> str:
    """The text of a small file, or an InputError that names it."""
    if require_regular(path) > MAX_BYTES:
        raise InputError(f"{path}: larger than {MAX_BYTES} bytes; this is no settings file")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error})") from error


def shipped_names(kind: str) -> list[str]:
    """Names of the shipped files of a kind: 'boards', 'inputs' or 'recipes'."""
    folder = resources.files("naetrigger.firmware_configs") / kind
    return sorted(
        p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml")
    )


def find(kind: str, name_or_path: str) -> tuple[str, str]:
    """(text, source) of a shipped file by name, or of any YAML file by its path."""
    if name_or_path in shipped_names(kind):
        file = resources.files("naetrigger.firmware_configs") / kind / f"{name_or_path}.yaml"
        return file.read_text(encoding="utf-8"), f"{kind}/{name_or_path}.yaml"
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml") or os.path.lexists(path):
        return read_text(path), str(path)
    names = shipped_names(kind)
    raise InputError(
        f"no shipped {kind.removesuffix('s')} '{name_or_path}'{suggestion(name_or_path, names)} "
        f"(there are {', '.join(names)}; or give the path of a .yaml file)"
    )


def validate(model: type[M], document: dict[str, Any], source: str) -> M:
    """The document as `model`; every problem in one InputError, a line each."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InputError("\n".join(problem_lines(model, error, source))) from error
