"""The picture of a training's chains: how their energies fall, and where they go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from naetrigger.contracts.errors import InputError
from naetrigger.validation.plots import COLOURS, Style, draw

MOST_LINES = 30  # chains that one can still follow with the eye


@dataclass(frozen=True)
class Chains:
    """B chains of K steps over F values: positions (K + 1, B, F), energies (K + 1, B)."""

    positions: npt.NDArray[np.float64]
    energies: npt.NDArray[np.float64]


def read_chains(path: Path) -> Chains:
    """The chains of the inputs in a trajectories.h5; InputError if it is none."""
    try:
        with h5py.File(path) as file:
            if file.attrs["format"] != "naetrigger-trajectories":
                raise KeyError(f"its format is {file.attrs['format']}")
            group = file["chain"]
            return Chains(
                *(group[name][()].astype(np.float64) for name in ("positions", "energies"))
            )
    except (OSError, KeyError) as error:
        raise InputError(f"{path}: not a file of trajectories ({error})") from error


def chains_figure(name: str, style: Style, chains: Chains) -> str:
    """Energies step by step, and the paths in the plane of the two leading components."""
    plane = leading_plane(chains.positions)

    def paint(figure: Figure) -> None:
        falls, paths = figure.subplots(1, 2)
        steps = np.arange(len(chains.energies))
        falls.plot(steps, chains.energies[:, :MOST_LINES], color="0.75", linewidth=0.7)
        low, middle, high = np.quantile(chains.energies, [0.16, 0.5, 0.84], axis=1)
        falls.fill_between(steps, low, high, color=COLOURS[0], alpha=0.3, label="68% of chains")
        falls.plot(steps, middle, color=COLOURS[0], label="median")
        falls.set_xlabel("step of the chain")
        falls.set_ylabel("energy")
        falls.legend(loc="best")
        u, v = plane[..., 0], plane[..., 1]
        paths.plot(u[:, :MOST_LINES], v[:, :MOST_LINES], color="0.75", linewidth=0.7)
        paths.plot(u[0], v[0], "o", color=COLOURS[1], markerfacecolor="white", label="starts")
        paths.plot(u[-1], v[-1], ".", color=COLOURS[0], label="ends")
        paths.set_xlabel("component 1")
        paths.set_ylabel("component 2")
        paths.legend(loc="best")

    return draw(name, style, paint, width=8.6, height=3.6, fitted=True)


def leading_plane(positions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Positions (K + 1, B, F) on their two leading principal components, (K + 1, B, 2); of one
    feature the second is zero.
    """
    points = positions.reshape(-1, positions.shape[-1])
    points = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(points, full_matrices=False)
    axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    plane = np.zeros((len(points), 2))
    plane[:, : min(2, len(axes))] = points @ axes[:2].T
    return plane.reshape(*positions.shape[:2], 2)
