"""Densities in the plane that are known exactly: equal Gaussians on the points of a curve.

    p(x) = mean_k N(x; c_k, s^2)

so that samples and density come from the same formula. All have about unit variance in each
coordinate and lie well inside the box [-3, 3]^2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BOX = 3.0
CELLS = 120  # 0.05 a cell, a third of the narrowest density here


@dataclass(frozen=True)
class Toy:
    """centres : (K, 2); noise : s."""

    centres: Floats
    noise: float

    def sample(self, n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """n independent points, shape (n, 2)."""
        chosen = self.centres[rng.integers(len(self.centres), size=n)]
        return (chosen + self.noise * rng.normal(size=(n, 2))).astype(np.float32)

    def density(self, points: Floats) -> Floats:
        """p at points (N, 2), shape (N,)."""
        total = np.zeros(len(points))
        for centre in self.centres:
            total += np.exp(-((points - centre) ** 2).sum(axis=1) / (2 * self.noise**2))
        return total / (len(self.centres) * 2 * np.pi * self.noise**2)


def _circle(n: int) -> Floats:
    angle = 2 * np.pi * np.arange(n) / n
    return np.column_stack([np.cos(angle), np.sin(angle)])


def eight_gaussians() -> Toy:
    """Eight spots on a circle."""
    return Toy(1.4 * _circle(8), 0.15)


def s_curve() -> Toy:
    """Two three-quarter arcs that join to an S."""
    t = np.linspace(-1.5 * np.pi, 1.5 * np.pi, 400)
    curve = np.column_stack([np.sin(t), np.sign(t) * (np.cos(t) - 1)])
    return Toy(curve * (1.4, 0.8), 0.15)


def rings() -> Toy:
    """Three circles with one centre; the density along each is the same."""
    radii = (0.6, 1.3, 2.0)
    points = [radius * _circle(round(200 * radius)) for radius in radii]
    return Toy(np.concatenate(points), 0.12)


TOYS = {"8 Gaussians": eight_gaussians(), "S-curve": s_curve(), "rings": rings()}


def cell_centres() -> Floats:
    """The grid's points, row by row from below, shape (CELLS^2, 2)."""
    edge = BOX * (1 - 1 / CELLS)
    axis = np.linspace(-edge, edge, CELLS)
    x, y = np.meshgrid(axis, axis)
    return np.column_stack([x.ravel(), y.ravel()])


def normalised(log_density: Floats) -> Floats:
    """Probabilities of the cells, shape (N,), from a log density up to a constant."""
    p = np.exp(log_density - log_density.max())
    return np.asarray(p / p.sum())


def divergence(p: Floats, q: Floats) -> float:
    """KL(p || q) of two sets of cell probabilities, in nats."""
    some = p > 0
    return float(np.sum(p[some] * np.log(p[some] / np.maximum(q[some], 1e-300))))
