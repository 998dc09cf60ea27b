"""How well each single input separates each signal of the jets sample from top pairs.

    python benchmarks/jets_sample_auc.py [FILE] [--resamplings N]

Background weights are scaled bin by bin until its weighted jet-pT spectrum is the signal's, so
that no input scores by knowing the jet's pT. Errors: bootstrap over events, which keeps the jets
of one event together. AUC above 0.5: the signal has the larger value.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from naetrigger.contracts.events import Events, read_events

SHIPPED = Path(__file__).parents[1] / "training" / "data" / "jets.h5"
PT_BINS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path, nargs="?", default=SHIPPED)
    parser.add_argument("--resamplings", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--ignore-weights", action="store_true", help="match jet pT alone, Pythia's weights unused"
    )
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)

    samples = read_events(arguments.file)
    (background,) = (sample for sample in samples if sample.role == "background")
    if arguments.ignore_weights:
        background = replace(background, weights=np.ones(len(background)))
    columns = background.columns
    print(
        "| signal | jets | median pT / GeV | background jets, effective | "
        + " | ".join(columns)
        + " |"
    )
    print("|---" * (4 + len(columns)) + "|")
    for signal in samples:
        if signal.role == "signal":
            print(row(background, signal, arguments.resamplings, rng))


def row(background: Events, signal: Events, resamplings: int, rng: np.random.Generator) -> str:
    """One line of the table."""
    value = aucs(background, signal)
    resampled = [
        aucs(background.select(resample(background, rng)), signal.select(resample(signal, rng)))
        for _ in range(resamplings)
    ]
    error = np.std(resampled, axis=0, ddof=1)
    weights = pt_matched_weights(background, signal)
    effective = weights.sum() ** 2 / np.sum(weights**2)
    median = np.median(signal.column("jet_pt"))
    cells = [f"{v:.3f} ± {e:.3f}" for v, e in zip(value, error, strict=True)]
    return f"| {signal.process} | {len(signal)} | {median:.0f} | {effective:.0f} | " + (
        " | ".join(cells) + " |"
    )


def aucs(background: Events, signal: Events) -> npt.NDArray[np.float64]:
    """Area under the ROC curve of each input, shape (F,)."""
    is_signal = np.repeat([0, 1], [len(background), len(signal)])
    weights = np.concatenate([pt_matched_weights(background, signal), signal.weights])
    values = np.concatenate([background.values, signal.values])
    return np.array([roc_auc_score(is_signal, v, sample_weight=weights) for v in values.T])


def pt_matched_weights(background: Events, signal: Events) -> npt.NDArray[np.float64]:
    """Background weights whose sum in each jet-pT bin is the signal's, shape (N,).

    The bins hold equal numbers of signal jets; background outside them gets weight zero.
    """
    edges = np.quantile(signal.column("jet_pt"), np.linspace(0, 1, PT_BINS + 1))
    index = np.searchsorted(edges, background.column("jet_pt"), side="right") - 1
    inside = (index >= 0) & (index < PT_BINS)
    sums = np.bincount(index[inside], background.weights[inside], PT_BINS)
    wanted, _ = np.histogram(signal.column("jet_pt"), edges, weights=signal.weights)
    weights = np.zeros(len(background))
    bins = index[inside]
    weights[inside] = background.weights[inside] * wanted[bins] / sums[bins]
    return weights


def resample(events: Events, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Rows of as many events as there are, drawn with replacement."""
    _, first, counts = np.unique(events.event_ids, return_index=True, return_counts=True)
    drawn = rng.integers(0, len(first), len(first))
    rows = [np.arange(first[i], first[i] + counts[i]) for i in drawn]
    return np.concatenate(rows)


if __name__ == "__main__":
    main()
