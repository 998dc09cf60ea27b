"""What a student learns from whose inputs are not its teacher's: two views of the same events.

A student on 10 x 10 sums follows a teacher on the 40 x 40 image: both see every event through
their own input spec. Points around the background are made in the space that both are computed
from, the source columns: each is smeared by a share of its spread and stays one that hardware can
send. Points drawn in the teacher's inputs (Langevin, uniform) have no counterpart in the student's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.events import Events, concatenated
from naetrigger.export.student_settings import Points
from naetrigger.export.student_task import Sample, StudentTask, Teacher, answered, checked
from naetrigger.export.turned_regions import turned_regions
from naetrigger.firmware_configs.digitise import sorted_objects
from naetrigger.firmware_configs.input_spec import InputSpec
from naetrigger.firmware_configs.scale import Scale
from naetrigger.firmware_configs.trigger_scales import object_of

log = logging.getLogger(__name__)


def view_task(
    teacher: Teacher,
    teacher_spec: InputSpec,
    student_spec: InputSpec,
    train: Events,
    validation: Events,
    points: Points,
    seed: int,
) -> StudentTask:
    """The task of a student that sees events through `student_spec`, its teacher through its own.

    The student can only regress: it gets the teacher's scores, neither its vector nor its layers.
    Raises InputError for what :func:`naetrigger.export.student_task.student_task` refuses.
    """
    if points.langevin_share > 0 or points.uniform_share > 0:
        log.info(
            "student: its inputs are not the teacher's, so the points around the background are "
            "smeared events alone; points.langevin_share and points.uniform_share do not apply"
        )
    samples: list[Sample] = []
    for part, events in (("training", train), ("validation", validation)):
        rng = np.random.default_rng([seed, len(samples)])
        x, w = checked(
            part,
            student_spec.inputs(events),
            events.weights,
            student_spec.fixed,
            len(student_spec.columns),
        )
        samples.append(answered(teacher, x, w, teacher_spec.inputs(events)))
        scales = teacher_spec.scales | student_spec.scales
        around, share = _around(events, scales, points, rng)
        seen = teacher_spec.inputs(around)
        samples.append(answered(teacher, student_spec.inputs(around), share, seen))
    if not np.ptp(samples[0].scores) > 0:
        raise InputError("student: the teacher gives all training background the same score")
    return StudentTask(
        input_type=student_spec.fixed,
        columns=student_spec.columns,
        teacher_score=teacher.score,
        train=samples[0],
        points=samples[1],
        validation=samples[2],
        validation_points=samples[3],
    )


def _around(
    events: Events, scales: Mapping[str, Scale], points: Points, rng: np.random.Generator
) -> tuple[Events, npt.NDArray[np.float64]]:
    """The points of every kind, and the weight of each."""
    kinds = [(smeared_events(events, scales, points, rng), points.noise_share)]
    if points.regions_count and points.regions_share > 0:
        turned = turned_regions(events, points.regions_count, rng)
        kinds.append((turned, points.regions_share))
    kinds = [kind for kind in kinds if len(kind[0])] or kinds[:1]
    shares = [np.full(len(p), share * len(events) / max(len(p), 1)) for p, share in kinds]
    return concatenated([p for p, _ in kinds]), np.concatenate(shares)


def smeared_events(
    events: Events, scales: Mapping[str, Scale], points: Points, rng: np.random.Generator
) -> Events:
    """`points.noise_count` background events with every source column smeared.

    The width is a share (`points.noise_widths`) of the column's spread. Hardware integers stay
    whole and in their range, angles wrap, other columns stay within the background's range.
    Missing objects stay missing, and objects sorted.
    """
    n = points.noise_count if points.noise_widths and points.noise_share > 0 else 0
    if not n:
        return events.select(np.arange(0))
    rows = rng.choice(len(events), n, p=events.weights / events.weights.sum())
    chosen = events.select(rows)
    widths = rng.choice(np.asarray(points.noise_widths, np.float32), (n, 1))
    noise = rng.standard_normal((n, len(events.columns)), dtype=np.float32)
    moved = chosen.values + noise * widths * events.values.std(axis=0)
    values = np.clip(moved, events.values.min(axis=0), events.values.max(axis=0))
    for i, column in enumerate(events.columns):
        if column not in scales:
            continue
        whole = scales[column].fitted(np.rint(moved[:, i]).astype(np.int64))
        if object_of(column):
            whole = _kept_missing(whole, column, chosen)
        values[:, i] = whole
    values = sorted_objects(events.columns, values, scales)
    return Events(
        process=events.process,
        role=events.role,
        columns=events.columns,
        values=values,
        weights=np.ones(n),
        event_ids=chosen.event_ids,
        units=events.units,
    )


def _kept_missing(
    whole: npt.NDArray[np.int64], column: str, events: Events
) -> npt.NDArray[np.int64]:
    """Zero where the object is missing; where it is there, its pT is not zero."""
    pt = f"{column.rpartition('_')[0]}_pt"
    if pt not in events.columns:
        return whole
    there = events.column(pt) > 0
    return np.where(there, np.maximum(whole, 1) if column == pt else whole, 0)
