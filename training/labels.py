"""Class labels of events, for the objectives that know classes: any numbers become 0, 1, 2, ..."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.training.settings import RelativeMahalanobisObjective

Floats = npt.NDArray[np.floating]
NAMED = 12  # labels shown in a message


def with_classes(
    settings: RelativeMahalanobisObjective,
    train: tuple[Floats, Floats | None],
    validation: tuple[Floats, Floats | None],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Inputs (N, F) and labels (N,) of both samples, as (N, F + 1) with the class number last.

    Classes are numbered by rising label. Raises InputError for labels that are missing, not
    finite, more or fewer than `settings.classes`, or in the validation events alone.
    """
    known = np.unique(_labels(settings, "training", *train))
    if len(known) != settings.classes:
        raise InputError(
            f"objective.classes: is {settings.classes}, and the training events have {len(known)} "
            f"different values of '{settings.labels}' ({_shown(known)}); set it to {len(known)} if "
            "these are the classes, or name another column as objective.labels"
        )
    return _joined(settings, "training", known, train), _joined(
        settings, "validation", known, validation
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
