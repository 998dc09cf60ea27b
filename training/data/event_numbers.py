"""Columns that number the events: a model would learn when an event was taken, not what it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

NAME = re.compile(
    r"(event|evt)(id|number)?|run(number)?|lumi|lumi(nosity)?block|lumisection|ls|orbit(number)?"
    r"|bx|bunchcrossing|index"
)
"""What such columns are called, in small letters without underscores."""

FEWEST = 1000  # rows without a number that stands twice: physics in whole numbers repeats itself


def event_numbers(columns: Sequence[str], values: npt.NDArray[np.float32]) -> list[str]:
    """The columns of values (N, F) called so, or of whole numbers, no two of them alike."""
    return [
        name
        for name, column in zip(columns, values.T, strict=True)
        if NAME.fullmatch(name.casefold().replace("_", "")) or _all_distinct(column)
    ]


def _all_distinct(column: npt.NDArray[np.float32]) -> bool:
    first = column[:FEWEST]
    return len(first) == FEWEST and all(
        np.array_equal(part, np.rint(part)) and len(np.unique(part)) == len(part)
        for part in (first, column)
    )


def advice(names: Sequence[str]) -> str:
    """What to do where they would be inputs."""
    listed = ", ".join(f"'{name}'" for name in names)
    return (
        f"by its name or values a number of the event, and yet an input of the model: {listed}; "
        "leave it out by naming the inputs (data.columns), or call it event_id "
        "(data.event_id_column)"
    )
