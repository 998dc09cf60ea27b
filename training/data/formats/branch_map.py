"""A map from columns to ROOT branches: ``{column: branch}`` or ``{column: branch[index]}``.

``branch[i]`` is the i-th entry of a list in each event, 0 where there are fewer. A list without
index makes one row of each of its entries; every such list must have the same lengths, and numbers
of the event are repeated. Without such lists, a row is an event.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError, MissingExtra, suggestion

_ENTRY = re.compile(r"([A-Za-z_][A-Za-z0-9_.]*)(?:\[(\d{1,4})\])?")


@dataclass(frozen=True)
class Branch:
    """One branch, or one entry of its lists."""

    name: str
    index: int | None = None


@dataclass(frozen=True)
class Rows:
    """What a map gives for some events: columns (R,) each, and the event of each row (R,)."""

    columns: dict[str, npt.NDArray[Any]]
    event: npt.NDArray[np.int64]


def parse_branches(branches: Mapping[str, str]) -> dict[str, Branch]:
    """The map of a recipe; InputError for anything but `branch` and `branch[index]`."""
    parsed = {}
    for column, text in branches.items():
        match = _ENTRY.fullmatch(text.strip())
        if match is None:
            raise InputError(
                f"data.branches.{column}: expected BRANCH or BRANCH[INDEX], got '{text}'"
            )
        parsed[column] = Branch(match[1], None if match[2] is None else int(match[2]))
    return parsed


def require(names: Iterable[str], known: Iterable[str], source: str) -> None:
    """Raise InputError for branches that are not there, each with what is near."""
    known = list(known)
    present = set(known)
    missing = [name for name in names if name not in present]
    if missing:
        said = "\n".join(f"{source}: no branch '{n}'{suggestion(n, known)}" for n in missing)
        raise InputError(said)


def apply(branches: Mapping[str, Branch], arrays: Any, source: str) -> Rows:
    """Rows of a batch of events, `arrays` being an awkward record array of the branches."""
    ak = awkward()
    n_events = len(arrays)
    lists = {
        column: arrays[branch.name]
        for column, branch in branches.items()
        if branch.index is None and arrays[branch.name].ndim > 1
    }
    counts = np.ones(n_events, np.int64)
    if lists:
        first, *others = lists
        counts = ak.to_numpy(ak.num(lists[first]))
        for column in others:
            if not np.array_equal(counts, ak.to_numpy(ak.num(lists[column]))):
                raise InputError(
                    f"{source}: {branches[first].name} and {branches[column].name} have lists of "
                    "different lengths; name an index, as in "
                    f"{column}: {branches[column].name}[0]"
                )
    columns = {}
    for column, branch in branches.items():
        if column in lists:
            columns[column] = _numbers(ak.flatten(lists[column]), branch, source)
        else:
            columns[column] = np.repeat(_per_event(arrays, branch, source), counts)
    return Rows(columns, np.repeat(np.arange(n_events), counts))


def padded(array: Any, length: int) -> npt.NDArray[Any]:
    """Lists of numbers as a table (N, length), cut or filled with zeros."""
    ak = awkward()
    filled = ak.fill_none(ak.pad_none(array, length, clip=True), 0)
    return np.asarray(ak.to_numpy(ak.to_regular(filled))).reshape(len(array), length)


def _per_event(arrays: Any, branch: Branch, source: str) -> npt.NDArray[Any]:
    array = arrays[branch.name]
    if branch.index is None:
        return _numbers(array, branch, source)
    if array.ndim != 2:
        raise InputError(f"{source}: branch '{branch.name}' is no list: leave out [{branch.index}]")
    return padded(array, branch.index + 1)[:, branch.index]


def _numbers(array: Any, branch: Branch, source: str) -> npt.NDArray[Any]:
    if array.ndim != 1:
        raise InputError(f"{source}: branch '{branch.name}' holds lists of lists, expected numbers")
    numbers = np.asarray(awkward().to_numpy(array))
    if numbers.dtype.kind not in "iufb":
        raise InputError(f"{source}: branch '{branch.name}' holds {numbers.dtype}, no numbers")
    return numbers


def awkward() -> Any:
    """The package, or MissingExtra."""
    try:
        return importlib.import_module("awkward")
    except ModuleNotFoundError as error:
        raise MissingExtra("awkward", "readers") from error
