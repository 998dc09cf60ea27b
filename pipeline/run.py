"""Running a recipe in a folder: stages that are up to date are kept, the others are made."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Literal

from naetrigger.contracts.errors import (
    FULL_DISK,
    NOT_ALLOWED,
    EnvironmentProblem,
    InputError,
    suggestion,
)
from naetrigger.contracts.manifest import Manifest, StageRecord, damage, read_manifest, verify
from naetrigger.contracts.progress import RUNNING, Progress, Silent
from naetrigger.contracts.version import __version__
from naetrigger.contracts.workers import Workers
from naetrigger.pipeline.passwords import masked_in
from naetrigger.pipeline.preflight import preflight
from naetrigger.pipeline.recipe import Recipe, load_recipe
from naetrigger.pipeline.run_folder import (
    RECIPE,
    adopt_stage,
    begin_stage,
    check_folder,
    finish_stage,
    locked,
    open_run,
    recipe_written,
    tidy,
)
from naetrigger.pipeline.stages import STAGES, Stage
from naetrigger.pipeline.work import Work

log = logging.getLogger(__name__)

State = Literal["done", "outdated", "not run", "damaged"]


@dataclass(frozen=True)
class StageResult:
    """What became of one stage."""

    name: str
    action: Literal["made", "kept"]
    seconds: float


@dataclass(frozen=True)
class RunResult:
    """What became of a run."""

    root: Path
    stages: tuple[StageResult, ...]
    manifest: Manifest


def run(
    recipe: Recipe,
    root: Path,
    *,
    until: str = "validation",
    progress: Progress | None = None,
    notify: Callable[[str], None] = log.info,
    stages: Sequence[Stage] = STAGES,
    workers: Workers = 1,
) -> RunResult:
    """Bring a run folder up to date with a recipe, to the stage `until`.

    notify : called with a line for the user: what is kept, what is made and why
    workers : at what can be done beside each other: the members of an ensemble

    Raises InputError for edited files, EnvironmentProblem for a lock, a full disk, missing tools.
    """
    wanted = stages_until(until, stages)
    check_folder(root)
    with _disk_problems(root), locked(root):
        manifest = open_run(root)
        preflight(recipe, to_be_made(wanted, recipe, root, manifest))
        _note_changes(recipe, root, notify)
        work = Work(recipe, root, root, progress or Silent(), workers)
        results = []
        with recipe_written(root, recipe.to_yaml(root)):
            for stage in wanted:
                start = time.monotonic()
                manifest, action = _bring_up_to_date(stage, work, manifest, notify)
                results.append(StageResult(stage.name, action, time.monotonic() - start))
    return RunResult(root, tuple(results), manifest)


def stage_states(root: Path, stages: Sequence[Stage] = STAGES) -> dict[str, State]:
    """How each stage of a run folder stands to the folder's own recipe."""
    manifest = read_manifest(root)
    current = current_stages(run_recipe(root), manifest, stages)
    states: dict[str, State] = {}
    for stage in stages:
        if stage.name not in manifest.stages:
            states[stage.name] = "not run"
        elif damage(root, manifest.stages[stage.name]):
            states[stage.name] = "damaged"
        else:
            states[stage.name] = "done" if stage.name in current else "outdated"
    return states


def current_stages(
    recipe: Recipe, manifest: Manifest, stages: Sequence[Stage] = STAGES
) -> list[str]:
    """Finished stages that belong to a recipe, they and all that they were made from."""
    found: list[str] = []
    for stage in stages:
        record = manifest.stages.get(stage.name)
        made_from = all(parent in found for parent in stage.parents)
        if made_from and record is not None and record.key == stage.key(recipe, manifest):
            found.append(stage.name)
    return found


def outdated_verdict(root: Path, stages: Sequence[Stage] = STAGES) -> str:
    """Why the verdict of a validated run is not that of the folder's recipe; "": it is."""
    manifest = read_manifest(root)
    try:
        current = current_stages(run_recipe(root), manifest, stages)
    except InputError as error:
        return f"whether the verdict is outdated cannot be told: {error}"
    outdated = [s.name for s in stages if s.name in manifest.stages and s.name not in current]
    if "validation" not in outdated:
        return ""
    return (
        f"{root}: the verdict is outdated: {', '.join(outdated)} do not belong to the folder's "
        f"recipe and sources; bring it up to date with: naetrigger run {root / RECIPE} --out {root}"
    )


