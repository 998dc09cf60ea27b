"""The search: students of one teacher, chosen by how near they come to it and what they cost.

Optuna's TPE sampler minimizes rank shift, LUTs and cycles together, under the board's budget. A
trial's choice depends on the seed and on the rounds before its own alone (search_study.py), so a
search that was killed and started again, or made by more workers, ends with the same front.
Signals are looked at once, when the front stands.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from naetrigger.contracts.errors import EnvironmentProblem, InputError
from naetrigger.contracts.manifest import flush_folder, read_manifest, stage_key
from naetrigger.contracts.progress import Progress, Silent
from naetrigger.contracts.workers import Pool, Workers, working
from naetrigger.firmware_configs.board import Board, load_board
from naetrigger.pipeline import stages
from naetrigger.pipeline.preflight import preflight
from naetrigger.pipeline.recipe import Recipe
from naetrigger.pipeline.run import run
from naetrigger.pipeline.run_folder import flush_files, locked
from naetrigger.pipeline.search_storage import database, storage_place
from naetrigger.pipeline.search_study import (
    OBJECTIVES,
    Study,
    Trial,
    open_study,
    optuna_library,
)
from naetrigger.pipeline.search_trial import (
    SEARCH,
    STUDENT,
    Check,
    Choice,
    TrialJob,
    changed,
    overrides,
    own_choice,
    space,
)
from naetrigger.pipeline.work import Work

PATIENCE_SECONDS = 1.0  # between looks at the workers


@dataclass(frozen=True)
class Row:
    """A finished trial: its choice, its figures, and its options for `naetrigger run`."""

    trial: int
    choice: dict[str, Choice]
    figures: dict[str, Any]
    options: list[str]

    @property
    def objectives(self) -> tuple[float, ...]:
        return tuple(float(self.figures[name]) for name in OBJECTIVES)

    @property
    def fits(self) -> bool:
        """Whether the board's budget holds it."""
        return all(value <= 0 for value in self.figures["beyond"].values())


@dataclass(frozen=True)
class SearchResult:
    """rows : all students that could be made; front : those that no other beats; students : the
    folder with trial_N of each; problems : why the other trials have none"""

    root: Path
    students: Path
    board: Board
    rows: tuple[Row, ...]
    front: tuple[Row, ...]
    problems: dict[int, str]

    @property
    def failed(self) -> int:
        """Trials without a student."""
        return len(self.problems)

    @property
    def pruned(self) -> int:
        """Trials that were given up on the way."""
        return sum(bool(row.figures.get("pruned")) for row in self.rows)


def search(
    recipe: Recipe,
    root: Path,
    *,
    workers: Workers = 1,
    storage: str | None = None,
    progress: Progress | None = None,
    notify: Callable[[str], None] = lambda line: None,
) -> SearchResult:
    """Train the teacher if need be, then trials until there are as many as the recipe asks for.

    workers : at the trials; what comes out does not depend on them
    storage : URL of Optuna's storage; default: the recipe's, else a database in the run folder
    """
    optuna = optuna_library()
    folder = root / SEARCH
    place = storage_place(storage or recipe.search.storage, folder)
    preflight(recipe, ["student"])  # of the trials, before the teacher is trained
    if isinstance(place, str):
        database(optuna, place)  # that cannot be reached is said now, too
    board = load_board(recipe.firmware.board)
    run(recipe, root, until="training", progress=progress, notify=notify)
    job = TrialJob(recipe, root.absolute(), board)
    with locked(root):
        folder.mkdir(exist_ok=True)
        study = open_study(optuna, place, _study_name(recipe, root, board))
        trials = recipe.search.trials
        if len(study.finished(trials)) < trials:
            _make_trials(study, job, workers, progress or Silent())
        rows = [_row(recipe, trial) for trial in study.finished(trials)]
        made = [row for row in rows if "problem" not in row.figures]
        students = folder / study.name
        best = front([row for row in made if not row.figures.get("pruned")])
        _remake(_firsts(best, made), job, students, workers)
    problems = {row.trial: row.figures["problem"] for row in rows if "problem" in row.figures}
    return SearchResult(root, students, board, tuple(made), tuple(best), problems)


def _firsts(rows: list[Row], made: list[Row]) -> list[Row]:
    """The rows that have students: of equal choices the first was trained."""
    return [next(other for other in made if other.choice == row.choice) for row in rows]


def _row(recipe: Recipe, trial: Trial) -> Row:
    options = overrides(recipe, trial.choice)
    return Row(trial.place, trial.choice, trial.figures or {}, options)


def front(rows: list[Row]) -> list[Row]:
    """Rows within the budget (all, if none is) that no other beats in every objective."""
    candidates = [row for row in rows if row.fits] or rows
    best: dict[tuple[float, ...], Row] = {}
    for row in candidates:
        best.setdefault(row.objectives, row)
    kept = [row for key, row in best.items() if not any(_beats(other, key) for other in best)]
    return sorted(kept, key=lambda row: row.objectives[1:])


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def _make_trials(study: Study, job: TrialJob, workers: Workers, progress: Progress) -> None:
    """Round after round, until there are as many trials as the recipe asks for."""
    recipe, root = job.recipe, job.root
    choices = space(recipe, _layer_names(recipe, root))
    own, size = own_choice(recipe, choices), recipe.search.at_once
    progress.start("search", recipe.search.trials)
    with working(job, workers) as pool:
        for first in range(0, recipe.search.trials, size):
            before = study.finished(first)
            if len(before) < first:
                raise EnvironmentProblem(
                    f"search: trials before {first} are missing in the storage; delete it, and "
                    "the search starts anew"
                )
            asked = study.ask_round(first, size, choices, recipe.seed, own)
            done = sum(trial.figures is not None for trial in (*before, *asked))
            trials = recipe.search.trials
            for trial, figures in _evaluated(pool, asked, before, trials, done, progress):
                student = figures.pop(STUDENT, None)
                _write_student(root / SEARCH / study.name / f"trial_{trial.place}", student)
                study.tell(trial, figures)


