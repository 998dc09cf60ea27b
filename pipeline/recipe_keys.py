"""Every key of a recipe, from the settings themselves: `naetrigger list keys`, docs/recipe_keys.md.

A section is a group of keys, and so is each member of a union: `objective.name=nae` has the keys
that `objective` takes where its name is `nae`. `[]` stands for any place in a list, NAME for a name
that the recipe chooses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from inspect import cleandoc
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.pipeline.recipe import Recipe

REQUIRED = "(required)"
TOP = "recipe"
SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
WORDS = {bool: "true, false", str: "text", int: "integer", float: "number", type(None): "null"}


@dataclass(frozen=True)
class Key:
    """One key: its path, what it takes, its default and its documentation, each in a line."""

    name: str
    values: str
    default: str
    description: str


@dataclass(frozen=True)
class Group:
    """The keys of a section, or of one member of a union within it."""

    name: str
    description: str
    keys: list[Key] = field(default_factory=list)


def recipe_keys(section: str | None = None) -> list[Group]:
    """All groups, or those of one section (`data`) or member (`objective.name=nae`, `nae`)."""
    groups = list(_groups())
    if section is None:
        return groups
    found = [g for g in groups if section in _called(g)]
    if not found:
        known = list(dict.fromkeys(name for group in groups for name in _called(group)))
        raise InputError(
            f"list keys: no section '{section}'{suggestion(section, known)} (there are "
            f"{', '.join(dict.fromkeys(g.name.partition('.')[0] for g in groups))})"
        )
    return found


def _called(group: Group) -> tuple[str, ...]:
    """The words that ask for a group: its section, its own name, its member's name."""
    path, _, member = group.name.partition("=")
    return (path.partition(".")[0], group.name, *([member] if member else []))


def _groups() -> Iterator[Group]:
    top = Group(TOP, _one_line(Recipe.__doc__))
    yield top
    default = Recipe()
    for name, about in Recipe.model_fields.items():
        models = _models_in(about.annotation)
        top.keys.append(_key(name, about, getattr(default, name)))
        if len(models) > 1:
            yield from _members(name, models)
        elif models:
            yield from _section(name, models[0], getattr(default, name), about.description)


def _section(path: str, model: type[BaseModel], default: Any, said: str | None) -> Iterator[Group]:
    """A model's group, then those of the unions within it."""
    group = Group(path, _one_line(said))
    yield group
    yield from _fill(group, path, model, default)


def _members(path: str, models: list[type[BaseModel]]) -> Iterator[Group]:
    for model in models:
        (tag,) = _tag_names(model)
        name = f"{path}.{tag}={_tag(model.model_fields[tag])}"
        yield from _section(name, model, None, model.__doc__)


def _fill(group: Group, path: str, model: type[BaseModel], default: Any) -> Iterator[Group]:
    """Add a model's keys to a group; yield the groups of the unions that are met."""
    base = path.partition("=")[0].rpartition(".")[0] if "=" in path else path
    for name, about in model.model_fields.items():
        value = getattr(default, name) if default is not None else _default(about)
        models = _models_in(about.annotation)
        below = f"{base}.{name}"
        group.keys.append(_key(below, about, value, group.description if _tag(about) else ""))
        if len(models) > 1:
            yield from _members(f"{below}[]", models)
        elif models:
            inner = value if isinstance(value, models[0]) else None
            yield from _fill(group, below + _place(about.annotation), models[0], inner)


def _key(path: str, about: FieldInfo, value: Any, instead: str = "") -> Key:
    if isinstance(value, BaseModel):
        shown = next((str(getattr(value, tag)) for tag in _tag_names(type(value))), "")
    elif value is PydanticUndefined:
        shown = REQUIRED
    else:
        shown = _written(to_jsonable_python(value))
    said = _one_line(about.description) or instead
    return Key(path, ", ".join(_values(about.annotation, about.metadata)), shown, said)


def _default(about: FieldInfo) -> Any:
    return about.get_default(call_default_factory=True, validated_data={})


def _written(value: Any) -> str:
    """A value as a recipe has it."""
    if isinstance(value, str):
        return value or '""'
    return json.dumps(value, ensure_ascii=False).replace('"', "")


def _values(annotation: Any, metadata: Any = ()) -> list[str]:
    """What a key takes, in words: each alternative of its type, with its bounds."""
    bounds = [
        f"{sign} {getattr(item, name):.12g}"
        for item in metadata
        for name, sign in SIGNS.items()
        if getattr(item, name, None) is not None
    ]
    if annotation in (int, float):
        return [" ".join([WORDS[annotation], " and ".join(bounds)]).strip()]
    if annotation in WORDS:
        return [WORDS[annotation]]
    origin, parts = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return _values(annotation.__origin__, (*metadata, *_inner(annotation.__metadata__)))
    if origin is Literal:
        return [_written(part) for part in parts]
    if origin is tuple:
        several = Ellipsis in parts
        items = _values(parts[0]) if several else [w for part in parts for w in _values(part)]
        listed = " or ".join(items) if several else ", ".join(items)
        return [f"list of {listed}" if several else f"[{listed}]"]
    if origin is dict:
        return [f"NAME: {' or '.join(_values(parts[1]))}"]
    if len(parts) > 1 and all(_tags(part) for part in parts):
        return [tag for part in parts for tag in _tags(part)]
    if parts:
        return list(dict.fromkeys(word for part in parts for word in _values(part, metadata)))
    return ["keys below"]


def _inner(metadata: Any) -> list[Any]:
    """Bounds that stand in a Field inside an annotation."""
    return [part for item in metadata for part in getattr(item, "metadata", [item])]


def _place(annotation: Any) -> str:
    """How a path goes on where models are the items of a list or a mapping."""
    origins = {get_origin(part) for part in (annotation, *get_args(annotation))}
    return "[]" if tuple in origins else ".NAME" if dict in origins else ""


def _tag(about: FieldInfo) -> str:
    """The one word that a field can be, which tells a member of a union from the others."""
    words = get_args(about.annotation) if get_origin(about.annotation) is Literal else ()
    return str(words[0]) if len(words) == 1 else ""


def _tag_names(model: type[BaseModel]) -> list[str]:
    return [name for name, about in model.model_fields.items() if _tag(about)]


def _tags(annotation: Any) -> list[str]:
    """The words that tell models apart, of one that has such a word."""
    (model,) = _models_in(annotation) or (BaseModel,)
    return [_tag(model.model_fields[name]) for name in _tag_names(model)]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _one_line(text: str | None) -> str:
    """Documentation without its line breaks; of a class its first paragraph."""
    return " ".join(cleandoc(text or "").partition("\n\n")[0].split())
