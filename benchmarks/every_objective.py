"""Every objective with each of its scores through a demo recipe, firmware and report included.

    .venv/bin/python benchmarks/every_objective.py

Each run is the command `naetrigger run RECIPE --set objective.name=NAME`: `jets-quickstart`, or
`digits` for objectives that are for images alone. Where the recipe's student cannot take the score,
the refusal is noted and the run made with `--set student.mode=regress`. A run lies in OUT/CASE and
what is finished of it is kept, so an interrupted benchmark goes on where it was. The table, in
Markdown, goes to OUT/every_objective.md and to the screen. The exit status is 1 if a run failed.

Seconds are processor seconds, summed over the calls that made the run. AUCs are means over the
recipe's signals; their error is the mean of the signals' errors, as if they were one sample.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_table import table
from naetrigger.contracts.errors import RecipeError
from naetrigger.pipeline.other_objective import OBJECTIVES
from naetrigger.pipeline.recipe import load_recipe
from naetrigger.validation.inputs import STUDENT, TEACHER
from naetrigger.validation.report.numbers import measured
from naetrigger.validation.report.schema import PairAgreement, Report, report_from_json

RECIPE, OF_IMAGES = "jets-quickstart", "digits"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
FURTHER = {"relative_mahalanobis": ("objective.labels=digit", "objective.classes=9")}
"""What an objective needs besides its name, with the recipe that has such columns: digits."""


@dataclass(frozen=True)
class Case:
    """One run: `overrides` are all that it says to --set.

    refused : why it had to regress
    lacks : settings without a default that neither recipe has, for which there is no run
    """

    name: str
    score: str
    recipe: str
    overrides: tuple[str, ...]
    refused: str = ""
    lacks: str = ""

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.score}"


def main() -> int:
    """Make the runs that are missing, then print the table."""
    arguments = _arguments()
    names = arguments.only or list(OBJECTIVES)
    cases = [_case(name, score) for name in names for score in OBJECTIVES[name].offers]
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, ...]] = []
    failed = False
    for case in cases:
        if case.lacks:
            rows.append((case.name, case.score, f"none has {case.lacks}", *["-"] * 8))
            continue
        outcome = _outcome(case, arguments.out)
        failed |= outcome["exit_status"] != 0
        rows.append(_row(case, outcome, arguments.out))
        print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    text = table(HEAD, rows)
    (arguments.out / "every_objective.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/every_objective"))
    return parser.parse_args()


def _case(name: str, score: str) -> Case:
    fields = OBJECTIVES[name].model_fields.items()
    lacks = [f"objective.{key}" for key, field in fields if field.is_required()]
    if lacks and name not in FURTHER:
        return Case(name, score, "-", (), lacks=", ".join(lacks))
    overrides = [f"objective.name={name}", *FURTHER.get(name, ())]
    if score != next(iter(OBJECTIVES[name].offers)):
        overrides.append(f"objective.score={score}")
    regress = [*overrides, "student.mode=regress"]
    of_images = name in FURTHER or "image" in OBJECTIVES[name].model_fields
    recipe = OF_IMAGES if of_images else RECIPE
    try:
        load_recipe(recipe, overrides, _unheard)
    except RecipeError as error:
        return Case(name, score, recipe, tuple(regress), str(error))
    return Case(name, score, recipe, tuple(overrides))


def _unheard(line: str) -> None:
    del line


def _outcome(case: Case, out: Path) -> dict[str, Any]:
    """What the command said; it is not called again for a run that is finished."""
    kept = out / f"{case.folder}.json"
    known: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    if known.get("exit_status") in (0, 1) and known["overrides"] == list(case.overrides):
        return known
    print(f"{case.folder}: naetrigger run {case.recipe} {case.overrides}", file=sys.stderr)
    command = [sys.executable, "-m", "naetrigger.pipeline.cli", "run", case.recipe, "--json"]
    for override in case.overrides:
        command += ["--set", override]
    before = os.times()
    done = subprocess.run(
        [*command, "--out", str(out / case.folder)],
        env={**os.environ, **ONE_THREAD},
        capture_output=True,
        text=True,
        check=False,
    )
    after = os.times()
    spent = after.children_user + after.children_system
    spent -= before.children_user + before.children_system
    outcome = {
        **_said(done),
        "overrides": list(case.overrides),
        "cpu_seconds": known.get("cpu_seconds", 0.0) + spent,
    }
    kept.write_text(json.dumps(outcome, indent=1), encoding="utf-8")
    return outcome


def _said(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The command's JSON; of a process that was killed, its status alone."""
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError:
        return {"exit_status": done.returncode, "error": done.stderr[-2000:]}
    assert isinstance(answer, dict)
    return answer


HEAD = ("objective", "score", "recipe", "student", "CPU s", "checks", "AUC teacher", "AUC student",
        "rank correlation", "engines of the teacher", "engines of the student")  # fmt: skip


def _row(case: Case, outcome: dict[str, Any], out: Path) -> tuple[str, ...]:
    seconds = f"{outcome['cpu_seconds']:.0f}"
    start = (case.name, case.score, case.recipe)
    if outcome["exit_status"] not in (0, 1):
        reason = " ".join(str(outcome["error"]).split()).replace("|", "/")
        return (*start, "-", seconds, f"STOPPED: {reason}", *["-"] * 5)
    folder = out / case.folder
    mode = load_recipe(str(folder / "recipe.yaml")).student.mode
    report = report_from_json((folder / "validation" / "report.json").read_bytes())
    passed = sum(check.passed for check in report.checks)
    failed = "".join(f"; FAILED: {check.name}, {check.value:.4g}" for check in report.failed_checks)
    return (
        *start,
        mode + (", else refused" if case.refused else ""),
        seconds,
        f"{passed} of {len(report.checks)}{failed}",
        _auc(report, TEACHER),
        _auc(report, STUDENT),
        next(f"{p.spearman:.3f}" for p in report.agreement if p.expectation == "rank"),
        _teachers(_pairs(report, TEACHER)),
        _students(_pairs(report, STUDENT)),
    )


def _auc(report: Report, model: str) -> str:
    found = [a for a in report.auc if a.model == model]
    found = [a for a in found if a.engine == found[0].engine]
    errors = [a.error for a in found if a.error is not None]
    error = sum(errors) / len(errors) if errors else None
    return measured(sum(a.value for a in found) / len(found), error)


def _pairs(report: Report, model: str) -> list[PairAgreement]:
    """Pairs of engines of one model."""
    return [p for p in report.agreement if p.a.startswith(model) and p.b.startswith(model)]


def _teachers(pairs: list[PairAgreement]) -> str:
    if not pairs:
        return "torch alone"
    names = dict.fromkeys(p.partition("/")[2] for pair in pairs for p in (pair.a, pair.b))
    largest = max(pair.max_relative or 0.0 for pair in pairs)
    return f"{' = '.join(names)} to {largest:.0e}"


def _students(pairs: list[PairAgreement]) -> str:
    names = dict.fromkeys(p for pair in pairs for p in (pair.a, pair.b))
    equal = sum(pair.exact_fraction == 1 for pair in pairs)
    return f"{len(names)}, equal in {equal} of {len(pairs)} comparisons"


if __name__ == "__main__":
    sys.exit(main())
