"""Numbers as pages and tables show them."""

from __future__ import annotations

import math


def number(value: float | int | None) -> str:
    """Four significant digits, thousands separated; '–' for None."""
    if value is None:
        return "–"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e15):
        return f"{int(value):,}"
    return f"{value:,.4g}"


def plain(value: float) -> str:
    """Two significant digits without an exponent where it is short: 110, 0.41, 1.2e-07."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if 10 <= rounded < 1e9 else f"{rounded:.2g}"


def measured(value: float | None, error: float | None) -> str:
    """value ± error, the error with two significant digits: '0.7393 ± 0.0031'."""
    if value is None:
        return "–"
    if error is None or not math.isfinite(error) or error <= 0:
        return f"{value:.4g}"
    digits = max(1 - math.floor(math.log10(error)), 0)
    if digits > 6:
        return f"{value:.3g} ± {error:.2g}"
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def percent(value: float | None) -> str:
    """A fraction as a percentage of three digits, or as many as tell it from 100%."""
    if value is None:
        return "–"
    digits = 3 if value <= 0.999 or value >= 1 else 3 - math.floor(math.log10(1 - value))
    return f"{100 * value:.{digits}g}%"
