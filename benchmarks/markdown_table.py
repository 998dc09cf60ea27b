"""Tables of benchmarks in Markdown, and means over seeds with their errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def over_seeds(values: Sequence[float], digits: int = 3) -> str:
    """mean ± spread / sqrt(n); "" of no values, no error of one."""
    if not values:
        return ""
    mean = f"{np.mean(values):.{digits}f}"
    if len(values) == 1:
        return mean
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{mean} ± {error:.{digits}f}"


def counted(seeds: Sequence[int]) -> str:
    """'one seed', '3 seeds'."""
    return "one seed" if len(seeds) == 1 else f"{len(seeds)} seeds"
