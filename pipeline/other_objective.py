"""What stays of a recipe's objective and model when ``--set objective.name=`` names another one.

A setting stays if the other objective has the same one. It is left out, and this is said, if the
other does not know it, takes other values for it, or starts from a default of its own: 1200 steps
that suit `wnae` would not even end the pre-training of `nae`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from naetrigger.training.settings import AnyObjective, ObjectiveBase

OBJECTIVES: dict[str, type[ObjectiveBase]] = {
    kind.model_fields["name"].default: kind for kind in get_args(AnyObjective)
}


def carried_over(
    section: Mapping[str, Any], before: str, after: str
) -> tuple[dict[str, Any], list[str]]:
    """The settings of a `before` that an `after` takes over, and a line for each left out.

    The section of an unknown objective stays as it is: the recipe's reader will say so.
    """
    if before == after or before not in OBJECTIVES or after not in OBJECTIVES:
        return dict(section), []
    kept: dict[str, Any] = {}
    lines: list[str] = []
    for key, value in section.items():
        if key == "name":
            continue
        reason = _unfit(key, before, after)
        if reason:
            lines.append(f"--set objective.name={after}: objective.{key}: {value}: {reason}")
        else:
            kept[key] = value
    return kept, lines


def model_carried_over(
    section: Mapping[str, Any], after: str, score: str | None
) -> tuple[dict[str, Any], list[str]]:
    """The settings of `model` that the network of an `after` has, and a line for each left out.

    score : which of its scores; none: the first
    """
    kind = OBJECTIVES.get(after)
    if kind is None:
        return dict(section), []
    without = kind.without.get(score or next(iter(kind.offers)), ())
    lines = [
        f"--set objective.name={after}: model.{key}: {value}: left out, its network has none"
        for key, value in section.items()
        if key in without
    ]
    return {key: value for key, value in section.items() if key not in without}, lines


def _unfit(key: str, before: str, after: str) -> str:
    """Why a setting of `before` is none for `after`; "": it is."""
    old, new = (OBJECTIVES[name].model_fields.get(key) for name in (before, after))
    if old is None:
        return ""  # a mistake of the recipe, for its reader to find
    if new is None:
        return f"left out, {after} has no such setting"
    if new.annotation != old.annotation:
        return f"left out, {after} takes other values; its own {new.default} holds"
    shared = ObjectiveBase.model_fields.get(key)
    if new.default != old.default and (shared is None or new.default != shared.default):
        return f"left out for {after}'s own {new.default}; --set objective.{key}=... sets it"
    return ""
