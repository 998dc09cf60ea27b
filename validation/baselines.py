"""What a model must beat: the Mahalanobis distance, and each input taken alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError

Floats = npt.NDArray[np.float64]

MAHALANOBIS = "mahalanobis"
SINGLE_INPUT = "input:"


@dataclass(frozen=True)
class Mahalanobis:
    """d^2(x) = (x - mean)^T C^+ (x - mean) with C^+ the pseudo-inverse of the covariance.

    mean : (F,)
    precision : (F, F)
    rank : of the covariance. Below F, directions without variance in training count nothing,
        also where a later event does vary along them.
    """

    mean: Floats
    precision: Floats
    rank: int

    def scores(self, inputs: npt.ArrayLike) -> Floats:
        """Squared distances, shape (N,), of inputs (N, F)."""
        x = np.asarray(inputs, np.float64)
        if x.ndim != 2 or x.shape[1] != len(self.mean):
            raise InputError(f"expected inputs of shape (N, {len(self.mean)}), got {x.shape}")
        deviation = x - self.mean
        return np.asarray(np.sum((deviation @ self.precision) * deviation, axis=1))


def fit_mahalanobis(inputs: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Mahalanobis:
    """Fit on the training background's inputs (N, F), the ones the model sees.

    The pseudo-inverse is taken of the correlation matrix, so that units do not decide which
    directions count as singular (relative cut 1e-10 on its eigenvalues).
    """
    x = np.asarray(inputs, np.float64)
    if x.ndim != 2 or len(x) < 2:
        raise InputError(f"expected inputs of shape (N, F) with N >= 2, got {x.shape}")
    w = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
    w = w / w.sum()
    mean = w @ x
    deviation = x - mean
    covariance = (deviation * w[:, None]).T @ deviation
    sigma = np.sqrt(np.diag(covariance))
    varies = sigma > 1e-10 * np.abs(x).max(axis=0)  # a constant column leaves rounding behind
    inverse_sigma = np.divide(1.0, sigma, out=np.zeros_like(sigma), where=varies)
    correlation = covariance * np.outer(inverse_sigma, inverse_sigma)
    eigenvalues, vectors = np.linalg.eigh(correlation)
    kept = eigenvalues > 1e-10 * eigenvalues.max(initial=0.0)
    whitening = (vectors[:, kept] / np.sqrt(eigenvalues[kept])).T * inverse_sigma
    return Mahalanobis(mean, whitening.T @ whitening, int(kept.sum()))


def single_inputs(
    values: npt.NDArray[np.floating], columns: tuple[str, ...]
) -> Mapping[str, npt.NDArray[np.floating]]:
    """Each input's physical value as a score, by the name 'input:COLUMN'.

    The direction is fixed: larger is more anomalous. An AUC below 0.5 stays below 0.5, since
    turning the cut round would need the signal.
    """
    return {f"{SINGLE_INPUT}{name}": values[:, i] for i, name in enumerate(columns)}
