"""A small run ended at random moments, taken up again, and compared with one left in peace.

    python benchmarks/kill_moments.py --moments 50 --out runs/kill-moments

Each moment is a run of its own: it is ended by SIGKILL or SIGINT, sent to the process alone (its
compilers and workers live on) or to its whole group, and started again at once, which must end
well. Every file of the folder at the end is compared byte by byte with the undisturbed run's; no
file may differ, since none holds a time, a path or a process id. ``moments.jsonl`` keeps a line a
moment, so the benchmark itself goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from markdown_table import table

RECIPE = """
name: kill-moments
seed: 5
data:
  source: background.csv
  signals: {noise: signal.csv}
  split: {train: 0.5, validation: 0.2, test: 0.3}
  max_background: 3000
model: {hidden: [6], latent: 2}
objective:
  name: wnae
  steps: 150
  batch_size: 64
  validate_every: 10
  validation_size: 128
  checkpoint_every: 10
  curve_every: 5
  baseline_steps: 40
student:
  epochs: 4
  points: {noise_count: 400, uniform_count: 100}
firmware: {vectors: 1000, synthesis: none}
validation:
  bootstrap_replicas: 20
  background_efficiencies: [0.1]
  limits: {student_auc_loss: 1, student_spearman: -1, saturated_fraction: 1}
"""
WAYS = {
    "SIGKILL": (signal.SIGKILL, False),
    "SIGKILL to the group": (signal.SIGKILL, True),
    "SIGINT": (signal.SIGINT, False),
    "SIGINT to the group": (signal.SIGINT, True),
}
SENT = {"SIGKILL": -signal.SIGKILL, "SIGINT": 130}  # the exit status that follows
ROWS = 100_000  # of background, so that reading takes a while, too


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/kill-moments"))
    arguments = parser.parse_args()
    folder = arguments.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    recipe = write_inputs(folder)
    seconds = undisturbed(recipe)
    record = folder / "moments.jsonl"
    done = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
    fractions = np.random.default_rng(arguments.seed).random(arguments.moments)
    for number in range(len(done), arguments.moments):
        way = list(WAYS)[number % len(WAYS)]
        found = one_moment(recipe, number, way, float(fractions[number]) * seconds)
        done.append(found)
        with record.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")
        print(json.dumps(found), flush=True)
    print(report(done, seconds))
    sys.exit(0 if all(found["as_expected"] for found in done) else 1)


def write_inputs(folder: Path) -> Path:
    """Background near a plane in four dimensions, a signal off it; the recipe's path."""
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(2, 4))
    tables = {
        "background": rng.normal(size=(ROWS, 2)) @ plane + 0.1 * rng.normal(size=(ROWS, 4)),
        "signal": 1.5 * rng.normal(size=(400, 4)),
    }
    for name, rows in tables.items():
        path = folder / f"{name}.csv"
        np.savetxt(path, rows, fmt="%.3f", delimiter=",", header="a,b,c,d", comments="")
    (folder / "kill.yaml").write_text(RECIPE, encoding="utf-8")
    return folder / "kill.yaml"


def undisturbed(recipe: Path) -> float:
    """Make the run that all others are compared with; the seconds it took."""
    root, note = recipe.parent / "undisturbed", recipe.parent / "undisturbed.json"
    if not note.exists():
        shutil.rmtree(root, ignore_errors=True)
        start = time.monotonic()
        status, errors = finished(recipe, root)
        assert status == 0, errors
        note.write_text(json.dumps(time.monotonic() - start))
    return float(json.loads(note.read_text()))


def command(recipe: Path, root: Path) -> list[str]:
    main_module = [sys.executable, "-m", "naetrigger.pipeline.cli"]
    return [*main_module, "run", str(recipe), "--out", str(root)]


def finished(recipe: Path, root: Path) -> tuple[int, str]:
    """Run to the end; exit status and standard error."""
    done = subprocess.run(
        command(recipe, root), cwd=recipe.parent, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


def one_moment(recipe: Path, number: int, way: str, after: float) -> dict[str, Any]:
    """End one run `after` seconds, finish it, compare it; what was seen."""
    root = recipe.parent / f"moment-{number}"
    shutil.rmtree(root, ignore_errors=True)
    status, stage, said = ended(recipe, root, way, after)
    expected = SENT[way.split()[0]]
    clean = "Traceback" not in said and (
        status in (0, expected)  # 0: it was done before
        or (way.startswith("SIGINT") and status == -signal.SIGINT and stage == "start of Python")
    )
    start = time.monotonic()
    again, errors = finished(recipe, root)
    differ = differences(root, recipe.parent / "undisturbed")
    good = clean and again == 0 and not differ
    if good:
        shutil.rmtree(root)
    return {
        "number": number + 1,
        "way": way,
        "after_s": round(after, 2),
        "at_work": stage,
        "status": status,
        "again_status": again,
        "again_s": round(time.monotonic() - start, 1),
        "differ": differ,
        "as_expected": good,
        "said": "" if good else (said + errors)[-2000:],
    }


def ended(recipe: Path, root: Path, way: str, after: float) -> tuple[int, str, str]:
    """Start a run and end it; its exit status, the stage at work, and what it said."""
    number, group = WAYS[way]
    log = root.with_suffix(".log")
    with log.open("w") as stderr:
        process = subprocess.Popen(
            command(recipe, root),
            cwd=recipe.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            if group:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
        stage = at_work(root)
        status = process.wait(300)
    said = log.read_text()
    log.unlink()
    return status, stage, said


def at_work(root: Path) -> str:
    """The stage whose files are being written, or what stands between two."""
    partial = sorted(root.glob(".*.partial"))
    if partial:
        return partial[0].name.split(".")[1]
    if not (root / ".lock").exists():
        return "start of Python"
    made = [name for name in STAGES if (root / name).is_dir()]
    return f"after {made[-1]}" if made else "before data"


STAGES = ("data", "training", "student", "export", "validation")


def differences(root: Path, expected: Path) -> list[str]:
    """Files that are in one of two folders alone, or have other bytes."""
    a, b = contents(root), contents(expected)
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def report(done: list[dict[str, Any]], seconds: float) -> str:
    """Tables: by the way of ending, and by the stage that was at work."""
    good = sum(found["as_expected"] for found in done)
    lines = [f"\n{good} of {len(done)} as expected; undisturbed: {seconds:.0f} s\n"]
    for key, title in (("way", "ended by"), ("at_work", "at work")):
        names = dict.fromkeys(found[key] for found in done)
        rows = [
            [name, str(len(of)), str(sum(f["as_expected"] for f in of)), statuses(of)]
            for name in sorted(names)
            for of in [[found for found in done if found[key] == name]]
        ]
        lines += [table([title, "moments", "same bytes at the end", "exit statuses"], rows), ""]
    return "\n".join(lines)


def statuses(done: list[dict[str, Any]]) -> str:
    return ", ".join(str(s) for s in sorted({found["status"] for found in done}))


if __name__ == "__main__":
    main()
