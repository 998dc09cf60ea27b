"""Teacher and students of a recipe over several seeds: paired AUC differences with their errors.

    .venv/bin/python benchmarks/jets_seeds.py --recipe jets-wnae --seeds 1 2 3 4 5

Each seed is a run as far as its student, in OUT/SEED, once quantized and once distilled; scores of
the student are those of the integer network. What is finished is kept, so an interrupted benchmark
goes on where it was. The table, in Markdown, goes to OUT/jets_seeds.md and to the screen.

Errors: a difference between two models on one seed has the bootstrap error of the test sample;
seeds share that sample. The mean over seeds is given as value +- s/sqrt(n), s being the spread
over seeds, and +- the mean bootstrap error in brackets.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from naetrigger.contracts.events import read_events
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.contracts.network_file import load_network
from naetrigger.contracts.progress import Silent
from naetrigger.firmware_configs.input_spec import load_input_spec
from naetrigger.pipeline import engines
from naetrigger.pipeline.recipe import Recipe, load_recipe
from naetrigger.pipeline.run import run
from naetrigger.training.data.training_weights import training_events
from naetrigger.validation.agreement import spearman
from naetrigger.validation.comparison import auc_table, compare
from naetrigger.validation.inputs import ValidationInputs

MODES: dict[str, list[str]] = {
    "quantize": ["student.mode=quantize"],
    "distil": ["student.mode=distil", "student.hidden=[20, 20]"],
}
Reports = dict[int, dict[str, Any]]


def main() -> None:
    """Run what is missing, then print the tables."""
    arguments = _arguments()
    reports = {
        mode: {seed: _report(arguments, seed, mode) for seed in arguments.seeds} for mode in MODES
    }
    text = "\n\n".join(
        [_teachers(reports["quantize"]), *(_students(mode, reports[mode]) for mode in MODES)]
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "jets_seeds.md").write_text(text + "\n", encoding="utf-8")
    print(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="jets-wnae")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--out", type=Path, default=Path("runs/bench/jets_seeds"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    return parser.parse_args()


def _report(arguments: argparse.Namespace, seed: int, mode: str) -> dict[str, Any]:
    """AUCs, differences and rank correlation of one seed and mode; trained only if not kept."""
    root = arguments.out / str(seed)
    kept = arguments.out / f"{seed}-{mode}.json"
    if not kept.exists():
        recipe = load_recipe(arguments.recipe, [*arguments.set, *MODES[mode], f"seed={seed}"])
        print(f"seed {seed}, {mode}: running in {root}", flush=True)
        run(recipe, root, until="student", notify=lambda line: print(f"  {line}", flush=True))
        partial = kept.with_suffix(".partial")
        partial.write_text(json.dumps(_judge(recipe, root)), encoding="utf-8")
        partial.replace(kept)
    report = json.loads(kept.read_text(encoding="utf-8"))
    assert isinstance(report, dict)
    return report


def _judge(recipe: Recipe, root: Path) -> dict[str, Any]:
    """What the validation stage would say of AUCs, from the integer network alone."""
    spec = load_input_spec(str(root / "data" / "input_spec.yaml"))
    train = training_events(root / "data", "train")
    test = read_events(root / "data" / "test.h5")
    words = {events.process: spec.mantissas(events.values) for events in test}
    network = load_network(root / "student" / "network")
    models = {"teacher": "torch", "baseline_ae": "baseline_ae"}
    scores = {
        model: {"torch": {name: engines.score(root, engine, x) for name, x in words.items()}}
        for model, engine in models.items()
    }
    scores["student"] = {"network": {name: network.scores(x) for name, x in words.items()}}
    inputs = ValidationInputs(
        events=test,
        inputs={events.process: spec.inputs(events.values) for events in test},
        training_inputs=spec.inputs(train.values),
        training_weights=train.weights,
        scores=scores,
        score_scale=network.score_scale,
        recipe=recipe.name,
        sample=recipe.data.source,
        seed=recipe.seed,
        reweight=recipe.data.reweight,
    )
    table = auc_table(compare(recipe.validation, inputs), Silent())
    background = test[0].process
    return {
        "auc": [entry.model_dump() for entry in table.values],
        "auc_differences": [entry.model_dump() for entry in table.differences],
        "spearman": spearman(
            scores["teacher"]["torch"][background], scores["student"]["network"][background]
        ),
        "weights": _weights(root, network),
    }


def _weights(root: Path, network: FixedPointNetwork) -> dict[str, int]:
    """Weights of the teacher and of the student: one multiplication each in a dense layer."""
    teacher = json.loads((root / "training" / "teacher.json").read_text(encoding="utf-8"))
    model, inputs = teacher["model"], teacher["n_inputs"]
    back = model["decoder_hidden"] or model["hidden"][::-1]
    widths = [inputs, *model["hidden"], model["latent"], *back, inputs]
    student = sum(
        n.weights.size for n in network.nodes if n.op == "dense" and n.weights is not None
    )
    return {
        "teacher": int(np.dot(widths[:-1], widths[1:])),
        "student": int(student),
    }


def _auc(report: dict[str, Any], model: str) -> dict[str, float]:
    """AUC of a model's first engine, by signal."""
    found: dict[str, float] = {}
    for entry in report["auc"]:
        if entry["model"] == model:
            found.setdefault(entry["signal"], entry["value"])
    return found


