"""Whether parts of a sample let one common fraction pass, though they may share pool events.

With A_kc of W_kc the weight that passes of cluster c in part k, p_k = sum_c A_kc / sum_c W_kc, n_k
the part's effective clusters, and p = sum_k n_k p_k / sum_k n_k, cluster c shifts part k by

    d_kc = (A_kc - p W_kc) / sum_c W_kc          all parts by d_c = sum_k n_k d_kc / sum_k n_k

    chi2 = (K - 1) sum_k n_k (p_k - p)^2 / sum_k n_k sum_c (d_kc - d_c)^2

A pool event that all parts share shifts them together, which cancels in d_kc - d_c. This is
Pearson's chi2 over its mean design effect (Rao and Scott, JASA 76 (1981) 221, first order); for
crossings that are simply counted, in parts of equal size, Pearson's chi2 itself. Of two parts it is
the square of their difference in standard deviations.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from naetrigger.validation.tail import Sample

Rows = npt.NDArray[np.bool_]


def chi2(sample: Sample, passing: Rows, parts: Sequence[Rows]) -> tuple[float, int]:
    """(chi2, degrees of freedom) of one common fraction in all parts; (0, 0) if nothing can differ.

    passing : (N,); parts : masks of shape (N,), none empty, no two with a row in common
    """
    inside = np.any(parts, axis=0)
    if len(parts) < 2 or not passing[inside].any() or passing[inside].all():
        return 0.0, 0
    cluster = sample.cluster_of()
    weight = np.array([sample.weights[rows].sum() for rows in parts])
    squares = [np.sum(np.bincount(cluster[rows], sample.weights[rows]) ** 2) for rows in parts]
    n = weight**2 / np.array(squares)
    p = np.array([sample.weights[rows & passing].sum() for rows in parts]) / weight
    common = n @ p / n.sum()
    residual = sample.weights * (passing - common)
    together, scatter = np.zeros(int(cluster.max()) + 1), 0.0
    for rows, w, size in zip(parts, weight, n, strict=True):
        shift = np.bincount(cluster[rows], residual[rows], len(together)) / w
        scatter += size * float(shift @ shift)
        together += size / n.sum() * shift
    expected = scatter - float(n.sum() * together @ together)
    if expected <= 1e-12 * scatter:  # rounding: all parts are copies of each other
        return 0.0, 0
    degrees = len(parts) - 1
    return float(degrees * (n @ (p - common) ** 2) / expected), degrees


def pull(sample: Sample, passing: Rows, one: Rows, other: Rows) -> float | None:
    """How far the fraction in `one` lies above that in `other`, in standard deviations."""
    value, degrees = chi2(sample, passing, (other, one))
    if not degrees:
        return None
    higher = np.average(passing[one], weights=sample.weights[one])
    lower = np.average(passing[other], weights=sample.weights[other])
    return float(np.copysign(np.sqrt(value), higher - lower))
