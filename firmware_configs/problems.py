"""What is wrong with a document, in words of the document: a line a problem, for people.

    SOURCE: section.key: must be > 0, got -1.0

Pydantic says it in its own words, once for each member of a union that it tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from naetrigger.contracts.errors import did_you_mean, suggestion

Models = list[type[BaseModel]]

SIGNS = {
    "greater than or equal to": ">=",
    "less than or equal to": "<=",
    "greater than": ">",
    "less than": "<",
}
WORDS = {
    "int_parsing": "must be a valid integer",
    "int_from_float": "must be a valid integer",
    "float_parsing": "must be a valid number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "dict_type": "must be a mapping, as {{key: value}}",
    "model_type": "must be a mapping, as {{key: value}}",
    "model_attributes_type": "must be a mapping, as {{key: value}}",
    "missing": "is missing",
    "too_short": "must have {min_length} or more items, got {actual_length}",
    "too_long": "must have {max_length} items or fewer, got {actual_length}",
}
"""Instead of pydantic's, by the type of the problem."""


def problem_lines(model: type[BaseModel], error: ValidationError, source: str) -> list[str]:
    """One line a problem, all members of a union together."""
    places: dict[str, list[Any]] = {}
    lines: dict[str, None] = {}
    for problem in error.errors():
        place, owners = _walk(model, problem["loc"])
        if problem["type"] == "extra_forbidden":
            problem["msg"] = _unknown_key(model, str(problem["loc"][-1]), owners)
        places.setdefault(place, []).append(problem)
    for place, problems in places.items():
        if not _is_beside_the_point(place, problems, places):
            where = f"{source}: {place}" if place else source
            lines[f"{where}{_sentence(problems)}"] = None
    return list(lines)


def _unknown_key(model: type[BaseModel], key: str, owners: Models) -> str:
    """The sections that have such a key, else the keys here that are near."""
    known = list(dict.fromkeys(name for m in owners for name in m.model_fields))
    near = did_you_mean(_homes(model, key)) or suggestion(key, known)
    return f"unknown key{near}" + (f" (known: {', '.join(known)})" if known else "")


def _homes(model: type[BaseModel], key: str) -> list[str]:
    """Where a document has a key of that name: the places least deep."""
    level: list[tuple[str, type[BaseModel]]] = [("", model)]
    seen: set[type[BaseModel]] = set()
    while level:
        found = [prefix + key for prefix, section in level if key in section.model_fields]
        if found:
            return list(dict.fromkeys(found))
        seen |= {section for _, section in level}
        level = [
            (f"{prefix}{name}.", below)
            for prefix, section in level
            for name, field in section.model_fields.items()
            for below in _models_in(field.annotation, through_lists=False)
            if below not in seen
        ]
    return []


def _unknown_member(context: Any) -> str:
    """What is wrong with the word that chooses the member of a union: ``name: unknown 'x'...``"""
    known = [word.strip(" '") for word in context["expected_tags"].split(",")]
    key, word = context["discriminator"].strip("'"), context["tag"]
    return f"{key}: unknown '{word}'{suggestion(word, known)} (known: {', '.join(known)})"


def _is_beside_the_point(place: str, problems: list[Any], places: Iterable[str]) -> bool:
    """Whether another member of the union took the value, and only what is inside it is wrong."""
    inside = place and any(other.startswith(f"{place}.") for other in places)
    return bool(inside) and all(p["type"].endswith(("_type", "too_short")) for p in problems)


def _sentence(problems: list[Any]) -> str:
    """What is expected, by every member of a union that was tried, and what came."""
    if problems[0]["type"] == "union_tag_invalid":
        return f".{_unknown_member(problems[0]['ctx'])}"
    first, *others = dict.fromkeys(_phrase(problem) for problem in problems)
    said = ", or ".join([first, *(other.removeprefix("must be ") for other in others)])
    return f": {said}{_what_came(problems[0]['type'], problems[0]['input'])}"


def _phrase(problem: Any) -> str:
    kind, got = problem["type"], problem["input"]
    if kind in ("tuple_type", "list_type"):
        is_item = isinstance(got, str | int | float) and not isinstance(got, bool)
        return f"must be a list, as [{got}]" if is_item else "must be a list"
    if kind in WORDS:
        return WORDS[kind].format(**problem.get("ctx", {}))
    text = str(problem["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    for words, sign in SIGNS.items():
        text = text.replace(f"must be {words}", f"must be {sign}")
    return text


def _what_came(kind: str, got: Any) -> str:
    if kind in ("extra_forbidden", "missing"):
        return ""
    if isinstance(got, str | int | float | bool | None):
        return f", got {got!r}"
    is_of_wrong_type = kind.endswith("_type")
    return f", got a {'mapping' if isinstance(got, dict) else 'list'}" if is_of_wrong_type else ""


def _walk(model: type[BaseModel], loc: tuple[Any, ...]) -> tuple[str, Models]:
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


def _models_in(annotation: Any, through_lists: bool = True) -> Iterator[type[BaseModel]]:
    """Every pydantic model inside an annotation (unions, Annotated; lists and mappings too)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif through_lists or get_origin(annotation) not in (tuple, list, dict):
        for part in getattr(annotation, "__args__", ()):
            yield from _models_in(part, through_lists)
