"""What the shipped samples look like to a physicist: figures, sanity table, rates by pile-up.

    python benchmarks/sample_physics.py [--only NAME ...] [--data FOLDER] [--out docs/figures]

Everything comes from the shipped files, but for the closure of r_inv, which takes 300 events a
point from Pythia (extra `generate`). Background weights are the generator's. Errors: bootstrap
over events; over the pool's collisions where the background is zero bias, since one collision is
the hardest of many crossings.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from naetrigger.contracts.events import Events, read_events
from naetrigger.contracts.trigger_objects import LSB
from naetrigger.training.simulate.overlay import effective_pool_events
from naetrigger.validation.baselines import Mahalanobis, Pca, fit_mahalanobis, fit_pca
from naetrigger.validation.efficiency import auc, auc_replicas, resample_counts, scored
from naetrigger.validation.mean_images import grid_of, mean_images
from naetrigger.validation.plots import COLOURS, DASHES, MARKERS, Style
from naetrigger.validation.reweighting import effective_number, follow_signal

REPOSITORY = Path(__file__).parents[1]
SHIPPED = REPOSITORY / "training" / "data"
STYLE = Style(label="Simulation: Pythia 8, parametric detector")
REPLICAS = 50

Floats = npt.NDArray[np.floating[Any]]
Sample = Mapping[str, Events]

R_INV = ("svjt_2000_r01", "svjt_2000_r03", "svjt_2000_r05", "svjt_2000_r07")
NAMES = {
    "zero_bias": "zero bias",
    "ttbar": "top pairs",
    "qcd": "QCD",
    "top": "boosted tops",
    "a_4l": "A to 4 leptons",
    "lq_btau": "leptoquarks",
    "h0_tautau": "h0 to tau tau",
    "hp_taunu": "h+ h-",
    "svjs_2000_r03": "Z' 2 TeV, r_inv 0.3",
    "svjt_1000_r03": "pairs, 1 TeV, r_inv 0.3",
    "svjt_2000_r01": "pairs, 2 TeV, r_inv 0.1",
    "svjt_2000_r03": "pairs, 2 TeV, r_inv 0.3",
    "svjt_2000_r05": "pairs, 2 TeV, r_inv 0.5",
    "svjt_2000_r07": "pairs, 2 TeV, r_inv 0.7",
    "svjt_4000_r03": "pairs, 4 TeV, r_inv 0.3",
}
OBJECTS = {"eg": slice(1, 5), "mu": slice(5, 9), "jet": slice(9, 19)}
DESIGN_NOTE = {
    ("top", "soft-drop mass"): ".860",
    ("top", "-tau32"): ".815",
    ("top", "PCA-10 of images, trained on the background"): ".883",
    ("qcd", "PCA-10 of images, trained on the background"): ".21 to .31",
    **{(p, "tau3"): v for p, v in zip(R_INV, (".94", ".89", ".85", ".74"), strict=True)},
    **{
        (p, "Mahalanobis, fitted without weights"): v
        for p, v in zip(R_INV, (".87", ".81", ".72", ".62"), strict=True)
    },
    ("a_4l", "PCA-20 of regions"): ".68",
    ("lq_btau", "PCA-20 of regions"): ".91",
    ("h0_tautau", "PCA-20 of regions"): ".69",
    ("ttbar", "PCA-20 of regions"): ".997",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=SHIPPED, help="folder of the shipped files")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "figures")
    parser.add_argument("--only", nargs="+", choices=(*FIGURES, "table", "rates"))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    wanted = arguments.only or (*FIGURES, "table", "rates")
    arguments.out.mkdir(parents=True, exist_ok=True)

    for name in FIGURES:
        if name in wanted:
            path = arguments.out / f"{name}.png"
            path.write_bytes(FIGURES[name](arguments.data))
            print(f"{path}: {path.stat().st_size / 1e3:.0f} kB", flush=True)
    if "table" in wanted:
        print(markdown(sanity_lines(arguments.data, np.random.default_rng(arguments.seed))))
    if "rates" in wanted:
        print(rates_markdown(sample(arguments.data, "l1-objects")["zero_bias"]))


def sample(folder: Path, name: str) -> Sample:
    """The processes of one shipped file."""
    return {events.process: events for events in read_events(folder / f"{name}.h5")}


# The sanity table


@dataclass(frozen=True)
class Line:
    """One AUC: above 0.5 when the signal has the larger score.

    effective : (sum w)^2 / sum w^2 of the background's weights
    """

    background: str
    signal: str
    score: str
    auc: float
    error: float
    effective: float


def measure(
    score: str,
    background: tuple[Events, Floats],
    signal: tuple[Events, Floats],
    rng: np.random.Generator,
    weights: Floats | None = None,
) -> Line:
    """AUC of a score and its bootstrap error.

    background, signal : events and their scores (N,)
    weights : of the background, in place of its own; the same in every resample
    """
    (b, b_scores), (s, s_scores) = background, signal
    w = np.asarray(b.weights if weights is None else weights, np.float64)
    kept = w > 0
    have = scored(b_scores[kept], w[kept])
    want = scored(s_scores, s.weights)
    counts = (
        resample_counts(collisions(b)[kept], REPLICAS, rng),
        resample_counts(s.event_ids, REPLICAS, rng),
    )
    error = float(np.std(auc_replicas(have, want, counts), ddof=1))
    return Line(b.process, s.process, score, auc(have, want), error, effective_number(w))


def markdown(lines: Iterable[Line]) -> str:
    """The table, beside what was found when the samples were designed."""
    rows = [
        "| background | signal | score | AUC | design note | effective background |",
        "|---|---|---|---|---|---|",
    ]
    for line in lines:
        design = DESIGN_NOTE.get((line.signal, line.score), "")
        rows.append(
            f"| {NAMES.get(line.background, line.background)} "
            f"| {NAMES.get(line.signal, line.signal)} | {line.score} "
            f"| {line.auc:.3f} ± {line.error:.3f} | {design} | {line.effective:.0f} |"
        )
    return "\n".join(rows)


def sanity_lines(folder: Path, rng: np.random.Generator) -> Iterable[Line]:
    """All lines of the table, from the four files in `folder`."""
    yield from image_lines(sample(folder, "jet-images"), rng)
    yield from jet_lines(sample(folder, "jets"), rng)
    yield from region_lines(sample(folder, "calo-regions"), rng)
    yield from object_lines(sample(folder, "l1-objects"), rng)


def image_lines(images: Sample, rng: np.random.Generator) -> Iterable[Line]:
    """Tops against QCD by mass and tau32, then by PCA in both directions."""
    qcd, top = images["qcd"], images["top"]
    for name, column, sign in (("soft-drop mass", "msd", 1), ("-tau32", "tau32", -1)):
        scores = [(events, sign * events.column(column)) for events in (qcd, top)]
        yield measure(name, scores[0], scores[1], rng)
    for background, signal in ((qcd, top), (top, qcd)):
        fitted_on, held_out = halves(background)
        pca = fit_pca(fitted_on.values, fitted_on.weights, 10)
        yield measure(
            "PCA-10 of images, trained on the background",
            (held_out, pca.scores(held_out.values)),
            (signal, pca.scores(signal.values)),
            rng,
        )


def jet_lines(jets: Sample, rng: np.random.Generator) -> Iterable[Line]:
    """Semivisible jets against top jets of the same pT."""
    fitted_on, background = halves(jets["ttbar"])
    mahalanobis = fit_mahalanobis(fitted_on.values, fitted_on.weights)
    unweighted = fit_mahalanobis(fitted_on.values)
    for signal in jets.values():
        if signal.role == "background":
            continue
        followed = follow_signal(
            background.column("jet_pt"),
            signal.column("jet_pt"),
            background.weights,
            signal.weights,
        )
        scores: dict[str, Callable[[Events], Floats]] = {
            "tau3": lambda events: events.column("tau3"),
            "-ptd": lambda events: -events.column("ptd"),
            "Mahalanobis": lambda events: mahalanobis.scores(events.values),
            "Mahalanobis, fitted without weights": lambda events: unweighted.scores(events.values),
        }
        for name, score in scores.items():
            yield measure(
                name,
                (background, score(background)),
                (signal, score(signal)),
                rng,
                followed.weights,
            )


def region_lines(regions: Sample, rng: np.random.Generator) -> Iterable[Line]:
    """Signals against zero bias by what calorimeter regions alone tell."""
    fitted_on, background = halves(regions["zero_bias"])
    models: dict[str, Mahalanobis | Pca] = {
        "PCA-20 of regions": fit_pca(fitted_on.values, fitted_on.weights, 20),
        "Mahalanobis of regions": fit_mahalanobis(fitted_on.values, fitted_on.weights),
    }
    for name, model in models.items():
        scores = model.scores(background.values)
        for signal in regions.values():
            if signal.role == "signal":
                found = (signal, model.scores(signal.values))
                yield measure(name, (background, scores), found, rng)


def object_lines(objects: Sample, rng: np.random.Generator) -> Iterable[Line]:
    """Signals against zero bias by HT, the plainest score there is."""
    background = objects["zero_bias"]
    for signal in objects.values():
        if signal.role == "signal":
            scores = [(events, events.column("ht")) for events in (background, signal)]
            yield measure("HT", scores[0], scores[1], rng)


def collisions(events: Events) -> npt.NDArray[np.uint64]:
    """What a resample draws whole: in zero bias the hardest collision, elsewhere the event."""
    if events.process == "zero_bias":
        return (events.column("pool_event") + 1).astype(np.uint64)  # -1: no collision
    return events.event_ids


def halves(events: Events) -> tuple[Events, Events]:
    """Two halves without an event, or a hardest collision, in common."""
    even = collisions(events) % np.uint64(2) == 0
    return events.select(even), events.select(~even)


# Rates

THRESHOLDS = (
    ("leading jet", "jet1_pt", 60),
    ("leading jet", "jet1_pt", 120),
    ("HT", "ht", 200),
    ("missing ET", "met_pt", 80),
    ("leading e/gamma", "eg1_pt", 20),
    ("leading muon", "mu1_pt", 7),
)
PILE_UP = np.array([20.0, 38.0, 44.0, 48.0, 52.0, 56.0, 62.0, 80.0])


@dataclass(frozen=True)
class Rate:
    """Rate of a threshold if all crossings had this pile-up, and what it rests on.

    error : Poisson over pool events, each with the weight of all crossings it is the hardest of
    """

    khz: float
    error: float
    effective_pool_events: float


def rate(zero_bias: Events, passing: npt.NDArray[np.bool_]) -> Rate:
    """Crossing rate times weighted fraction of crossings."""
    scale = float(zero_bias.attributes["crossing_rate_khz"]) / zero_bias.weights.sum()
    w, pool = zero_bias.weights[passing], collisions(zero_bias)[passing].astype(np.int64)
    per_event = np.bincount(pool, w) if len(pool) else np.zeros(1)
    return Rate(
        float(scale * per_event.sum()),
        float(scale * np.sqrt(np.sum(per_event**2))),
        effective_pool_events(w, pool),
    )


def rates_by_pile_up(zero_bias: Events, column: str, threshold: float) -> list[Rate]:
    """One rate for each bin of PILE_UP."""
    bins = np.digitize(zero_bias.column("mean_pileup"), PILE_UP[1:-1])
    found = []
    for index in range(len(PILE_UP) - 1):
        here = zero_bias.select(bins == index)
        found.append(rate(here, in_gev(here, column) >= threshold))
    return found


def rates_markdown(zero_bias: Events) -> str:
    """Rate ± error (effective pool events), kHz, a row a threshold."""
    titles = [f"{a:.0f} to {b:.0f}" for a, b in pairwise(PILE_UP)]
    rows = [f"| at least / GeV | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for name, column, threshold in THRESHOLDS:
        cells = [
            f"{r.khz:.3g} ± {r.error:.1g} ({r.effective_pool_events:.0f})"
            for r in rates_by_pile_up(zero_bias, column, threshold)
        ]
        rows.append(f"| {name} {threshold} | {' | '.join(cells)} |")
    return "\n".join(rows)


def in_gev(events: Events, column: str) -> Floats:
    """A pT of the trigger view; HT is in GeV as stored."""
    return events.column(column) * (1.0 if column == "ht" else LSB[0, 0])


# Figures


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


@dataclass(frozen=True)
class Panel:
    """Histograms in one frame; the first population is filled and carries errors.

    populations : name -> values and weights
    """

    title: str
    populations: Mapping[str, tuple[Floats, Floats]]
    edges: Floats
    scale: str = "log"


def pick(
    events: Sample,
    names: Iterable[str],
    column: str,
    values: Callable[[Events, str], Floats] = Events.column,
) -> dict[str, tuple[Floats, Floats]]:
    """One column of some processes."""
    return {name: (values(events[name], column), events[name].weights) for name in names}


def panels_figure(panels: Sequence[Panel], columns: int, ylabel: str = "fraction of jets") -> bytes:
    """Panels in rows, a legend below each that differs from the one before."""

    def paint(figure: Figure) -> None:
        rows = -(-len(panels) // columns)
        frames = np.asarray(figure.subplots(rows, columns)).reshape(-1)
        legends = {tuple(panel.populations) for panel in panels}
        for i, (axes, panel) in enumerate(zip(frames, panels, strict=True)):
            paint_panel(axes, panel)
            if i % columns == 0:
                axes.set_ylabel(f"{ylabel} a bin")
            if len(legends) > 1:
                axes.legend(fontsize=8)
        if len(legends) == 1:
            handles, labels = frames[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=4)

    height = 3.1 * -(-len(panels) // columns) + 0.8
    return picture(paint, width=3.7 * columns, height=height)


def picture(paint: Callable[[Figure], None], width: float = 6.0, height: float = 4.6) -> bytes:
    """A PNG of 64 colours, which is a tenth of the SVG; width and height in inches."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(cast(Any, STYLE.settings()))
        figure = Figure(figsize=(width, height), layout="constrained")
        paint(figure)
        figure.axes[0].set_title(STYLE.label, loc="left", fontweight="bold", fontsize=10)
        drawn, small = io.BytesIO(), io.BytesIO()
        figure.savefig(drawn, format="png", dpi=95)
    Image.open(drawn).convert("RGB").quantize(64).save(small, "PNG", optimize=True)
    return small.getvalue()