def _evaluated(
    pool: Pool,
    asked: list[Trial],
    before: list[Trial],
    trials: int,
    done: int,
    progress: Progress,
) -> Iterator[tuple[Trial, dict[str, Any]]]:
    """The figures of a round's unfinished trials as they come; equal choices are made once.

    before : the trials of the rounds before
    done : trials that are finished
    """
    checks = _checks(before)
    here = {t.key: t.figures for t in reversed([*before, *asked]) if t.figures is not None}
    missing = [t for t in asked if t.figures is None and t.place < trials]
    first = {trial.key: trial for trial in reversed(missing) if trial.key not in here}
    waiting = sorted(first.values(), key=lambda trial: trial.place)
    by_place = {trial.place: trial for trial in waiting}
    while waiting or pool.busy:
        while waiting and pool.idle:
            trial = waiting.pop(0)
            pool.ask(trial.place, trial.choice, checks)
        progress.update(done, at_work=float(len(pool.in_work)))
        for place, figures in pool.answers(PATIENCE_SECONDS):
            here[by_place[place].key] = {k: v for k, v in figures.items() if k != STUDENT}
            done += 1
            progress.update(done, **_shown(figures))
            yield by_place[place], figures
    for trial in missing:
        if trial.place not in by_place:
            yield trial, dict(here[trial.key] or {})


def _checks(before: list[Trial]) -> list[Check]:
    """What a round is held against: students of the rounds before, as they were on their way."""
    found: dict[str, Check] = {}
    for trial in before:
        figures = trial.figures or {}
        if figures.get("check") and not figures.get("pruned"):
            costs = {name: figures[name] for name in ("lut", "cycles", "beyond")}
            found.setdefault(trial.key, {**figures["check"], "trial": trial.place, **costs})
    return list(found.values())


def _shown(figures: dict[str, Any]) -> dict[str, float]:
    return {name: float(figures[name]) for name in OBJECTIVES if name in figures}


def _write_student(folder: Path, student: dict[str, bytes] | None) -> None:
    """A student's files, all or none, and on disk before its trial counts as finished."""
    if student is None:
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as made:
        for name, content in student.items():
            path = Path(made) / folder.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        flush_files(Path(made) / folder.name)
        shutil.rmtree(folder, ignore_errors=True)
        (Path(made) / folder.name).replace(folder)
    flush_folder(folder.parent)


def _remake(rows: list[Row], job: TrialJob, students: Path, workers: Workers) -> None:
    """Students of the front that another machine's folder holds, made here again.

    Raises EnvironmentProblem where one comes out otherwise than its figures say.
    """
    missing = [row for row in rows if not (students / f"trial_{row.trial}" / "network").is_dir()]
    if not missing:
        return
    with working(job, workers) as pool:
        waiting = list(missing)
        while waiting or pool.busy:
            while waiting and pool.idle:
                row = waiting.pop(0)
                pool.ask(row.trial, row.choice, [])
            for place, figures in pool.answers(PATIENCE_SECONDS):
                row = next(row for row in missing if row.trial == place)
                student = figures.pop(STUDENT, None)
                differ = [n for n in OBJECTIVES if figures.get(n) != row.figures[n]]
                if differ:
                    raise EnvironmentProblem(
                        f"search: the student of trial {place} comes out otherwise on this machine "
                        f"({differ[0]} {figures.get(differ[0])}, was {row.figures[differ[0]]}); "
                        "finish the search where its run folder is, or with the same packages"
                    )
                _write_student(students / f"trial_{place}", student)


def _layer_names(recipe: Recipe, root: Path) -> list[str]:
    """The student's layers, where they are chosen for one by one."""
    if not recipe.search.per_layer or recipe.search.hidden:
        return []
    import numpy as np

    from naetrigger.export.initial import starting_student
    from naetrigger.pipeline.student_stage import task_of

    task = task_of(Work(recipe, root, root / SEARCH, Silent()))
    layers = starting_student(task, recipe.student, np.random.default_rng(0)).layers
    return [layer.name for layer in layers]


def _study_name(recipe: Recipe, root: Path, board: Board) -> str:
    """Of the student and all that it reads, and of the board; others stand in the same storage."""
    settings = {
        "student": stages.STUDENT.key(recipe, read_manifest(root)),
        "search": recipe.search.model_dump(mode="json", exclude={"trials", "storage"}),
        "square": recipe.firmware.square,
        "board": board.model_dump(mode="json"),
    }
    return stage_key(settings, recipe.seed, {}, schema=3)[:16]


def require_searchable(recipe: Recipe) -> None:
    """InputError for a choice that the student does not have, before anything is trained."""
    if recipe.search.hidden and recipe.student.mode == "quantize":
        raise InputError(
            "search.hidden: student.mode quantize has the teacher's shape; set student.mode to "
            "distil or regress, or leave hidden out"
        )
    for shape in recipe.search.hidden:
        changed(recipe, {"hidden": "-".join(map(str, shape))})
    for rounding, sparsity in product(recipe.search.rounding, recipe.search.sparsity):
        changed(recipe, {"rounding": rounding, "sparsity": sparsity})
