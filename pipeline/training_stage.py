"""The training stage: the teacher, and the other members of its ensemble.

Member 0 has the recipe's seed and lies in the stage's folder itself, as if it were alone: it goes
on to the student, whatever the others turn out to be. Member k has seed + k and lies in
members/seed_N. A member that is finished is not trained again when the stage goes on after a kill.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import EnvironmentProblem, TrainingDiverged
from naetrigger.contracts.events import Events
from naetrigger.contracts.manifest import NAME, sha256_of
from naetrigger.contracts.progress import Progress
from naetrigger.contracts.workers import working
from naetrigger.pipeline.input_specs import spec_of
from naetrigger.pipeline.recipe import Recipe
from naetrigger.pipeline.work import Work
from naetrigger.training.data.training_weights import training_events
from naetrigger.training.settings import ObjectiveSettings, TrainingSettings

MEMBERS = "members"
PACKAGES = ("numpy", "torch", "POT", "numba", "zuko")
PATIENCE_SECONDS = 1.0  # between words of progress
LOOK_SECONDS = 2.0  # between looks at whether a member is still asked for
ASKED = ".asked-"


def run_training(work: Work) -> None:
    """Train every member, and draw its curves."""
    recipe = work.recipe
    settings = TrainingSettings(
        model=recipe.model, objective=recipe.objective, **recipe.training.model_dump()
    )
    seeds = member_seeds(recipe)
    for left in work.folder.glob(f"{ASKED}*"):  # of a run that was killed
        left.unlink()
    if len(seeds) > 1 and not isinstance(work.workers, int):
        _train_beside(work, settings, seeds)
        return
    for seed in seeds:
        folder, title = member_folder(work.folder, recipe, seed), _title(seed, seeds)
        progress = _Titled(work.progress, title) if title else work.progress
        with _divergence_of(title):
            train_member(settings, seed, folder, work.root, progress)
        _draw(folder, recipe.name)


@dataclass(frozen=True)
class MemberJob:
    """Members of one ensemble, wherever there is a worker (contracts/workers.py).

    A worker writes into the member's folder, so that a member goes on from its checkpoint when its
    worker was lost.

    mark : a file that is there while somebody waits for the members
    """

    settings: TrainingSettings
    root: Path
    folder: Path
    mark: Path

    @property
    def what(self) -> str:
        return "it trained the ensemble member with seed"

    def prepare(self) -> Callable[[int, str, Path], None]:
        """(seed, title, folder) -> None"""
        wanted = _Wanted(self.mark)

        def member(seed: int, title: str, folder: Path) -> None:
            with _divergence_of(title):
                train_member(self.settings, seed, folder, self.root, wanted)

        return member

    def sees(self) -> Mapping[str, str]:
        """The run folder, where the stage works, and the programs and processor that train."""
        from naetrigger.pipeline.run import versions
        from naetrigger.training.processor import processor

        manifest = self.root / NAME
        found = sha256_of(manifest) if manifest.is_file() else ""
        there = {str(self.folder): "there" if self.folder.is_dir() else ""}
        return {str(manifest): found, **there, **processor(), **versions(PACKAGES)}


def _train_beside(work: Work, settings: TrainingSettings, seeds: list[int]) -> None:
    """All members on a crew, as many at once as it has workers."""
    root, stage = work.root.absolute(), work.folder.absolute()
    work.progress.start("training ensemble members", len(seeds))
    waiting, done = list(seeds), 0
    with (
        _asked(stage) as mark,
        working(MemberJob(settings, root, stage, mark), work.workers) as pool,
    ):
        while waiting or pool.busy:
            while waiting and pool.idle:
                seed = waiting.pop(0)
                folder = member_folder(stage, work.recipe, seed)
                pool.ask(seed, seed, _title(seed, seeds), folder)
            work.progress.update(done, at_work=float(len(pool.in_work)))
            for seed, _ in pool.answers(PATIENCE_SECONDS):
                done += 1
                _draw(member_folder(stage, work.recipe, seed), work.recipe.name)


@contextmanager
def _asked(stage: Path) -> Iterator[Path]:
    """A file that is there while somebody waits for members of the stage."""
    mark = stage / f"{ASKED}{uuid.uuid4().hex}"
    mark.touch()
    try:
        yield mark
    finally:
        mark.unlink(missing_ok=True)


class _Wanted:
    """Ends a training that nobody waits for, as progress: Dask ends no task that has begun. A run
    with other settings works in another folder (run_folder.py)."""

    def __init__(self, mark: Path) -> None:
        self._mark, self._looked = mark, -math.inf

    def start(self, label: str, total: int) -> None:
        self._look()

    def update(self, done: int, **values: float) -> None:
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._look()

    def _look(self) -> None:
        self._looked = time.monotonic()
        if not self._mark.exists():
            raise EnvironmentProblem(
                f"{self._mark.parent}: nobody waits for this training any more"
            )


def _title(seed: int, seeds: list[int]) -> str:
    """What to call a member; nothing where there is one alone."""
    return f"seed {seed} ({seeds.index(seed) + 1} of {len(seeds)})" if len(seeds) > 1 else ""


@contextmanager
def _divergence_of(title: str) -> Iterator[None]:
    """A divergence names the member that it is of."""
    try:
        yield
    except TrainingDiverged as error:
        if not title:
            raise
        raise TrainingDiverged(f"ensemble member with {title}: {error}") from error


def member_seeds(recipe: Recipe) -> list[int]:
    """The members' seeds, the recipe's own first."""
    return [recipe.seed + k for k in range(recipe.ensemble.members)]


def member_folder(stage: Path, recipe: Recipe, seed: int) -> Path:
    """Where a member lies below the folder of the stage."""
    return stage if seed == recipe.seed else stage / MEMBERS / f"seed_{seed}"


def train_member(
    settings: TrainingSettings, seed: int, folder: Path, root: Path, progress: Progress
) -> None:
    """Train one member into `folder` on the samples of the run folder `root`.

    It goes on from a checkpoint in `folder`, and leaves a finished training as it is. All it
    needs are these values, so that it can be run elsewhere too.
    """
    from naetrigger.training.loop import is_finished, train

    if is_finished(folder):
        return
    spec = spec_of(root, "teacher")
    training, validation = (
        training_events(root / "data", name) for name in ("train", "validation")
    )
    train(
        settings.model_copy(update={"seed": seed}),
        spec.inputs(training).astype(np.float32),
        spec.inputs(validation).astype(np.float32),
        folder,
        columns=spec.columns,
        train_weights=training.weights,
        validation_weights=validation.weights,
        train_labels=_labels(settings.objective, training),
        validation_labels=_labels(settings.objective, validation),
        progress=progress,
    )


def _labels(objective: ObjectiveSettings, events: Events) -> npt.NDArray[np.float32] | None:
    """The column that an objective with classes names."""
    column = getattr(objective, "labels", None)
    return None if column is None else events.column(column)


def _draw(folder: Path, sample: str) -> None:
    from naetrigger.validation.curve_plots import draw_curves
    from naetrigger.validation.plots import Style

    for curves in sorted(folder.glob("curves*.csv")):
        draw_curves(curves, Style(label="naetrigger", sample=sample))


class _Titled:
    """Passes progress on with a title behind each label."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress, self._title = progress, title

    def start(self, label: str, total: int) -> None:
        self._progress.start(f"{label}, {self._title}", total)

    def update(self, done: int, **values: float) -> None:
        self._progress.update(done, **values)
