"""Semivisible jets: AUC over mediator mass and invisible fraction for five systems, over seeds.

    python benchmarks/semivisible.py                      all of it, into runs/bench/semivisible
    python benchmarks/semivisible.py --seeds 1 --points svjt_2000_r03 --long-steps 0

Points that the shipped sample lacks are generated (extra `generate`; a minute or two each). Models
are trained on background alone, with the data and the network of the recipe. The background is
reweighted to each signal's jet pT, as the report does it. What is finished is kept, so that an
interrupted benchmark goes on where it was. Tables go to OUT/semivisible.md and to the screen,
figures to OUT, or to where --figures says.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from naetrigger.contracts.events import Events, read_events
from naetrigger.contracts.progress import Progress
from naetrigger.pipeline.recipe import Recipe, load_recipe
from naetrigger.pipeline.terminal import watching
from naetrigger.training.data.readers import read_source
from naetrigger.training.simulate.generate import generate
from semivisible_auc import Measured, measure
from semivisible_figures import draw_curves, draw_maps
from semivisible_report import grid_report, long_report
from semivisible_systems import Jets, long_runs, read_jets, systems, trained

MASSES, FRACTIONS = (1000, 2000, 3000, 4000), (1, 3, 5, 7)


@dataclass(frozen=True)
class Task:
    """What was asked for."""

    recipe: Recipe
    seeds: tuple[int, ...]
    points: tuple[str, ...]
    jets: int
    out: Path
    figures: Path
    long_steps: int


def main() -> None:
    """Train and judge what is missing, then print the tables."""
    task = _task()
    torch.set_num_threads(1)
    task.out.mkdir(parents=True, exist_ok=True)
    with watching(silent=False, debug=False) as watcher:
        signals = list(_signals(task, watcher.progress))
        jets = read_jets(task.recipe, task.out / "data")
        found, outcomes = _grid(task, jets, signals, watcher.progress)
        draw_maps(found, MASSES, FRACTIONS, task.figures)
        text = grid_report(found, outcomes)
        if task.long_steps:
            text += "\n\n" + _long(task, jets, watcher.progress)
    (task.out / "semivisible.md").write_text(text + "\n", encoding="utf-8")
    print(text)


def _task() -> Task:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--recipe", default="jets-wnae")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    grid = [f"svjt_{mass}_r{fraction:02d}" for mass in MASSES for fraction in FRACTIONS]
    parser.add_argument("--points", nargs="+", default=grid, help="some of the signals")
    parser.add_argument("--jets", type=int, default=3000, help="of each point to be generated")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/semivisible"))
    parser.add_argument("--figures", type=Path, help="folder of the figures; default: OUT")
    parser.add_argument("--long-steps", type=int, default=10_000, help="0: no long runs")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of recipe")
    a = parser.parse_args()
    return Task(
        load_recipe(a.recipe, a.set),
        tuple(a.seeds),
        tuple(a.points),
        a.jets,
        a.out,
        a.figures or a.out,
        a.long_steps,
    )


def _signals(task: Task, progress: Progress) -> Iterator[Events]:
    """The points of the grid: from the recipe's source, else generated with the shipped seed."""
    _, shipped = read_source(task.recipe.data)
    by_name = {events.process: events for events in shipped}
    (task.out / "events").mkdir(exist_ok=True)
    for name in task.points:
        if name in by_name:
            yield by_name[name]
            continue
        path = task.out / "events" / f"{name}.h5"
        if not path.exists():
            generate(name, task.jets, 15, path, "jets", 1, progress)
        yield read_events(path)[0]


def _grid(
    task: Task, jets: Jets, signals: list[Events], progress: Progress
) -> tuple[Measured, dict[str, list[dict[str, Any]]]]:
    """All systems with all seeds; the AUCs of those that did not diverge, and how they ended."""
    folders: dict[str, dict[int, Path]] = {}
    outcomes: dict[str, list[dict[str, Any]]] = {}
    for seed in task.seeds:
        for name, objective in systems(task.recipe).items():
            folder = task.out / name / str(seed)
            outcome = trained(objective, task.recipe, jets, seed, folder, progress)
            outcomes.setdefault(name, []).append(outcome)
            if not outcome["diverged"]:
                folders.setdefault(name, {})[seed] = folder
    return measure(jets, signals, folders), outcomes


def _long(task: Task, jets: Jets, progress: Progress) -> str:
    """The long runs, their figure and their table."""
    folders, outcomes = {}, {}
    for number, (name, objective) in enumerate(long_runs(task.recipe, task.long_steps).items()):
        folders[name] = task.out / "long" / str(number)
        outcomes[name] = trained(objective, task.recipe, jets, 1, folders[name], progress)
    draw_curves(folders, task.figures)
    return long_report(folders, outcomes)


if __name__ == "__main__":
    main()
