"""The search: students of one teacher, chosen by how near they come to it and what they cost.

Optuna's TPE sampler minimizes rank shift, LUTs and cycles together, under the board's budget. A
trial's choice depends on the seed and on the finished trials alone, so a search that was killed
and started again ends with the same front as one that was not. Signals are looked at once, when
the front stands.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from naetrigger.contracts.errors import EnvironmentProblem, InputError, MissingExtra
from naetrigger.contracts.manifest import read_manifest, stage_key
from naetrigger.contracts.progress import Progress, Silent
from naetrigger.firmware_configs.board import Board, load_board
from naetrigger.pipeline.recipe import Recipe
from naetrigger.pipeline.run import run
from naetrigger.pipeline.run_folder import locked
from naetrigger.pipeline.search_trial import (
    Choice,
    Choices,
    changed,
    evaluate,
    overrides,
    own_choice,
    space,
)
from naetrigger.pipeline.work import Work

SEARCH, DATABASE = "search", "study.sqlite3"
OBJECTIVES = ("rank_shift", "lut", "cycles")
NOTHING = (1.0, 1e9, 1e9)  # of a student that could not be made
STARTUP = 10  # trials drawn at random before the sampler learns


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
    folder with trial_N of each"""

    root: Path
    students: Path
    board: Board
    rows: tuple[Row, ...]
    front: tuple[Row, ...]
    failed: int


def search(
    recipe: Recipe,
    root: Path,
    *,
    progress: Progress | None = None,
    notify: Callable[[str], None] = lambda line: None,
) -> SearchResult:
    """Train the teacher if need be, then trials until there are as many as the recipe asks for."""
    optuna = _optuna()
    run(recipe, root, until="training", progress=progress, notify=notify)
    board = load_board(recipe.firmware.board)
    with locked(root):
        folder = root / SEARCH
        folder.mkdir(exist_ok=True)
        study = _study(optuna, recipe, root, board, folder)
        done = _finished(optuna, study)
        if len(done) < recipe.search.trials:
            _make_trials(optuna, study, recipe, root, board, progress or Silent())
        rows = [_row(recipe, n, trial) for n, trial in enumerate(_finished(optuna, study))]
    made = [row for row in rows[: recipe.search.trials] if "problem" not in row.figures]
    failed = min(len(rows), recipe.search.trials) - len(made)
    students = folder / study.study_name
    return SearchResult(root, students, board, tuple(made), tuple(front(made)), failed)


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


def _make_trials(
    optuna: Any, study: Any, recipe: Recipe, root: Path, board: Board, progress: Progress
) -> None:
    from naetrigger.pipeline.student_stage import task_of

    task = task_of(Work(recipe, root, root / SEARCH, progress))
    choices = space(recipe, _layer_names(task, recipe))
    first = own_choice(recipe, choices)
    for trial in study.get_trials(deepcopy=False):  # of a process that was killed
        if trial.state == optuna.trial.TrialState.RUNNING:
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    known = {_key(t.params): t for t in _finished(optuna, study)}
    kept: dict[str, Any] = {}
    progress.start("search", recipe.search.trials)
    while (count := len(_finished(optuna, study))) < recipe.search.trials:
        progress.update(count)
        study.sampler = _sampler(optuna, recipe.seed, count, first if count == 0 else {})
        trial = study.ask(_distributions(optuna, choices))
        same = known.get(_key(trial.params))
        figures = same.user_attrs["figures"] if same else None
        if figures is None:
            figures, report = evaluate(recipe, task, board, trial.params, kept)
            _write_student(root / SEARCH / study.study_name / f"trial_{count}", report)
        trial.set_user_attr("figures", figures)
        values = NOTHING if "problem" in figures else [figures[name] for name in OBJECTIVES]
        study.tell(trial, values)
        known.setdefault(_key(trial.params), _finished(optuna, study)[-1])
        progress.update(count + 1, **_shown(figures))


def _shown(figures: dict[str, Any]) -> dict[str, float]:
    return {name: float(figures[name]) for name in OBJECTIVES if name in figures}


def _write_student(folder: Path, report: Any) -> None:
    if report is None:
        return
    from naetrigger.export.distil import write_trained

    write_trained(report, folder)


def _layer_names(task: Any, recipe: Recipe) -> list[str]:
    import numpy as np

    from naetrigger.export.initial import starting_student

    layers = starting_student(task, recipe.student, np.random.default_rng(0)).layers
    return [layer.name for layer in layers]


def _key(params: dict[str, Choice]) -> str:
    return json.dumps(params, sort_keys=True)


def _distributions(optuna: Any, choices: Choices) -> dict[str, Any]:
    """Numbers in steps of one are integers to the sampler, all else are categories."""
    found = {}
    for name, allowed in choices.items():
        low, high = allowed[0], allowed[-1]
        if isinstance(low, int) and isinstance(high, int):
            found[name] = optuna.distributions.IntDistribution(low, high)
        else:
            found[name] = optuna.distributions.CategoricalDistribution(allowed)
    return found


def _sampler(optuna: Any, seed: int, count: int, fixed: dict[str, Choice]) -> Any:
    """A sampler of its own for each trial, so that nothing is lost when a process ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of its options are called experimental
        tpe = optuna.samplers.TPESampler(
            seed=(seed * 1_000_003 + count) % 2**31,
            multivariate=True,
            n_startup_trials=STARTUP,
            constraints_func=_constraints,
        )
        return optuna.samplers.PartialFixedSampler(fixed, tpe) if fixed else tpe


def _constraints(trial: Any) -> list[float]:
    figures = trial.user_attrs.get("figures", {})
    return list(figures.get("beyond", {"": 1.0}).values())


def _finished(optuna: Any, study: Any) -> list[Any]:
    states = (optuna.trial.TrialState.COMPLETE,)
    return list(study.get_trials(deepcopy=False, states=states))


def _row(recipe: Recipe, number: int, trial: Any) -> Row:
    return Row(
        number, dict(trial.params), trial.user_attrs["figures"], overrides(recipe, trial.params)
    )


def _study(optuna: Any, recipe: Recipe, root: Path, board: Board, folder: Path) -> Any:
    """The study of this teacher, recipe and board; another recipe's stand in the same file."""
    settings = recipe.model_dump(mode="json", include={"student", "search", "firmware"})
    settings["search"].pop("trials")
    settings["firmware"] = {name: settings["firmware"][name] for name in ("square",)}
    settings["board"] = board.model_dump(mode="json")
    inputs = read_manifest(root).stages["training"].digests()
    name = stage_key(settings, recipe.seed, inputs, schema=1)[:16]
    try:
        return optuna.create_study(
            storage=f"sqlite:///{(folder / DATABASE).resolve()}",
            study_name=name,
            directions=["minimize"] * len(OBJECTIVES),
            load_if_exists=True,
        )
    except Exception as error:  # of sqlalchemy, which is not imported here
        raise EnvironmentProblem(
            f"{folder / DATABASE}: cannot be used as the search's database ({error}); move it away"
        ) from error


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise MissingExtra("optuna", "search") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


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
