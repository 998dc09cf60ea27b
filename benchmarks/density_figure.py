"""The maps of `density_2d.py`: log density of every system on every set, its samples on top."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from density_systems import stem
from toy_densities import BOX, CELLS, TOYS, cell_centres

DEPTH = 10.0  # nats below the maximum at which the colours end
SHOWN = 150  # samples
COLUMNS = 7  # systems beside each other


def draw(out: Path, systems: list[str], sets: list[str], seed: int) -> Path:
    """OUT/density-2d.png, under 200 kB: a column a system, a row a set, in blocks."""
    names = ["truth", *systems]
    blocks = -(-len(names) // COLUMNS)
    rows = blocks * len(sets)
    figure = Figure(figsize=(1.25 * COLUMNS, 1.3 * rows), dpi=80, layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for i, name in enumerate(names):
        block, column = divmod(i, COLUMNS)
        for j, toy in enumerate(sets):
            ax = axes[block * len(sets) + j, column]
            if name == "truth":
                _map(ax, np.log(TOYS[toy].density(cell_centres()) + 1e-300), None)
            elif (path := out / f"{stem(toy, name, seed)}.npz").exists():
                with np.load(path) as kept:
                    found = {key: kept[key] for key in kept.files}
                _map(ax, found.get("log_density"), found.get("samples"))
            if j == 0:
                ax.set_title(name, fontsize=9)
    path = out / "density-2d.png"
    figure.savefig(path, pil_kwargs={"optimize": True})
    _palette(path)
    return path


def _map(ax: Axes, log_density: np.ndarray | None, samples: np.ndarray | None) -> None:
    if log_density is None:
        ax.text(0.5, 0.5, "diverged", ha="center", va="center", transform=ax.transAxes, fontsize=7)
        return
    top = float(log_density.max())
    box = (-BOX, BOX, -BOX, BOX)
    image = log_density.reshape(CELLS, CELLS)
    ax.imshow(image, origin="lower", extent=box, vmin=top - DEPTH, vmax=top, cmap="viridis")
    if samples is not None:
        ax.plot(*samples[:SHOWN].T, ".", color="white", markersize=1.5, markeredgewidth=0)
    ax.set_xlim(-BOX, BOX)
    ax.set_ylim(-BOX, BOX)


def _palette(path: Path) -> None:
    """The same picture in 64 colours, a third of the size."""
    from PIL import Image

    with Image.open(path) as image:
        image.convert("RGB").quantize(64).save(path, optimize=True)
