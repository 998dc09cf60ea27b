"""A small run ended at random moments, taken up again, and compared with one left in peace.

    python benchmarks/kill_moments.py --moments 50 --out runs/kill-moments

Each run is ended up to ENDS times, each after a random amount of CPU time (so that a busy machine
makes no difference), by SIGKILL or SIGINT, sent to the process alone (its
compilers and workers live on) or to its whole group, and started again at once; the last time it
must end well. Every file of the folder at the end is compared byte by byte with the undisturbed
run's; none may differ, since none holds a time, a path or a process id. ``moments.jsonl`` keeps a
line a run, so the benchmark itself goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
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
  epochs: 2
  points: {noise_count: 400, uniform_count: 100}
firmware:
  vectors: 1000
  synthesis: none
  rtl_simulation: false
  languages: [verilog]
  compiler: {compiler}
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
ROWS = 50_000  # of background, so that reading takes a while, too
ENDS = 10  # of each run, before it is left to finish
REACH = 0.35  # of an undisturbed run's CPU time: the latest moment


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
    lines = record.read_text().splitlines() if record.exists() else []
    runs = [json.loads(line) for line in lines]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    while sum(len(run["moments"]) for run in runs) < arguments.moments:
        rng = np.random.default_rng([arguments.seed, len(runs)])
        runs.append(one_run(recipe, len(runs), seconds, rng))
        with record.open("a", encoding="utf-8") as file:
            file.write(json.dumps(runs[-1]) + "\n")
        print(json.dumps(runs[-1]), flush=True)
    print(report(runs, seconds))
    sys.exit(0 if all(run["as_expected"] for run in runs) else 1)


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
    text = RECIPE.replace("{compiler}", str(quick_compiler(folder)))
    (folder / "kill.yaml").write_text(text, encoding="utf-8")
    return folder / "kill.yaml"


def quick_compiler(folder: Path) -> Path:
    """g++ at -O0: half the time of a run, for what runs a few thousand times."""
    script = folder / "g++"
    if not script.exists():
        script.write_text(f'#!/bin/sh\nexec {shutil.which("g++")} "$@" -O0\n')
        script.chmod(0o755)
    return script


def undisturbed(recipe: Path) -> float:
    """Make the run that all others are compared with; its CPU seconds, compilers included."""
    root, note = recipe.parent / "undisturbed", recipe.parent / "undisturbed.json"
    if not note.exists():
        shutil.rmtree(root, ignore_errors=True)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        status, errors = finished(recipe, root)
        assert status == 0, errors
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        note.write_text(json.dumps(seconds))
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


def one_run(recipe: Path, number: int, seconds: float, rng: np.random.Generator) -> dict[str, Any]:
    """End one run up to ENDS times, finish it, compare it; what was seen."""
    root = recipe.parent / f"run-{number}"
    shutil.rmtree(root, ignore_errors=True)
    moments = []
    for i in range(ENDS):
        way = list(WAYS)[(number + i) % len(WAYS)]
        after = float(rng.uniform(0, REACH * seconds))
        moment = one_moment(recipe, root, way, after)
        if moment["status"] == 0:  # it was done before
            break
        moments.append(moment)
    again, errors = finished(recipe, root)
    differ = differences(root, recipe.parent / "undisturbed")
    good = all(moment["clean"] for moment in moments) and again == 0 and not differ
    if good:
        shutil.rmtree(root)
    return {
        "run": number + 1,
        "moments": moments,
        "last_status": again,
        "differ": differ,
        "as_expected": good,
        "said": "" if good else errors[-2000:],
    }


def one_moment(recipe: Path, root: Path, way: str, after: float) -> dict[str, Any]:
    """End a run after so many CPU seconds; whether it ended as it must."""
    status, stage, said = ended(recipe, root, way, after)
    early = stage in ("start of Python", "before data") or not said
    clean = "Traceback" not in said and (
        status in (0, SENT[way.split()[0]])
        or (way.startswith("SIGINT") and status == -signal.SIGINT and early)  # Python's own start
    )
    return {
        "way": way,
        "after_cpu_s": round(after, 2),
        "at_work": stage,
        "status": status,
        "clean": clean,
        "said": "" if clean else said[-2000:],
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
        while process.poll() is None and cpu_seconds(process.pid) < after:
            time.sleep(0.02)
        if process.poll() is None:
            (os.killpg if group else os.kill)(process.pid, number)
        stage = at_work(root)
        status = process.wait(300)
    said = log.read_text()
    log.unlink()
    return status, stage, said


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of its descendants."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    own = sum(int(ticks) for ticks in stat[11:15]) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_seconds(int(child)) for child in children)


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


def report(runs: list[dict[str, Any]], seconds: float) -> str:
    """Tables: by the way of ending, and by the stage that was at work."""
    good = sum(run["as_expected"] for run in runs)
    moments = [moment | {"good": run["as_expected"]} for run in runs for moment in run["moments"]]
    lines = [
        f"\n{sum(m['good'] for m in moments)} of {len(moments)} moments as expected, in {good} of "
        f"{len(runs)} runs; undisturbed: {seconds:.0f} CPU s\n"
    ]
    for key, title in (("way", "ended by"), ("at_work", "at work")):
        rows = [
            [name, str(len(of)), str(sum(m["good"] for m in of)), statuses(of)]
            for name in sorted({moment[key] for moment in moments})
            for of in [[moment for moment in moments if moment[key] == name]]
        ]
        lines += [table([title, "moments", "same bytes at the end", "exit statuses"], rows), ""]
    return "\n".join(lines)


def statuses(done: list[dict[str, Any]]) -> str:
    return ", ".join(str(s) for s in sorted({found["status"] for found in done}))


if __name__ == "__main__":
    main()
