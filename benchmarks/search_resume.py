"""A search stopped and resumed twice, by other numbers of workers, against an undisturbed one.

    python benchmarks/search_resume.py RUN --trials 40 --epochs 2 --folder /tmp/search

RUN is a run folder of jets-quickstart with a trained teacher; it is copied. The first stop is
Ctrl-C, the second a kill. Exit status 0: front.json is the same, byte for byte.
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

from markdown_table import table
from naetrigger.contracts.manifest import sha256_of

POLL_SECONDS = 0.2


def main() -> int:
    options = _options()
    # A job in the background has Ctrl-C ignored, and so would the searches.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    undisturbed, stopped = (_copied(options.run, options.folder / n) for n in ("whole", "stopped"))
    rows = [["undisturbed", "1", "", *_searched(options, undisturbed, 1, 0, None)]]
    third = options.trials // 3
    for workers, until, how in (
        (2, third, signal.SIGINT),
        (1, 2 * third, signal.SIGKILL),
        (2, 0, None),
    ):
        told = _searched(options, stopped, workers, until, how)
        rows.append(["stopped" if how else "resumed", str(workers), how.name if how else "", *told])
    digests = {sha256_of(folder / "search" / "front.json") for folder in (undisturbed, stopped)}
    text = table(["search", "workers", "ended by", "trials then", "wall [s]"], rows)
    front = json.loads((stopped / "search" / "front.json").read_text(encoding="utf-8"))
    text += f"\n\n{front['trials']} trials, {front['pruned']} given up on the way, "
    text += f"{len(front['front'])} on the front; front.json: "
    text += " and ".join(sorted(digest[:16] for digest in digests))
    (options.folder / "table.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    print("the same front" if len(digests) == 1 else "DIFFERENT FRONTS")
    return 0 if len(digests) == 1 else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a run folder of jets-quickstart")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], help="as of naetrigger search")
    parser.add_argument("--folder", type=Path, default=Path("runs/search_resume"))
    return parser.parse_args()


def _copied(run: Path, folder: Path) -> Path:
    """The run as far as its teacher, without searches."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("search", ".lock"))
    return folder


def _searched(
    options: argparse.Namespace, folder: Path, workers: int, until: int, how: signal.Signals | None
) -> list[str]:
    """Search until there are so many trials or the end; how many there were, and the seconds."""
    start = time.monotonic()
    command = [sys.executable, "-m", "naetrigger.pipeline.cli", "search", "jets-quickstart"]
    command += ["--out", str(folder), "--workers", str(workers), "--quiet"]
    for name in ("trials", "epochs"):
        command += ["--set", f"search.{name}={getattr(options, name)}"]
    for setting in options.set:
        command += ["--set", setting]
    running = subprocess.Popen(command, start_new_session=True)
    while running.poll() is None:
        if how is not None and _trials(folder) >= until:
            os.kill(running.pid, how)
            running.wait()
        time.sleep(POLL_SECONDS)
    expected = {None: (0, 1), signal.SIGINT: (130,), signal.SIGKILL: (-9,)}[how]
    if running.returncode not in expected:
        raise SystemExit(f"the search ended with status {running.returncode}, not {expected}")
    return [str(_trials(folder)), f"{time.monotonic() - start:.0f}"]


def _trials(folder: Path) -> int:
    """Students that were made; equal choices and those given up have none."""
    return len(list((folder / "search").glob("*/trial_*")))


if __name__ == "__main__":
    raise SystemExit(main())
