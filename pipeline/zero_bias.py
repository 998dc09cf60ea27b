"""What a file says of zero bias, crossings as they come, and of how often bunches cross."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from naetrigger.contracts.events import Events

CROSSING_RATE = "crossing_rate_khz"  # attribute of simulated zero bias


def is_zero_bias(process: str, attributes: Mapping[str, Any]) -> bool:
    """Whether a process is called so, or states a rate of crossings."""
    named = "zerobias" in process.lower().replace("_", "").replace("-", "")
    return named or CROSSING_RATE in attributes


def stated_rate_khz(attributes: Mapping[str, Any]) -> float | None:
    """The rate of crossings that a process states; None where that is no rate."""
    try:
        rate = float(attributes[CROSSING_RATE])
    except (KeyError, TypeError, ValueError):
        return None
    return rate if math.isfinite(rate) and rate > 0 else None


def rate_of_background_khz(samples: Sequence[Events]) -> float | None:
    """The rate of crossings for which the background stands; None unless all of it states one."""
    rates = {stated_rate_khz(s.attributes) for s in samples if s.role == "background"}
    return rates.pop() if len(rates) == 1 else None
