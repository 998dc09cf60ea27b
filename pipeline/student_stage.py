"""The student stage: the trained teacher becomes a compact fixed-point network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from naetrigger.pipeline.work import Work

NEGATIVES = 4000  # samples of the teacher's own density that the student meets


def run_student(work: Work) -> None:
    """Train the student on background, on points around it, and on the teacher's answers."""
    import torch

    from naetrigger.export.distil import train_student
    from naetrigger.export.qkeras_student import libraries
    from naetrigger.export.student_task import float_teacher, student_task
    from naetrigger.training.negatives import sample_negatives
    from naetrigger.training.settings import Langevin
    from naetrigger.training.teacher import load_teacher

    recipe, spec = work.recipe, work.spec
    (train,), (validation,) = work.events("train"), work.events("validation")
    model = load_teacher(work.root / "training")
    chain = getattr(recipe.objective, "chain", Langevin())
    generator = torch.Generator().manual_seed(recipe.seed)
    negatives = sample_negatives(model, chain, NEGATIVES, generator).numpy()
    task = student_task(
        float_teacher(model),
        spec.fixed,
        spec.columns,
        (spec.inputs(train.values), train.weights),
        (spec.inputs(validation.values), validation.weights),
        recipe.student.points,
        recipe.seed,
        negatives,
    )
    with _hushed():
        libraries()
    train_student(task, recipe.student, recipe.seed, work.folder, work.progress)


@contextmanager
def _hushed() -> Iterator[None]:
    """Drop what native code prints to standard error: TensorFlow greets every import."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
