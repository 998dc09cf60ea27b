"""The sanity table: what single variables, Mahalanobis distances and PCA tell of the samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.events import Events
from naetrigger.validation.baselines import Mahalanobis, Pca, fit_mahalanobis, fit_pca
from naetrigger.validation.efficiency import auc, auc_replicas, resample_counts, scored
from naetrigger.validation.reweighting import effective_number, follow_signal
from shipped_samples import NAMES, R_INV, Sample, collisions, halves, sample

Floats = npt.NDArray[np.floating[Any]]
REPLICAS = 50

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
