"""Tops among QCD jets and QCD among tops: autoencoders and normalized autoencoders on jet images.

    .venv/bin/python benchmarks/jet_images.py --seeds 1 2 3

Every system of jet_systems.py is trained on either process of the shipped sample by
`naetrigger.training.loop.train`, and judged on the other by the measures of jet_measures.py. The
signal enters nowhere before that. Each finished one is a file in OUT, and a training that was cut
short goes on from its checkpoint. Tables go to OUT/jet_images.md, curves to OUT/jet-images.png.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch

from jet_figure import draw
from jet_measures import SIGNAL_EFFICIENCIES, measures
from jet_systems import SYSTEMS, Images, Preparation, System, settings_of
from markdown_table import counted, over_seeds, table
from naetrigger.contracts.errors import TrainingDiverged
from naetrigger.contracts.events import read_events, split_of
from naetrigger.training.loop import train
from naetrigger.training.teacher import load_teacher
from naetrigger.validation.agreement import spearman
from naetrigger.validation.baselines import fit_mahalanobis, fit_pca
from naetrigger.validation.efficiency import scored

DIRECTIONS = {"tops in QCD": ("qcd", "top"), "QCD in tops": ("top", "qcd")}
FRACTIONS = (0.6, 0.1, 0.3)


@dataclass(frozen=True)
class Task:
    """Images (N, D) of one direction, all divided by one number."""

    train: Images
    validation: Images
    background: Images
    signal: Images


class Samples:
    """The shipped jets, and their images in every preparation that was asked for."""

    def __init__(self, block: int, limit: int | None) -> None:
        path = Path(str(resources.files("naetrigger.training.data"))) / "jet-images.h5"
        every = {events.process: events for events in read_events(path)}
        self.events = {name: x.select(np.arange(len(x))[:limit]) for name, x in every.items()}
        self.split = {name: split_of(x.event_ids, FRACTIONS) for name, x in self.events.items()}
        self.block = block
        self.images: dict[Preparation, dict[str, Images]] = {}

    def task(self, direction: str, preparation: Preparation) -> Task:
        """Training, validation and test images of the background, test images of the signal."""
        if preparation not in self.images:
            self.images[preparation] = {
                name: preparation.images(events, self.block) for name, events in self.events.items()
            }
        background, signal = DIRECTIONS[direction]
        images, split = self.images[preparation], self.split
        parts = [images[background][split[background] == i] for i in range(3)]
        scale = float(np.sqrt(parts[0].var(axis=0).mean()))
        parts.append(images[signal][split[signal] == 2])
        return Task(*(np.asarray(part / scale, np.float32) for part in parts))


def main() -> None:
    """Train and judge what is missing, then print the tables and draw the curves."""
    arguments = _arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    samples = Samples(arguments.block, arguments.events)
    for seed in [] if arguments.tables else arguments.seeds:
        for direction in arguments.directions:
            for name in arguments.systems:
                _judged(arguments, samples, direction, name, seed)
    text = "\n\n".join([*_tables(arguments), _complexity(arguments, samples)])
    (arguments.out / "jet_images.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    draw(arguments.out, list(DIRECTIONS), arguments.systems, arguments.seeds[0], stem)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
    parser.add_argument("--directions", nargs="+", default=list(DIRECTIONS), choices=DIRECTIONS)
    parser.add_argument("--steps", type=int, default=900, help="of plain autoencoders")
    parser.add_argument("--block", type=int, default=2, help="pixels a side that are summed")
    parser.add_argument("--events", type=int, help="of each process at most; none: all")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/jet_images"))
    parser.add_argument("--tables", action="store_true", help="of what is there; train nothing")
    return parser.parse_args()


def stem(direction: str, system: str, seed: int) -> str:
    """What the files of one training are called."""
    plain = "".join(c if c.isalnum() else "_" for c in f"{direction}-{system}".lower())
    return f"{plain}-{seed}"


def _judged(
    arguments: argparse.Namespace,
    samples: Samples,
    direction: str,
    name: str,
    seed: int,
) -> None:
    kept = arguments.out / f"{stem(direction, name, seed)}.json"
    if kept.exists():
        return
    system = SYSTEMS[name]
    begun = time.process_time()
    task = samples.task(direction, system.preparation)
    folder = kept.with_suffix("")
    try:
        scores = _scores(system, task, arguments.steps, seed, folder)
        found = measures(scored(scores[0]), scored(scores[1]))
        result: dict[str, Any] = asdict(found)
        np.savez_compressed(kept.with_suffix(".npz"), background=scores[0], signal=scores[1])
    except TrainingDiverged as error:
        result = {"diverged": str(error)}
    result["cpu_seconds"] = time.process_time() - begun
    print(f"{direction}, {name}, seed {seed}: {result}", flush=True)
    partial = kept.with_suffix(".partial")
    partial.write_text(json.dumps(result), encoding="utf-8")
    partial.replace(kept)


def _scores(
    system: System, task: Task, steps: int, seed: int, folder: Path
) -> tuple[Images, Images]:
    """Scores of the background's test images and of the signal's."""
    tests = (task.background, task.signal)
    if system.kind == "lit":
        return tuple((x > 0).sum(axis=1).astype(np.float32) for x in tests)  # type: ignore[return-value]
    if system.kind in ("pca", "gaussian"):
        baseline = (
            fit_pca(task.train, components=system.latent)
            if system.kind == "pca"
            else fit_mahalanobis(task.train)
        )
        return tuple(np.asarray(baseline.scores(x), np.float32) for x in tests)  # type: ignore[return-value]
    residual = float(fit_pca(task.train, components=3).scores(task.validation).mean())
    n_pixels, highest = task.train.shape[1], float(task.train.max())
    settings = settings_of(system, steps, seed, n_pixels, highest, residual)
    train(settings, task.train, task.validation, folder)
    teacher = load_teacher(folder)
    first, second = (teacher.scores(torch.from_numpy(x)).numpy() for x in tests)
    return first, second


def _tables(arguments: argparse.Namespace) -> list[str]:
    systems, seeds = arguments.systems, arguments.seeds
    results = {
        (direction, name): [
            json.loads(path.read_text(encoding="utf-8"))
            for seed in seeds
            if (path := arguments.out / f"{stem(direction, name, seed)}.json").exists()
        ]
        for direction in DIRECTIONS
        for name in systems
    }
    areas = [
        [name, *(_area(results[direction, name]) for direction in DIRECTIONS)] for name in systems
    ]
    blocks = [f"AUC, {counted(seeds)}\n\n" + table(["system", *DIRECTIONS], areas)]
    head = [
        "system",
        *(f"1/e_B at e_S = {e:g}" for e in SIGNAL_EFFICIENCIES),
        "max e_S/sqrt(e_B)",
        "mean e_S for e_B < 0.1",
        "CPU s",
    ]
    for direction in DIRECTIONS:
        rows = [[name, *_low_rates(results[direction, name])] for name in systems]
        blocks.append(f"Low rates, {direction}, {counted(seeds)}\n\n" + table(head, rows))
    return blocks


def _complexity(arguments: argparse.Namespace, samples: Samples) -> str:
    """How the score of background jets goes with the number of their lit pixels."""
    rows = []
    for name in arguments.systems:
        cells = []
        for direction, (background, _) in DIRECTIONS.items():
            test = samples.split[background] == 2
            lit = (samples.events[background].values[test] > 0).sum(axis=1)
            paths = [arguments.out / f"{stem(direction, name, s)}.npz" for s in arguments.seeds]
            scores = [np.load(path)["background"] for path in paths if path.exists()]
            found = [spearman(lit.astype(np.float64), s) for s in scores]
            cells.append(over_seeds([r for r in found if r is not None]))
        rows.append([name, *cells])
    title = "Rank correlation of background scores with the number of lit pixels"
    return f"{title}, {counted(arguments.seeds)}\n\n" + table(["system", *DIRECTIONS], rows)


def _area(results: list[dict[str, Any]]) -> str:
    good = [r for r in results if "auc" in r]
    if not good:
        return "diverged" if results else ""
    bootstrap = np.mean([r["error"] for r in good])
    lost = len(results) - len(good)
    more = f", {lost} diverged" if lost else ""
    return f"{over_seeds([r['auc'] for r in good])} (± {bootstrap:.3f}{more})"


def _low_rates(results: list[dict[str, Any]]) -> list[str]:
    good = [r for r in results if "auc" in r]
    cuts = [
        over_seeds([r["rejection"][i] for r in good], 1) for i in range(len(SIGNAL_EFFICIENCIES))
    ]
    rest = [over_seeds([r[key] for r in good]) for key in ("significance", "low_rate")]
    return [*cuts, *rest, over_seeds([r["cpu_seconds"] for r in results], 0)]


if __name__ == "__main__":
    main()
