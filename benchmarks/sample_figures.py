"""The figures of the shipped samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from histogram_panels import Panel, panels_figure, pick, picture
from naetrigger.contracts.events import Events
from naetrigger.contracts.trigger_objects import LSB
from naetrigger.validation.mean_images import grid_of, mean_images
from naetrigger.validation.plots import COLOURS, MARKERS
from sample_rates import PILE_UP, THRESHOLDS, rates_by_pile_up
from shipped_samples import NAMES, R_INV, in_gev, sample

Floats = npt.NDArray[np.floating[Any]]
OBJECTS = {"eg": slice(1, 5), "mu": slice(5, 9), "jet": slice(9, 19)}


def rates_figure(folder: Path) -> bytes:
    """Rates of single thresholds against mean pile-up."""
    zero_bias = sample(folder, "l1-objects")["zero_bias"]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        centres, half = (PILE_UP[1:] + PILE_UP[:-1]) / 2, np.diff(PILE_UP) / 2
        for i, (name, column, threshold) in enumerate(THRESHOLDS):
            rates = rates_by_pile_up(zero_bias, column, threshold)
            axes.errorbar(
                centres,
                [r.khz for r in rates],
                [r.error for r in rates],
                half,
                label=f"{name} ≥ {threshold} GeV",
                color=COLOURS[i],
                marker=MARKERS[i],
                linestyle="none",
            )
        axes.set(xlabel="mean pile-up", ylabel="rate / kHz", yscale="log", ylim=(5, 1e5))
        axes.legend(ncols=2, loc="upper left")

    return picture(paint)


def jet_pt_figure(folder: Path) -> bytes:
    """Jet pT of the background and of signals by r_inv and by mediator."""
    jets = sample(folder, "jets")
    by_mass = ("svjs_2000_r03", "svjt_1000_r03", "svjt_2000_r03", "svjt_4000_r03")
    panels = [
        Panel("jet pT / GeV", pick(jets, ("ttbar", *names), "jet_pt"), np.linspace(200, 2000, 37))
        for names in (R_INV, by_mass)
    ]
    return panels_figure(panels, 2)


def trigger_figure(folder: Path) -> bytes:
    """Spectra of trigger objects and of the hottest region."""
    objects, regions = sample(folder, "l1-objects"), sample(folder, "calo-regions")
    titles = {
        "jet1_pt": ("leading jet pT / GeV", 400),
        "ht": ("HT / GeV", 1000),
        "met_pt": ("missing ET / GeV", 300),
        "eg1_pt": ("leading e/gamma pT / GeV", 120),
        "mu1_pt": ("leading muon pT / GeV", 80),
    }
    panels = [
        Panel(title, pick(objects, objects, column, in_gev), np.linspace(0, end, 41))
        for column, (title, end) in titles.items()
    ]
    hottest = {
        name: (events.values.max(axis=1) * LSB[0, 0], events.weights)
        for name, events in regions.items()
    }
    panels.append(Panel("hottest region ET / GeV", hottest, np.linspace(0, 300, 41)))
    return panels_figure(panels, 3, "fraction of crossings")


def multiplicity_figure(folder: Path) -> bytes:
    """How many jets, e/gamma and muons a crossing has."""
    objects = sample(folder, "l1-objects")
    panels = []
    for kind, threshold, title in (("jet", 30, "jets"), ("eg", 10, "e/gamma"), ("mu", 3, "muons")):
        counted = {
            name: (np.sum(object_pt(events)[:, OBJECTS[kind]] >= threshold, axis=1), events.weights)
            for name, events in objects.items()
        }
        most = 10 if kind == "jet" else 4
        label = f"{title} of at least {threshold} GeV"
        panels.append(Panel(label, counted, np.arange(-0.5, most + 1)))
    return panels_figure(panels, 3, "fraction of crossings")


def object_pt(events: Events) -> Floats:
    """pT of the 19 objects in GeV, shape (N, 19)."""
    return events.values[:, ::3] * LSB[:, 0].astype(np.float32)


def mass_figure(folder: Path) -> bytes:
    """Soft-drop mass: of the image jets; of top jets by pT; of semivisible jets."""
    jets, edges = sample(folder, "jets"), np.arange(0, 305, 5.0)
    tops, images = jets["ttbar"], sample(folder, "jet-images")
    slices = {}
    for low, high in ((200, 350), (350, 500), (500, 800)):
        rows = (tops.column("jet_pt") >= low) & (tops.column("jet_pt") < high)
        slices[f"{low} to {high} GeV"] = (tops.column("msd")[rows], tops.weights[rows])
    title = "soft-drop mass / GeV"
    panels = [
        Panel(f"{title}, 550 to 650 GeV", pick(images, images, "msd"), edges, "linear"),
        Panel(f"{title}, jets of top pairs", slices, edges[::2], "linear"),
        Panel(title, pick(jets, ("ttbar", *R_INV), "msd"), edges[::2], "linear"),
    ]
    return panels_figure(panels, 3)


def tau32_figure(folder: Path) -> bytes:
    """tau3 / tau2 of image jets and of semivisible jets."""
    jets, images = sample(folder, "jets"), sample(folder, "jet-images")
    edges = np.linspace(0, 1, 41)
    ratios = {
        name: (jets[name].column("tau3") / jets[name].column("tau2"), jets[name].weights)
        for name in ("ttbar", *R_INV)
    }
    panels = [
        Panel("tau32, 550 to 650 GeV", pick(images, images, "tau32"), edges, "linear"),
        Panel("tau32, jets above 200 GeV", ratios, edges, "linear"),
    ]
    return panels_figure(panels, 2)


def mean_images_figure(folder: Path) -> bytes:
    """Mean images of QCD and top jets."""
    images = sample(folder, "jet-images")
    grid = grid_of(images["qcd"].columns)
    if grid is None:
        raise ValueError("jet-images.h5: its columns form no grid")
    means = mean_images(grid, list(images.values()))

    def paint(figure: Figure) -> None:
        panes = figure.subplots(1, 2, sharey=True)
        for axes, name, image in zip(panes, images, means.values(), strict=True):
            drawn = axes.imshow(
                np.log10(np.maximum(image * 2.0**-12, 1e-6)).T,
                origin="lower",
                extent=(-0.8, 0.8, -0.8, 0.8),
                vmin=-6,
                vmax=-1,
                cmap="viridis",
            )
            axes.set(xlabel=f"{NAMES[name]}: eta", ylabel="phi" if axes is panes[0] else "")
        figure.colorbar(drawn, ax=panes, label="log10 of the mean share of pT", shrink=0.85)

    return picture(paint, width=7.4, height=3.4)


def closure_figure(folder: Path, events: int = 300) -> bytes:
    """Invisible fraction of generated dark hadrons against the r_inv that was asked for."""
    from naetrigger.training.simulate.processes import PROCESSES
    from naetrigger.training.simulate.pythia import EventGenerator

    asked, found, error = np.array([0.1, 0.3, 0.5, 0.7]), [], []
    for name in R_INV:
        dark = EventGenerator(PROCESSES[name].commands, 5).batch(events).dark_hadrons
        found.append(dark.invisible.mean())
        error.append(np.sqrt(found[-1] * (1 - found[-1]) / len(dark.invisible)))
        print(f"{name}: invisible {found[-1]:.4f} ± {error[-1]:.4f} of {len(dark.invisible)}")

    def paint(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        above.plot([0, 0.8], [0, 0.8], color=COLOURS[2], linestyle="--")
        above.errorbar(asked, found, error, color=COLOURS[0], marker="o", linestyle="none")
        above.set(ylabel="invisible dark hadrons")
        below.axhline(0, color=COLOURS[2], linestyle="--")
        below.errorbar(
            asked, np.array(found) - asked, error, color=COLOURS[0], marker="o", linestyle="none"
        )
        below.set(xlabel="r_inv", ylabel="difference", ylim=(-0.04, 0.04))

    return picture(paint)


FIGURES: dict[str, Callable[[Path], bytes]] = {
    "jet-pt": jet_pt_figure,
    "trigger-spectra": trigger_figure,
    "trigger-multiplicities": multiplicity_figure,
    "soft-drop-mass": mass_figure,
    "tau32": tau32_figure,
    "mean-images": mean_images_figure,
    "r-inv-closure": closure_figure,
    "rates-by-pile-up": rates_figure,
}
