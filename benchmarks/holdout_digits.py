"""One digit held out of training: how well does each system tell it from the other nine?

    .venv/bin/python benchmarks/holdout_digits.py --dataset digits
    .venv/bin/python benchmarks/holdout_digits.py --dataset mnist
    .venv/bin/python benchmarks/holdout_digits.py --dataset mnist --digits 1 4 7 --place unseen

Every system of holdout_systems.py is trained by `naetrigger.training.loop.train` on nine digits and
judged on test images of these against images of the tenth, which enters nowhere before that. Where
a system has several candidate settings, they are judged on other digits (see `proxy_means`).

Each training is one thread and one file in OUT, written when it is done; what is there is not done
again, and a training that was cut short goes on from its checkpoint. The tables go to OUT and
between the marks of --page docs/benchmarks/holdout-digits.md, those of --place, or of the set.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from digit_images import TEST, VALIDATION, Digits, mnist, small_digits
from holdout_report import Choices, Results, placed, tables
from holdout_systems import DATASETS, Protocol, System
from naetrigger.contracts.errors import NaetriggerError, TrainingDiverged
from naetrigger.contracts.whole_file import whole_file
from naetrigger.training.loop import train
from naetrigger.training.settings import TrainingSettings
from naetrigger.training.teacher import load_teacher
from naetrigger.validation.efficiency import Scored, auc, auc_replicas, resample_counts, spread

Record = dict[str, Any]
REPLICAS = 200


@dataclass(frozen=True)
class Bench:
    """Where results are kept, and what every training has in common."""

    out: Path
    dataset: str
    digits: Digits
    steps: int | None
    """Optimiser steps at most, for a trial; none: as the system says."""

    def settings(self, document: Record, seed: int) -> TrainingSettings:
        """The settings of one training; with `steps`, pre-training has no more than half."""
        objective = dict(document["objective"])
        if self.steps is not None:
            objective["steps"] = min(objective["steps"], self.steps)
            if "pretrain_steps" in objective:
                objective["pretrain_steps"] = min(objective["pretrain_steps"], self.steps // 2)
        objective["validate_every"] = min(objective["validate_every"], objective["steps"])
        return TrainingSettings.model_validate(
            {"model": document["model"], "objective": objective, "seed": seed, "threads": 1}
        )

    def result(
        self, system: System, candidate: str, left_out: tuple[int, ...], part: int, seed: int
    ) -> Record:
        """What is kept of a training without some digits, or that training."""
        settings = self.settings(system.candidates[candidate], seed)
        stated = json.dumps([system.candidates[candidate], self.steps])  # not what defaults add
        digest = hashlib.sha256(stated.encode()).hexdigest()[:10]
        without = "".join(map(str, left_out))
        kept = self.out / f"{self.dataset}-{system.stem}-{candidate}-{without}-{seed}-{digest}.json"
        if not kept.exists():
            print(f"{kept.stem}: training", flush=True)
            record = self._judged(settings, left_out, part, kept.with_suffix(""))
            record |= {"system": system.name, "candidate": candidate, "left_out": left_out}
            record |= {"seed": seed, "settings": json.loads(settings.model_dump_json())}
            with whole_file(kept) as partial:
                partial.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            print(f"{kept.stem}: {record['auc']}, {record['cpu_s']:.0f} s", flush=True)
        found = json.loads(kept.read_text(encoding="utf-8"))
        assert isinstance(found, dict)
        return found

    def _judged(
        self, settings: TrainingSettings, left_out: tuple[int, ...], part: int, folder: Path
    ) -> Record:
        """AUC and bootstrap error of each digit left out, against one part of the others."""
        begun = time.process_time()
        record: Record = {"auc": {}, "error": {}, "stopped_by": "divergence", "step": None}
        try:
            inputs = [self.digits.without(left_out, i) for i in range(2)]
            fitted = train(settings, inputs[0], inputs[1], folder).teacher
            record |= {"stopped_by": fitted.stopped_by, "step": fitted.step}
            model = load_teacher(folder)
            normal = _scored(model, self.digits.without(left_out, part))
            for digit in left_out:
                own = part if self.dataset == "mnist" else None  # 8 x 8: all, as there are few
                new = _scored(model, self.digits.only(digit, own))
                rng = np.random.default_rng(digit)
                counts = tuple(resample_counts(s.event_ids, REPLICAS, rng) for s in (normal, new))
                record["auc"][str(digit)] = auc(normal, new)
                record["error"][str(digit)] = spread(auc_replicas(normal, new, counts))
        except TrainingDiverged as error:
            record["why"] = str(error)
        shutil.rmtree(folder, ignore_errors=True)
        return record | {"cpu_s": round(time.process_time() - begun, 1)}


def proxy_means(
    bench: Bench, protocol: Protocol, system: System, digit: int, seed: int
) -> dict[str, float]:
    """Of each candidate, the mean AUC of other digits that were left out instead of `digit`.

    Each of the digit's proxies is left out together with a partner and judged against validation
    images of what is left. No score of the held-out digit and no test image is looked at. A system
    with one candidate needs none of this and gets NaN.
    """
    if len(system.candidates) == 1:
        return dict.fromkeys(system.candidates, float("nan"))
    means: dict[str, float] = {}
    for candidate in system.candidates:
        found = []
        for pair, proxy in protocol.proxies(digit):
            record = bench.result(system, candidate, pair, VALIDATION, seed)
            found.append(record["auc"].get(str(proxy), 0.0))
        means[candidate] = float(np.mean(found))
    return means


def main() -> None:
    """Train and judge what is missing, then write the page."""
    arguments = _arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    try:
        _run(arguments)
    except NaetriggerError as error:
        raise SystemExit(f"error: {error}") from error


def _run(arguments: argparse.Namespace) -> None:
    protocol = DATASETS[arguments.dataset]
    digits = small_digits() if arguments.dataset == "digits" else mnist(arguments.out)
    bench = Bench(arguments.out, arguments.dataset, digits, arguments.steps)
    results: Results = {}
    choices: Choices = {}
    for seed in arguments.seeds:
        for system in protocol.systems:
            if arguments.systems and system.name not in arguments.systems:
                continue
            for digit in arguments.digits:
                means = proxy_means(bench, protocol, system, digit, arguments.seeds[0])
                choices.setdefault(system.name, {})[digit] = means
                best = max(means, key=lambda candidate: means[candidate])
                record = bench.result(system, best, (digit,), TEST, seed)
                results.setdefault(system.name, {}).setdefault(digit, []).append(record)
            text = tables(protocol, arguments.digits, results, choices)
            _write(arguments.out / f"{arguments.place}.md", text)
            if arguments.page is not None:
                whole = arguments.page.read_text(encoding="utf-8")
                _write(arguments.page, placed(whole, arguments.place, text, arguments.page))
    print(text)


def _write(path: Path, text: str) -> None:
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _scored(model: Any, images: np.ndarray) -> Scored:
    scores = model.scores(torch.from_numpy(images)).double().numpy()
    return Scored(scores, np.ones(len(scores)), np.arange(len(scores), dtype=np.uint64))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dataset", choices=list(DATASETS), default="digits")
    parser.add_argument("--digits", type=int, nargs="+", choices=range(10), help="held out in turn")
    parser.add_argument("--systems", nargs="+", help="some of the table's rows")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--steps", type=int, help="optimiser steps at most, for a trial")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/holdout_digits"))
    parser.add_argument("--page", type=Path, help="a Markdown page with a place for the tables")
    parser.add_argument("--place", help="name of the marks on the page; that of the set of digits")
    arguments = parser.parse_args()
    arguments.place = arguments.place or arguments.dataset
    protocol = DATASETS[arguments.dataset]
    known = [system.name for system in protocol.systems]
    for name in arguments.systems or []:
        if name not in known:
            parser.error(f"--systems: no '{name}' on {arguments.dataset} (has {', '.join(known)})")
    if arguments.steps is not None and arguments.steps < 2:
        parser.error(f"--steps: must be at least 2, got {arguments.steps}")
    arguments.digits = arguments.digits or list(protocol.digits)
    return arguments


if __name__ == "__main__":
    main()
