"""How far a student is from its teacher, measured without a signal.

A point's rank r(x) is the fraction of background that scores higher (ties count half), by the
teacher and by the student. The AUC of any sample S is the mean of 1 - r over it, so

    |AUC_student(S) - AUC_teacher(S)|  <=  mean over S of |r_student - r_teacher|

The *rank shift* is the largest such mean over the validation background and over each kind of
points around it (smeared background, the teacher's own negatives, uniform points).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from naetrigger.contracts.network import FixedPointNetwork

Floats = npt.NDArray[np.float64]
EFFICIENCY = 0.01  # working point of `kept`


@dataclass(frozen=True)
class Fidelity:
    """rank_shift : see above; auc_shift : the largest change of AUC among the kinds of points;
    spearman : rank correlation on background; kept : weight of the teacher's most anomalous
    hundredth of background that is also the student's."""

    rank_shift: float
    auc_shift: float
    spearman: float
    kept: float


def fidelity(task: Any, network: FixedPointNetwork) -> Fidelity:
    """A student's network against the answers of its teacher (export.student_task.StudentTask)."""
    background, points = task.validation, task.validation_points
    of = network.scores(task.input_type.mantissas(background.x)).astype(np.float64)
    around = network.scores(task.input_type.mantissas(points.x)).astype(np.float64)
    teachers = ranks(background.scores, background.scores, background.weights)
    students = ranks(of, of, background.weights)
    shifts = [float(np.average(np.abs(students - teachers), weights=background.weights))]
    aucs = []
    for weight in np.unique(points.weights):  # each kind of points has a weight of its own
        kind = points.weights == weight
        theirs = ranks(points.scores[kind], background.scores, background.weights)
        ours = ranks(around[kind], of, background.weights)
        shifts.append(float(np.mean(np.abs(ours - theirs))))
        aucs.append(abs(float(np.mean(ours - theirs))))
    constant = not np.ptp(of) > 0
    return Fidelity(
        rank_shift=max(shifts),
        auc_shift=max(aucs, default=0.0),
        spearman=0.0 if constant else float(spearmanr(of, background.scores).statistic),
        kept=_kept(teachers, students, background.weights),
    )


def ranks(scores: Floats, background: Floats, weights: Floats) -> Floats:
    """Weighted fraction of background above each score, ties half; shape of `scores`."""
    order = np.argsort(background, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(weights[order])])
    found = background[order]
    left = below[np.searchsorted(found, scores, "left")]
    right = below[np.searchsorted(found, scores, "right")]
    fractions: Floats = 1 - (left + right) / (2 * below[-1])
    return fractions


def _kept(teachers: Floats, students: Floats, weights: Floats) -> float:
    hard = teachers < EFFICIENCY
    total = weights[hard].sum()
    return float(weights[hard & (students < EFFICIENCY)].sum() / total) if total else 0.0
