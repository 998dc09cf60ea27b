"""The curves of `jet_images.py`: background rejection against signal efficiency."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from naetrigger.validation.efficiency import roc, scored

DASHED = "NAE"
DASHES = ("-.", "--", (0, (7, 2)))  # in turn: their colours are near each other


def draw(
    out: Path,
    directions: list[str],
    systems: list[str],
    seed: int,
    stem: Callable[[str, str, int], str],
) -> Path:
    """OUT/jet-images.png, under 200 kB: one panel a direction, one curve a system."""
    figure = Figure(figsize=(10, 4.2), dpi=90, layout="constrained")
    axes = figure.subplots(1, len(directions), sharey=True, squeeze=False)[0]
    efficiency = np.linspace(0.02, 1, 200)
    for ax, direction in zip(axes, directions, strict=True):
        ax.plot(efficiency, 1 / efficiency, ":", color="grey", label="chance")
        dashes = itertools.cycle(DASHES)
        for name, colour in zip(systems, _colours(len(systems)), strict=True):
            style = next(dashes) if name.startswith(DASHED) else "-"
            path = out / f"{stem(direction, name, seed)}.npz"
            if not path.exists():
                continue
            with np.load(path) as kept:
                curve = roc(scored(kept["background"]), scored(kept["signal"]))
            at = np.interp(efficiency, curve.signal_efficiency, curve.background_efficiency)
            ax.plot(
                efficiency,
                1 / np.maximum(at, 1e-4),
                linestyle=style,
                color=colour,
                label=name,
                lw=1,
            )
        ax.set(title=direction, xlabel="signal efficiency", yscale="log")
    axes[0].set_ylabel("1 / background efficiency")
    axes[-1].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    path = out / "jet-images.png"
    figure.savefig(path)
    return path


def _colours(n: int) -> list[tuple[float, ...]]:
    """n colours, in the order of the rainbow."""
    return [colormaps["nipy_spectral"](0.05 + 0.9 * i / max(n - 1, 1)) for i in range(n)]
