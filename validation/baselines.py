"""What a model must beat: the Mahalanobis distance, principal components, each input alone.

All are fitted on the weighted training background; none sees a signal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError

Floats = npt.NDArray[np.float64]

MAHALANOBIS = "mahalanobis"
PCA = "pca"
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
        deviation = _deviation(inputs, self.mean)
        return np.asarray(np.sum((deviation @ self.precision) * deviation, axis=1))


def fit_mahalanobis(inputs: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Mahalanobis:
    """Fit on the training background's inputs (N, F), the ones the model sees.

    The pseudo-inverse is taken of the correlation matrix, so that units do not decide which
    directions count as singular (relative cut 1e-10 on its eigenvalues).
    """
    x = _table(inputs)
    mean, covariance = _moments(x, weights)
    sigma = np.sqrt(np.diag(covariance))
    varies = sigma > 1e-10 * np.abs(x).max(axis=0)  # a constant column leaves rounding behind
    inverse_sigma = np.divide(1.0, sigma, out=np.zeros_like(sigma), where=varies)
    correlation = covariance * np.outer(inverse_sigma, inverse_sigma)
    eigenvalues, vectors = np.linalg.eigh(correlation)
    kept = eigenvalues > 1e-10 * eigenvalues.max(initial=0.0)
    whitening = (vectors[:, kept] / np.sqrt(eigenvalues[kept])).T * inverse_sigma
    return Mahalanobis(mean, whitening.T @ whitening, int(kept.sum()))


@dataclass(frozen=True)
class Pca:
    """e(x) = |d - V^T V d|^2 / F, d = x - mean: what K principal components leave out.

    mean : (F,)
    components : (K, F), orthonormal rows, largest variance first
    explained : fraction of the training background's variance along them
    """

    mean: Floats
    components: Floats
    explained: float

    def scores(self, inputs: npt.ArrayLike) -> Floats:
        """Mean squared residuals, shape (N,), of inputs (N, F)."""
        deviation = _deviation(inputs, self.mean)
        residual = deviation - (deviation @ self.components.T) @ self.components
        return np.asarray(np.mean(residual**2, axis=1))


def fit_pca(
    inputs: npt.ArrayLike, weights: npt.ArrayLike | None = None, components: float = 0.95
) -> Pca:
    """Fit on the training background's inputs (N, F), in the units the model sees.

    components : their number, if 1 or more; else the fraction of the variance that they must
        explain at least. One direction is always left out of them, for a residual to exist.
    Raises InputError for as many components as inputs, or more.
    """
    x = _table(inputs)
    features = x.shape[1]
    if components >= max(features, 2):
        raise InputError(
            f"validation.pca_components: {components:g} components of {features} inputs leave no "
            f"residual; give fewer, or a fraction of the variance such as 0.95"
        )
    mean, covariance = _moments(x, weights)
    eigenvalues, vectors = np.linalg.eigh(covariance)
    variance = np.maximum(eigenvalues[::-1], 0.0)
    total = variance.sum()
    explained = np.cumsum(variance) / total if total > 0 else np.ones(features)
    wanted = int(components) if components >= 1 else int(np.searchsorted(explained, components)) + 1
    kept = min(wanted, features - 1)
    fraction = float(explained[kept - 1]) if kept else 0.0
    return Pca(mean, vectors[:, ::-1].T[:kept].copy(), fraction)


def _table(inputs: npt.ArrayLike) -> Floats:
    x = np.asarray(inputs, np.float64)
    if x.ndim != 2 or len(x) < 2:
        raise InputError(f"expected inputs of shape (N, F) with N >= 2, got {x.shape}")
    return x


def _moments(x: Floats, weights: npt.ArrayLike | None) -> tuple[Floats, Floats]:
    """Weighted mean (F,) and covariance (F, F), normalised by the sum of weights."""
    w = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
    w = w / w.sum()
    mean = w @ x
    deviation = x - mean
    return mean, (deviation * w[:, None]).T @ deviation


def _deviation(inputs: npt.ArrayLike, mean: Floats) -> Floats:
    x = np.asarray(inputs, np.float64)
    if x.ndim != 2 or x.shape[1] != len(mean):
        raise InputError(f"expected inputs of shape (N, {len(mean)}), got {x.shape}")
    return np.asarray(x - mean)


def single_inputs(
    values: npt.NDArray[np.floating], columns: tuple[str, ...]
) -> Mapping[str, npt.NDArray[np.floating]]:
    """Each input's physical value as a score, by the name 'input:COLUMN'.

    The direction is fixed: larger is more anomalous. An AUC below 0.5 stays below 0.5, since
    turning the cut round would need the signal.
    """
    return {f"{SINGLE_INPUT}{name}": values[:, i] for i, name in enumerate(columns)}
