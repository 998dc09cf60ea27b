"""The columns that a recipe names, and those that every signal shares with the background."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.contracts.events import Events
from naetrigger.training.data.settings import DataSettings

NAMED_COLUMNS = 10  # of those that differ, in a message


def named_columns(settings: DataSettings) -> dict[str, tuple[str, ...]]:
    """Columns that the settings ask of the background, by the key that asks for them."""
    named = {
        "data.columns": settings.columns or (),
        "data.flatten": () if settings.flatten is None else (settings.flatten.column,),
        "data.reweight": () if settings.reweight is None else (settings.reweight,),
    }
    return {key: columns for key, columns in named.items() if columns}


def require_columns(
    background: Events, wanted: Mapping[str, Collection[str]], source: Path
) -> None:
    """Refuse a background without a column that is asked for; all that are missing at once."""
    known = (*background.columns, *background.context_columns)
    missing = {key: [name for name in names if name not in known] for key, names in wanted.items()}
    lines = [
        f"{key}: background {source}: no column '{name}'{suggestion(name, known)}"
        for key, names in missing.items()
        for name in names[:NAMED_COLUMNS]
    ]
    if lines:
        raise InputError("\n".join(lines) + f" (has {_listed(known)})")


def require_same_columns(
    background: Events, signal: Events, source: Path, signal_source: Path
) -> None:
    """Refuse a signal that lacks a column of the background, has more, or in another unit."""
    first = (*background.columns, *background.context_columns)
    second = (*signal.columns, *signal.context_columns)
    who = f"signal {signal.process}"
    if signal_source != source:
        who += f" ({signal_source})"
    differ = {
        "missing": [name for name in background.columns if name not in second],
        "extra": [name for name in signal.columns if name not in first],
    }
    if any(differ.values()):
        said = "; ".join(f"{word} {_listed(names)}" for word, names in differ.items() if names)
        raise InputError(f"{who}: must have the columns of the background ({source}): {said}")
    for name in background.columns:
        units = background.unit_of(name), signal.unit_of(name)
        if all(units) and units[0] != units[1]:
            raise InputError(
                f"{who}: column '{name}' is in {units[1]}, in the background in {units[0]}; "
                "convert one of the files (naetrigger data convert)"
            )


def _listed(names: Collection[str]) -> str:
    more = f" and {len(names) - NAMED_COLUMNS} more" if len(names) > NAMED_COLUMNS else ""
    return ", ".join(list(names)[:NAMED_COLUMNS]) + more
