"""The curves of a training: one row a step that is worth one, kept as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from naetrigger.training.checkpoint import write_atomic

CURVES = (
    "step",
    "loss",
    "positive_energy",
    "negative_energy",
    "distance",
    "feature_distance",
    "acceptance",
    "temperature",
    "validation",
    "validation_smoothed",
)


def write_curves(path: Path, rows: Sequence[Sequence[float]]) -> None:
    """Write rows of len(CURVES) values; NaN, where there is no value, becomes an empty cell."""
    lines = [",".join(CURVES)]
    for step, *values in rows:
        lines.append(",".join([str(int(step)), *("" if v != v else repr(v) for v in values)]))
    write_atomic(path, ("\n".join(lines) + "\n").encode())
