"""A run as it lies on disk, edited files and all: what is compiled is what lies there.

Nothing is written into the run folder: edited projects are copied and compiled in a view of it.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from naetrigger.contracts.errors import EnvironmentProblem, InputError
from naetrigger.contracts.manifest import NAME, damage, read_manifest, verify
from naetrigger.pipeline.recipe import Recipe
from naetrigger.pipeline.run import run_recipe

log = logging.getLogger(__name__)

AS_THEY_ARE = ("training", "student", "export")
"""Stages whose files may be edited; the inputs of `data` decide what an event is, and may not."""


@dataclass(frozen=True)
class RunOnDisk:
    """A run to load engines from.

    root : the run folder, or a view of it in which edited projects are compiled
    edited : a line for each file that is not as the manifest has it
    """

    root: Path
    recipe: Recipe
    edited: tuple[str, ...]


@contextmanager
def run_on_disk(root: Path) -> Iterator[RunOnDisk]:
    """Open a run whose models and firmware may have been edited.

    Raises InputError for a folder that is no run, and for edited data or input specs;
    EnvironmentProblem where an edited project does not compile.
    """
    manifest, recipe = read_manifest(root), run_recipe(root)
    verify(root, manifest, ["data"])
    if "export" not in manifest.stages and "student" not in manifest.stages:
        raise InputError(f"{root / NAME}: nothing to compare; finish it with: naetrigger run")
    if "export" in manifest.stages and not (root / "export").is_dir():
        raise InputError(f"{root / 'export'}: is missing; have it made anew with: naetrigger run")
    lines = [
        line.removeprefix(f"{root}/")
        for name in AS_THEY_ARE
        if name in manifest.stages
        for line in damage(root, manifest.stages[name])
    ]
    projects = _projects(lines)
    with tempfile.TemporaryDirectory(prefix="naetrigger-") as view:
        if projects:
            _link(root, Path(view), projects, _damaged_libraries(lines))
            for name in projects:
                _compile(Path(view) / "export" / name, recipe.firmware.compiler)
        yield RunOnDisk(Path(view) if projects else root, recipe, tuple(lines))


def _projects(lines: list[str]) -> list[str]:
    """Folders of `export` with edited sources that something is compiled from."""
    paths = [Path(line.partition(": ")[0]) for line in lines]
    names = {path.parts[1] for path in paths if path.parts[0] == "export" and path.suffix != ".log"}
    return sorted(name for name in names if name == "rtl" or name.split("_")[0] == "hls")


def _damaged_libraries(lines: list[str]) -> list[str]:
    """Names of compiled libraries that are not as they were written; they are compiled anew."""
    paths = [Path(line.partition(": ")[0]) for line in lines]
    return [path.name for path in paths if path.suffix == ".so"]


def _link(root: Path, view: Path, projects: list[str], damaged: list[str]) -> None:
    """Make `view` look like the run, the edited projects being copies.

    What a user compiled of edited sources is among them: its name has the sha256 of these.
    """
    for path in root.iterdir():
        if path.is_dir() and not path.name.startswith(".") and path.name != "export":
            (view / path.name).symlink_to(path.resolve())
    (view / "export").mkdir()
    for path in (root / "export").iterdir():
        target = view / "export" / path.name
        if path.name in projects:
            shutil.copytree(path, target, ignore=shutil.ignore_patterns("*.partial", *damaged))
        else:
            target.symlink_to(path.resolve())


def _compile(project: Path, compiler: str) -> None:
    from naetrigger.export.hls_library import SOURCE, compile_library
    from naetrigger.export.rtl_simulation import build_simulation, was_simulated

    try:
        if project.name == "rtl":
            if was_simulated(project):
                build_simulation(project, compiler)
        elif (project / SOURCE).exists():
            compile_library(project, compiler)
    except EnvironmentProblem as error:
        raise EnvironmentProblem(
            f"export/{project.name} was edited after export, and does not compile as it lies "
            f"there:\n{str(error).replace(str(project), f'export/{project.name}')}"
        ) from error
