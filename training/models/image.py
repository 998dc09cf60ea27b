"""Images as rows of inputs: which rows and columns they have, and how often they can be halved."""

from __future__ import annotations

import math

from naetrigger.contracts.errors import InputError


def image_of(image: tuple[int, int] | None, n_inputs: int, name: str) -> tuple[int, int]:
    """Rows and columns; none given: a square. InputError, naming objective `name`, if no image."""
    side = math.isqrt(n_inputs)
    rows, columns = image or (side, side)
    if rows * columns != n_inputs:
        raise InputError(
            f"objective {name}: {n_inputs} inputs are no image of {rows} x {columns}; set "
            "objective.image to its rows and columns in pixels, or take an objective that is not "
            "for images alone, such as ae"
        )
    return rows, columns


def halvings(image: tuple[int, int], wanted: int | None, most: int, name: str) -> int:
    """How often rows and columns are halved: as wanted, or as they can, at most `most` times."""
    rows, columns = image
    possible = 0
    while rows % 2 == 0 and columns % 2 == 0:
        rows, columns, possible = rows // 2, columns // 2, possible + 1
    if wanted is None:
        return min(possible, most)
    if wanted > possible:
        raise InputError(
            f"objective {name}: objective.halvings is {wanted}, and an image of {image[0]} x "
            f"{image[1]} can be halved {possible} times; set it to {possible} or leave it out"
        )
    return wanted