def _error(report: dict[str, Any], a: str, b: str, signal: str) -> float:
    """Bootstrap error of AUC(a) - AUC(b), whichever way round the report has it."""
    for entry in report["auc_differences"]:
        if entry["signal"] == signal and {entry["a"], entry["b"]} == {a, b}:
            return float(entry["error"])
    return float("nan")


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join([_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)])


def _mean(values: list[float]) -> str:
    spread = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return f"{np.mean(values):.3f} ± {spread:.3f}"


def _difference(reports: Reports, a: str, b: str, signal: str) -> str:
    values = [_auc(r, a)[signal] - _auc(r, b)[signal] for r in reports.values()]
    errors = [_error(r, a, b, signal) for r in reports.values()]
    return f"{_mean(values)} (± {np.mean(errors):.3f})"


def _teachers(reports: Reports) -> str:
    """AUC of the teacher and its baselines, and the paired differences."""
    first = next(iter(reports.values()))
    signals = list(_auc(first, "teacher"))
    best = {
        signal: max(
            (e["value"], e["model"].removeprefix("input:"))
            for e in first["auc"]
            if e["signal"] == signal and e["model"].startswith("input:")
        )
        for signal in signals
    }

    def over_seeds(model: str, signal: str) -> str:
        return _mean([_auc(report, model)[signal] for report in reports.values()])

    rows = [
        [
            signal,
            over_seeds("teacher", signal),
            over_seeds("baseline_ae", signal),
            f"{_auc(first, 'mahalanobis')[signal]:.3f}",
            "{:.3f} ({})".format(*best[signal]),
            _difference(reports, "teacher", "baseline_ae", signal),
            _difference(reports, "teacher", "mahalanobis", signal),
        ]
        for signal in signals
    ]
    head = ["signal", "teacher", "AE", "Mahalanobis", "best input", "teacher - AE"]
    return f"Teachers, {len(reports)} seeds\n\n" + _table([*head, "teacher - Mahalanobis"], rows)


def _students(mode: str, reports: Reports) -> str:
    """AUC lost and rank correlation of the students of one mode."""
    signals = list(_auc(next(iter(reports.values())), "teacher"))

    rows = []
    for seed, report in reports.items():
        lost = {s: _auc(report, "teacher")[s] - _auc(report, "student")[s] for s in signals}
        worst = max(lost, key=lambda s: abs(lost[s]))
        weights = report["weights"]
        rows.append(
            [
                str(seed),
                f"{weights['student']} / {weights['teacher']}",
                f"{lost[worst]:+.4f} ({worst})",
                f"{np.mean(list(lost.values())):+.4f}",
                f"{report['spearman']:.4f}",
            ]
        )
    head = ["seed", "weights student / teacher", "AUC lost, worst", "AUC lost, mean", "Spearman"]
    return f"Students, mode {mode}\n\n" + _table(head, rows)


if __name__ == "__main__":
    main()
