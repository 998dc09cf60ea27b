"""Background weights that make the background follow a signal in one context column.

A model that has merely learned jet pT separates any harder signal; with the background reweighted
to the signal's pT it cannot. Weights are the ratio of two histograms in quantile bins; a bin is
never narrower than what its effective counts support.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError

Floats = npt.NDArray[np.float64]

FINEST_BINS = 64
MIN_EFFECTIVE = 10.0  # effective entries a bin needs on both sides: 32% error of its ratio


@dataclass(frozen=True)
class Reweighting:
    """Background weights following a signal.

    weights : (N_background,), summing to the background's own sum of weights
    edges : (bins + 1,) bin edges, in the unit of the column
    effective : (sum w)^2 / sum w^2 of `weights`: how many background events still speak
    uncovered : fraction of the signal's weight beyond the background's range, which no weight
        can make the background follow
    """

    weights: Floats
    edges: Floats
    effective: float
    uncovered: float


def follow_signal(
    background: npt.ArrayLike,
    signal: npt.ArrayLike,
    background_weights: npt.ArrayLike | None = None,
    signal_weights: npt.ArrayLike | None = None,
) -> Reweighting:
    """Weights for the background so that its column follows the signal's.

    background, signal : (N,) and (M,), the column in both samples
    Background beyond the signal's range gets weight zero. Raises InputError for NaN and infinity.
    """
    b, s = np.asarray(background, np.float64), np.asarray(signal, np.float64)
    for name, values in (("background", b), ("signal", s)):
        if not np.isfinite(values).all():
            raise InputError(
                f"data.reweight: {np.sum(~np.isfinite(values))} {name} values are NaN "
                "or infinite; remove or repair these rows"
            )
    wb, ws = _weights(b, background_weights), _weights(s, signal_weights)
    low, high = max(b.min(), s.min()), min(b.max(), s.max())
    b_inside, s_inside = (b >= low) & (b <= high), (s >= low) & (s <= high)
    uncovered = 1.0 - float(ws[s_inside].sum() / ws.sum())
    if not b_inside.any() or not s_inside.any():
        return Reweighting(np.zeros_like(wb), np.array([low, high]), 0.0, 1.0)
    edges = _merged(_quantile_edges(b[b_inside], s[s_inside]), b, wb, s, ws)
    ratio = _histogram(s, ws, edges) / np.maximum(_histogram(b, wb, edges), np.finfo(float).tiny)
    weights = np.where(b_inside, wb * ratio[_bin_of(b, edges)], 0.0)
    weights *= wb.sum() / weights.sum()
    return Reweighting(weights, edges, effective_number(weights), uncovered)


def effective_number(weights: npt.ArrayLike) -> float:
    """(sum w)^2 / sum w^2 (Kish 1965): equally weighted events of the same precision."""
    w = np.asarray(weights, np.float64)
    squares = float(np.sum(w * w))
    return float(w.sum()) ** 2 / squares if squares > 0 else 0.0


def _weights(values: Floats, weights: npt.ArrayLike | None) -> Floats:
    return np.ones(len(values)) if weights is None else np.asarray(weights, np.float64)


def _quantile_edges(background: Floats, signal: Floats) -> Floats:
    """Quantiles of both samples, interleaved: fine where either has many events."""
    quantiles = np.linspace(0, 1, FINEST_BINS // 2 + 1)
    edges = np.concatenate([np.quantile(background, quantiles), np.quantile(signal, quantiles)])
    return np.unique(edges)


def _bin_of(values: Floats, edges: Floats) -> npt.NDArray[np.int64]:
    inner = np.searchsorted(edges, values, side="right") - 1
    return np.clip(inner, 0, max(len(edges) - 2, 0))


def _histogram(values: Floats, weights: Floats, edges: Floats) -> Floats:
    """Sum of weights a bin, values beyond the outer edges left out."""
    inside = (values >= edges[0]) & (values <= edges[-1])
    bins = max(len(edges) - 1, 1)
    sums = np.bincount(_bin_of(values[inside], edges), weights[inside], minlength=bins)
    return sums.astype(np.float64)


def _merged(edges: Floats, b: Floats, wb: Floats, s: Floats, ws: Floats) -> Floats:
    """Join neighbours, from the left, until each bin holds MIN_EFFECTIVE on both sides."""
    counts = np.array(
        [_histogram(x, power, edges) for x, w in ((b, wb), (s, ws)) for power in (w, w * w)]
    )
    kept, held = [edges[0]], np.zeros(4)
    for upper, here in zip(edges[1:], counts.T, strict=False):
        held = held + here
        if _enough(held):
            kept.append(upper)
            held = np.zeros(4)
    if len(kept) > 1:
        kept[-1] = edges[-1]  # the rest joins the last bin
        return np.array(kept)
    return np.array([edges[0], edges[-1]])


def _enough(sums: Floats) -> bool:
    b, b2, s, s2 = sums
    return bool(b * b >= MIN_EFFECTIVE * b2 > 0 and s * s >= MIN_EFFECTIVE * s2 > 0)
