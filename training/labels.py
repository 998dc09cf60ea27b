"""Class labels of events, for the objectives that know classes: any numbers become 0, 1, 2, ..."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.training.settings import RelativeMahalanobisObjective

Floats = npt.NDArray[np.floating]
NAMED = 12  # labels shown in a message
FEWEST_DRAWN = 10  # events of each class expected among those drawn for means and covariances


def with_classes(
    settings: RelativeMahalanobisObjective,
    train: tuple[Floats, Floats | None],
    validation: tuple[Floats, Floats | None],
    probabilities: Floats | None = None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Inputs (N, F) and labels (N,) of both samples, as (N, F + 1) with the class number last.

    probabilities : (N,), by which training events are drawn, sum 1; none: all alike

    Classes are numbered by rising label. Raises InputError for labels that are missing, not
    finite, more or fewer than `settings.classes`, or in the validation events alone, and for a
    class of which hardly any event would be drawn.
    """
    labels = _labels(settings, "training", *train)
    known = np.unique(labels)
    if len(known) != settings.classes:
        raise InputError(
            f"objective.classes: is {settings.classes}, and the training events have {len(known)} "
            f"different values of '{settings.labels}' ({_shown(known)}); set it to {len(known)} if "
            "these are the classes, or name another column as objective.labels"
        )
    if probabilities is not None:
        _require_drawn(settings, known, labels, probabilities)
    return _joined(settings, "training", known, train), _joined(
        settings, "validation", known, validation
    )


def _require_drawn(
    settings: RelativeMahalanobisObjective, known: Floats, labels: Floats, probabilities: Floats
) -> None:
    shares = np.bincount(np.searchsorted(known, labels), probabilities)
    rare = int(shares.argmin())
    if shares[rare] * len(labels) < FEWEST_DRAWN:
        raise InputError(
            f"objective.use_weights: events with '{settings.labels}' {known[rare]:g} have "
            f"{100 * shares[rare]:.3g}% of the training events' weight, so that of "
            f"{len(labels)} drawn events {shares[rare] * len(labels):.3g} are expected to be of "
            f"this class, and its mean needs {FEWEST_DRAWN}: set objective.use_weights: false, or "
            "leave the class out of the events and count it out of objective.classes"
        )


def _joined(
    settings: RelativeMahalanobisObjective,
    name: str,
    known: Floats,
    sample: tuple[Floats, Floats | None],
) -> npt.NDArray[np.float32]:
    labels = _labels(settings, name, *sample)
    strange = np.setdiff1d(labels, known)
    if len(strange):
        raise InputError(
            f"objective.labels: '{settings.labels}' of the {name} events holds {_shown(strange)}, "
            f"which no training event has ({_shown(known)})"
        )
    classes = np.searchsorted(known, labels)
    return np.concatenate([sample[0], classes[:, None]], axis=1).astype(np.float32)


def _labels(
    settings: RelativeMahalanobisObjective, name: str, inputs: Floats, labels: Floats | None
) -> Floats:
    if labels is None:
        raise InputError(
            f"objective {settings.name}: needs the class of each event, and the {name} events have "
            f"none: give the column '{settings.labels}' (train(..., train_labels=, "
            "validation_labels=)), or take objective.name: mahalanobis, which knows no classes"
        )
    if labels.shape != (len(inputs),) or not np.isfinite(labels).all():
        raise InputError(
            f"objective.labels: '{settings.labels}' of the {name} events must be {len(inputs)} "
            f"finite numbers, got shape {labels.shape} with "
            f"{int((~np.isfinite(labels)).sum())} NaN or infinite"
        )
    return labels


def _shown(values: Floats) -> str:
    more = f" and {len(values) - NAMED} more" if len(values) > NAMED else ""
    return ", ".join(f"{value:g}" for value in values[:NAMED]) + more
