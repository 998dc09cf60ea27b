"""What a regressing student learns: the teacher's score on a scale that hardware can hold.

    log1p((E - origin) / unit),  0 where E < origin

unit is the median of the background above the origin. A sum of squares or of absolute values
starts at zero. An energy or a likelihood starts anywhere, so its origin is where the background
starts: the score that one background event in a thousand stays below. What is less anomalous than
that is all alike to a trigger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from naetrigger.contracts.fixed_point import Floats

MEANING = "log1p((teacher score - origin) / unit)"
LOWEST = 1e-3  # of the background
ANYWHERE = "energy"  # the name of scores that do not start at zero


@dataclass(frozen=True)
class ScoreScale:
    """origin and unit, in units of the teacher's score."""

    origin: float
    unit: float

    def target(self, scores: Any, of: Any = np) -> Any:
        """Scores (N,) on this scale; `of` gives maximum and log1p of the arrays' library."""
        return of.log1p(of.maximum((scores - self.origin) / self.unit, 0))


def score_scale(scores: Floats, name: str) -> ScoreScale:
    """The scale of background scores (N,), not all equal, of the teacher's score `name`."""
    origin = float(np.quantile(scores, LOWEST)) if name == ANYWHERE else 0.0
    size = float(np.abs(scores - origin).max())
    return ScoreScale(origin, max(float(np.median(scores)) - origin, 1e-6 * size))
