"""The student stage: the trained teacher becomes a compact fixed-point network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from naetrigger.pipeline.input_specs import has_two_specs
from naetrigger.pipeline.work import Work

if TYPE_CHECKING:
    from naetrigger.export.student_task import StudentTask

NEGATIVES = 4000  # samples of the teacher's own density that the student meets


def run_student(work: Work) -> None:
    """Train the student on background, on points around it, and on the teacher's answers."""
    from naetrigger.export.distil import train_student

    recipe = work.recipe
    train_student(task_of(work), recipe.student, recipe.seed, work.folder, work.progress)


def task_of(work: Work) -> StudentTask:
    """What the student of a run learns from; tensorflow is loaded too, quietly.

    One thread: training with quantizers turns the rounding of the teacher's answers into another
    student.
    """
    from naetrigger.export.qkeras_student import libraries
    from naetrigger.training.teacher import load_teacher
    from naetrigger.training.threads import torch_threads

    model = load_teacher(work.root / "training")
    with torch_threads(1):
        task = (_own_view_task if has_two_specs(work.root) else _task)(work, model)
    with _hushed():
        libraries()
    return task


def _task(work: Work, model: Any) -> StudentTask:
    """Teacher and student see the same inputs."""
    import torch

    from naetrigger.export.student_task import float_teacher, student_task
    from naetrigger.training.negatives import sample_negatives
    from naetrigger.training.settings import Langevin
    from naetrigger.training.teacher import read_description

    recipe, spec = work.recipe, work.spec
    train, validation = work.training_events("train"), work.training_events("validation")
    chain = getattr(recipe.objective, "chain", Langevin())
    learned = read_description(work.root / "training").get("temperature")
    if learned is not None:
        chain = chain.model_copy(update={"temperature": learned})
    generator = torch.Generator().manual_seed(recipe.seed)
    negatives = sample_negatives(model, chain, NEGATIVES, generator).numpy()
    return student_task(
        float_teacher(model),
        spec.fixed,
        spec.columns,
        (spec.inputs(train), train.weights),
        (spec.inputs(validation), validation.weights),
        recipe.student.points,
        recipe.seed,
        negatives,
    )


def _own_view_task(work: Work, model: Any) -> StudentTask:
    """The student has inputs of its own."""
    from naetrigger.export.student_task import float_teacher
    from naetrigger.export.view_task import view_task

    train, validation = work.training_events("train"), work.training_events("validation")
    return view_task(
        float_teacher(model),
        work.spec,
        work.student_spec,
        train,
        validation,
        work.recipe.student.points,
        work.recipe.seed,
    )


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
