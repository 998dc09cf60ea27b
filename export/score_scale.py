"""What a regressing student learns: the teacher's score on a scale that hardware can hold.

errors       log1p(E / median)
energies     asinh((E - median) / spread) - the same of the lowest background

Errors are sums of squares or of absolute values: they start at zero. Energies and likelihoods start
anywhere, lie about evenly around their median, and grow without limit away from the background. So
theirs is a straight scale within the spread of the background and a logarithm beyond. It begins at
0 with the score that one background event in a thousand stays below, and where it is far above all
background the student need only be as high: what is below or above is all alike to a trigger.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from naetrigger.contracts.fixed_point import Floats

ENERGY = "energy"  # the name of scores that do not start at zero
LOWEST = 1e-3  # of the background
HIGH = 2.0  # above all background, e^2 times its distance from the median
SIGMAS = 2.563  # between the first and the last tenth of a Gaussian


@dataclass(frozen=True)
class ScoreScale:
    """See above; in units of the teacher's score but for `lowest` and `highest`, of the scale.

    highest : from here on the student need not follow
    """

    meaning: str
    centre: float
    unit: float
    lowest: float = 0.0
    highest: float = math.inf

    def target(self, scores: Floats) -> Floats:
        """Scores (N,) on this scale, from 0 to `highest`."""
        return np.minimum(np.maximum(self.value(scores) - self.lowest, 0.0), self.highest)

    def value(self, scores: Floats) -> Floats:
        """The formula, without its ends."""
        z = (np.asarray(scores, dtype=np.float64) - self.centre) / self.unit
        values: Floats = np.arcsinh(z) if self.meaning.startswith("asinh") else np.log1p(z)
        return values


def score_scale(scores: Floats, name: str) -> ScoreScale:
    """The scale of background scores (N,), not all equal, of the teacher's score `name`."""
    low, first, median, last = np.quantile(scores, [LOWEST, 0.1, 0.5, 0.9])
    if name != ENERGY:
        unit = max(float(median), 1e-6 * float(np.abs(scores).max()))
        return ScoreScale("log1p(teacher score / unit)", 0.0, unit)
    unit = max(float(last - first) / SIGMAS, 1e-6 * float(np.ptp(scores)))
    scale = ScoreScale("asinh((teacher score - centre) / unit) - lowest", float(median), unit)
    lowest = float(scale.value(low))
    highest = float(scale.value(scores.max())) - lowest + HIGH
    return ScoreScale(scale.meaning, scale.centre, unit, lowest, highest)
