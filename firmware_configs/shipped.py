"""Finding shipped YAML files by name, and reading YAML strictly."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.contracts.regular_file import require_regular

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


def problem_lines(model: type[BaseModel], error: ValidationError, source: str) -> list[str]:
    """One line a problem: ``SOURCE: section.key: must be > 0, got -1.0``."""
    lines = []
    for problem in error.errors():
        place, owners = _walk(model, problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = list(dict.fromkeys(name for m in owners for name in m.model_fields))
            lines.append(
                f"{source}: {place}: unknown key{suggestion(str(problem['loc'][-1]), known)}"
                + (f" (known: {', '.join(known)})" if known else "")
            )
        elif problem["type"] == "union_tag_invalid":
            lines.append(f"{source}: {place}.{_unknown_member(problem['ctx'])}")
        elif problem["type"] == "missing":
            lines.append(f"{source}: {place}: is missing")
        else:
            where = f"{source}: {place}" if place else source
            lines.append(f"{where}: {_complaint(problem)}")
    return list(dict.fromkeys(lines))


def _unknown_member(context: Any) -> str:
    """What is wrong with the word that chooses the member of a union: ``name: unknown 'x'...``"""
    known = [word.strip(" '") for word in context["expected_tags"].split(",")]
    key, word = context["discriminator"].strip("'"), context["tag"]
    return f"{key}: unknown '{word}'{suggestion(word, known)} (known: {', '.join(known)})"


SIGNS = {
    "greater than or equal to": ">=",
    "less than or equal to": "<=",
    "greater than": ">",
    "less than": "<",
}


def _complaint(problem: Any) -> str:
    text = str(problem["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    for words, sign in SIGNS.items():
        text = text.replace(f"must be {words}", f"must be {sign}")
    got = problem["input"]
    return text + (f", got {got!r}" if isinstance(got, str | int | float | bool | None) else "")


def _walk(model: type[BaseModel], loc: tuple[Any, ...]) -> tuple[str, list[type[BaseModel]]]:
    """The place as its file spells it, and the models that own its last key.

    Pydantic's own location also names the member of a union that it tried; no file does.
    """
    owners = models = [model]
    shown: list[str] = []
    for part in loc:
        known = any(part in m.model_fields for m in models)
        tagged = [m for m in models if part in _tags(m)]
        if tagged and not known:
            models = tagged
        elif known or not re.search(r"[\[(]|^(str|int|float|bool)$", str(part)):
            shown.append(str(part))
            owners = models
            models = [
                m
                for owner in models
                if part in owner.model_fields
                for m in _models_in(owner.model_fields[part].annotation)
            ] or models
    return ".".join(shown), owners


def _tags(model: type[BaseModel]) -> set[str]:
    """What tells this member of a union from the others: the values of its one-word literals."""
    words = [get_args(f.annotation) for f in model.model_fields.values() if _is_literal(f)]
    return {word[0] for word in words if len(word) == 1}


def _is_literal(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is Literal


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Every pydantic model inside an annotation (unions, lists, Annotated)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in getattr(annotation, "__args__", ()) for m in _models_in(part)]