def paint_panel(axes: Axes, panel: Panel) -> None:
    """Each population as the share of its weight in each bin; what lies beyond is left out."""
    for i, (name, (values, weights)) in enumerate(panel.populations.items()):
        share = np.histogram(values, panel.edges, weights=weights)[0] / weights.sum()
        label = NAMES.get(name, name)
        if i == 0:
            squares = np.histogram(values, panel.edges, weights=weights**2)[0]
            error = np.sqrt(squares) / weights.sum()
            axes.stairs(share, panel.edges, fill=True, color="#d9d9d9", label=label)
            some = share > 0
            centres = (panel.edges[1:] + panel.edges[:-1]) / 2
            axes.errorbar(
                centres[some], share[some], error[some], color="#555555", linestyle="none", lw=1
            )
        else:
            axes.stairs(
                share,
                panel.edges,
                color=COLOURS[i - 1],
                linestyle=DASHES[i - 1],
                label=label,
                lw=1.5,
            )
    axes.set(xlabel=panel.title, yscale=panel.scale)
    if panel.scale == "log":
        axes.set_ylim(1e-5, 2)
    else:
        axes.set_ylim(0, axes.get_ylim()[1] * 1.25)
    axes.set_xlim(panel.edges[0], panel.edges[-1])


if __name__ == "__main__":
    main()