def run_recipe(root: Path) -> Recipe:
    """The recipe that a run folder keeps."""
    return load_recipe(str(root / RECIPE), notify=log.debug)  # all is written out there


def stages_until(until: str, stages: Sequence[Stage] = STAGES) -> list[Stage]:
    """The stages of a run to the one named `until`."""
    names = [stage.name for stage in stages]
    if until not in names:
        raise InputError(f"no stage '{until}'{suggestion(until, names)}")
    return list(stages[: names.index(until) + 1])


def to_be_made(
    stages: Sequence[Stage], recipe: Recipe, root: Path, manifest: Manifest
) -> list[str]:
    """The stages that are not up to date, or read from one that is not finished."""
    return [stage.name for stage in stages if not _up_to_date(stage, recipe, root, manifest)]


def _up_to_date(stage: Stage, recipe: Recipe, root: Path, manifest: Manifest) -> bool:
    record = manifest.stages.get(stage.name)
    return (
        record is not None
        and record.key == stage.key(recipe, manifest)
        and all((root / file.path).is_file() for file in record.files)
    )


def _bring_up_to_date(
    stage: Stage,
    work: Work,
    manifest: Manifest,
    notify: Callable[[str], None],
) -> tuple[Manifest, Literal["made", "kept"]]:
    """Keep the stage, take over what an interrupted run had finished, or make it."""
    recipe, root = work.recipe, work.root
    key = stage.key(recipe, manifest)
    if key is None:
        raise InputError(f"{root}: a stage that '{stage.name}' reads from is not finished")
    if _up_to_date(stage, recipe, root, manifest):
        verify(root, manifest, [stage.name])
        tidy(root, stage.name)
        notify(f"{stage.name}: up to date")
        return manifest, "kept"
    adopted = adopt_stage(root, manifest, stage.name, key)
    if adopted is not None:
        notify(f"{stage.name}: finished by an interrupted run")
        return adopted, "kept"
    notify(f"{stage.name}: {_reason(stage, root, manifest, key)}")
    folder = begin_stage(root, stage.name, key, stage.resumes)
    start = time.monotonic()
    stage.run(replace(work, folder=folder))
    record = StageRecord(key, stage.parents, recipe.seed, versions(stage.packages), files=())
    finished = finish_stage(root, manifest, stage.name, record)
    notify(f"{stage.name}: done, {time.monotonic() - start:.1f} s")
    return finished, "made"


def _reason(stage: Stage, root: Path, manifest: Manifest, key: str) -> str:
    record = manifest.stages.get(stage.name)
    if record is None:
        return RUNNING
    if record.key != key:
        return "made anew (its settings or inputs have changed)"
    missing = [file.path for file in record.files if not (root / file.path).is_file()]
    return f"made anew ({root / missing[0]} is missing)"


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Installed versions of distributions, naetrigger's own first."""
    found = {"naetrigger": __version__}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _note_changes(recipe: Recipe, root: Path, notify: Callable[[str], None]) -> None:
    """Say in what the recipe differs from the one that the folder was made with."""
    if not (root / RECIPE).exists():
        return
    try:
        before = flat(run_recipe(root).model_dump(mode="json"))
    except InputError:
        notify(f"{root / RECIPE}: is written anew, it could not be read")
        return
    after = flat(recipe.model_dump(mode="json"))
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            notify(masked_in(f"recipe: {key}: was {before.get(key)}, is {after.get(key)}"))


def flat(document: object, prefix: str = "") -> dict[str, object]:
    """A nested mapping as one, its keys joined by dots."""
    if not isinstance(document, dict):
        return {prefix: document}
    found: dict[str, object] = {}
    for key, value in document.items():
        found |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found


@contextmanager
def _disk_problems(root: Path) -> Iterator[None]:
    """Turn what a full disk or a read-only folder raises, in whatever library, into one error."""
    try:
        yield
    except (EnvironmentProblem, InputError):
        raise
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        if number in FULL_DISK or "No space left on device" in str(error):
            raise EnvironmentProblem(
                f"{root}: the disk is full (or a quota or file size limit is reached): {error}; "
                "make room and run again, finished stages are kept"
            ) from error
        if number in NOT_ALLOWED:
            raise EnvironmentProblem(f"{root}: cannot be written to: {error}") from error
        raise
