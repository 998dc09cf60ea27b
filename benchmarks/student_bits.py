"""How closely a student follows its teacher, against bit width and size.

    python benchmarks/student_bits.py RUN [--bits 4 5 6 8 10] [--hidden 12 20 32] [--seeds 1]

RUN is a run folder with finished stages `data` and `training`. For each line of the table a
student is trained on background alone and compared with the teacher on the test split: Spearman
correlation of the scores on background, and the AUC of each signal against background (reweighted
in the recipe's `data.reweight`), student minus teacher. `rounding` is the teacher with rounded
weights and activations, not trained on. Signals are read for this table only.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from naetrigger.contracts.events import Events, read_events
from naetrigger.contracts.fixed_point import Floats
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.export.distil import train_student
from naetrigger.export.student_settings import StudentSettings
from naetrigger.export.student_task import Teacher, float_teacher, student_task
from naetrigger.firmware_configs.input_spec import InputSpec, load_input_spec
from naetrigger.pipeline.recipe import Recipe, load_recipe
from naetrigger.training.data.training_weights import training_events
from naetrigger.training.negatives import sample_negatives
from naetrigger.training.settings import Langevin
from naetrigger.training.teacher import load_teacher
from naetrigger.validation.efficiency import auc, scored
from naetrigger.validation.reweighting import follow_signal

NEGATIVES = 4000
HEADER = (
    "| student | bits | products | Spearman | AUC - teacher: mean | largest | "
    "best epoch | seconds |\n|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Run:
    """A run folder with a trained teacher."""

    recipe: Recipe
    spec: InputSpec
    teacher: Teacher
    negatives: Floats
    train: Events
    validation: Events
    background: Events
    signals: tuple[Events, ...]

    def inputs(self, events: Events) -> Floats:
        return self.spec.inputs(events.values)

    def background_for(self, signal: Events) -> Floats:
        """Background weights for comparison with a signal."""
        column = self.recipe.data.reweight
        if column is None:
            return self.background.weights
        return follow_signal(
            self.background.column(column),
            signal.column(column),
            self.background.weights,
            signal.weights,
        ).weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path)
    parser.add_argument("--bits", type=int, nargs="*", default=[4, 5, 6, 8, 10])
    parser.add_argument("--hidden", type=int, nargs="*", default=[12, 20, 32])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    arguments = parser.parse_args()
    run = read_run(arguments.run)
    print(HEADER)
    for name, settings in students(arguments.bits, arguments.hidden):
        for seed in arguments.seeds:
            print(f"| {name} | {settings.weight_bits} | {line(run, settings, seed)} |", flush=True)


def students(bits: Iterable[int], hidden: Iterable[int]) -> Iterator[tuple[str, StudentSettings]]:
    """Lines of the table: the teacher's shape at every width, then smaller ones at 6 and 8."""
    for width in bits:
        formats = {"weight_bits": width, "activation_bits": width}
        yield "rounding", StudentSettings(**formats, epochs=0)
        yield "quantize", StudentSettings(**formats)
    for size in hidden:
        for width in (6, 8):
            yield (
                f"distil {size}",
                StudentSettings(
                    mode="distil", hidden=(size,), weight_bits=width, activation_bits=width
                ),
            )
    yield "regress 20, 20", StudentSettings(mode="regress", hidden=(20, 20))


def read_run(root: Path) -> Run:
    recipe = load_recipe(str(root / "recipe.yaml"))
    model = load_teacher(root / "training")
    chain = getattr(recipe.objective, "chain", Langevin())
    generator = torch.Generator().manual_seed(recipe.seed)
    test = read_events(root / "data" / "test.h5")
    return Run(
        recipe=recipe,
        spec=load_input_spec(str(root / "data" / "input_spec.yaml")),
        teacher=float_teacher(model),
        negatives=sample_negatives(model, chain, NEGATIVES, generator).numpy().astype(np.float64),
        train=training_events(root / "data", "train"),
        validation=training_events(root / "data", "validation"),
        background=next(events for events in test if events.role == "background"),
        signals=tuple(events for events in test if events.role != "background"),
    )


def line(run: Run, settings: StudentSettings, seed: int) -> str:
    """Train one student and measure it."""
    task = student_task(
        run.teacher,
        run.spec.fixed,
        run.spec.columns,
        (run.inputs(run.train), run.train.weights),
        (run.inputs(run.validation), run.validation.weights),
        settings.points,
        seed,
        run.negatives,
    )
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        report = train_student(task, settings, seed, Path(folder))
    seconds = time.perf_counter() - start
    rank, differences = compare(run, report.network)
    largest = max(differences, key=abs)
    return (
        f"{report.network.multiplications} | {rank:.4f} | {np.mean(differences):+.4f} | "
        f"{largest:+.4f} | {report.best_epoch} | {seconds:.0f}"
    )


def compare(run: Run, network: FixedPointNetwork) -> tuple[float, list[float]]:
    """(Spearman on test background, AUC differences by signal)."""

    def of_student(events: Events) -> Floats:
        return network.scores(run.spec.mantissas(events.values)).astype(np.float64)

    def of_teacher(events: Events) -> Floats:
        return run.teacher.answer(run.inputs(events)).scores

    student, teacher = of_student(run.background), of_teacher(run.background)
    differences = []
    for signal in run.signals:
        weights = run.background_for(signal)
        one, other = (
            auc(scored(background, weights), scored(scores, signal.weights))
            for background, scores in (
                (student, of_student(signal)),
                (teacher, of_teacher(signal)),
            )
        )
        differences.append(one - other)
    return float(spearmanr(student, teacher).statistic), differences


if __name__ == "__main__":
    main()
