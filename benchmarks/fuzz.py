"""Fuzzing of every reader: coverage-guided by atheris where it is installed, else by mutations.

    python benchmarks/fuzz.py --minutes 60 --out runs/fuzz  # all targets in turn
    python benchmarks/fuzz.py --target recipe --minutes 5 --out runs/fuzz

The targets are those of tests/hostile/fuzz_targets.py. Each works in a process of its own, so that
a crash of a C library ends that target alone. ``OUT/TARGET/corpus`` grows with what reaches new
code, ``OUT/TARGET/found`` holds inputs that something else than a refusal came of, one for each
place; ``OUT/results.jsonl`` a line a target. The exit status is 1 while a target's ``found`` holds
any, and where a target crashed. What is mended goes into tests/hostile/corpus, and out of OUT.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import random
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from markdown_table import table

ROOT = Path(__file__).parents[1]
NAMES = (
    *("recipe", "input_spec", "text_events", "binary_events"),
    *("manifest", "network_document", "network_arrays", "qonnx"),
)
MAX_BYTES = 20_000
HANGS_SECONDS = 25
MEMORY_MB = 6000  # the HDF5 library makes room for a string of whatever length it reads, up to 4 GB
WHY = ".why"  # behind the name of an input: what came of it


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--target", choices=NAMES)
    parser.add_argument("--minutes", type=float, default=60, help="of all targets together")
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"))
    parser.add_argument("--here", action="store_true", help="fuzz in this process")
    arguments = parser.parse_args()
    targets = [arguments.target] if arguments.target else list(NAMES)
    seconds = 60 * arguments.minutes / len(targets)
    if arguments.here:
        fuzz(targets[0], seconds, arguments.out.resolve() / targets[0])
        return 0
    failed = False
    for name in targets:
        command = [sys.executable, __file__, "--here", "--target", name]
        command += ["--minutes", str(seconds / 60), "--out", str(arguments.out)]
        log = arguments.out / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as file:
            status = subprocess.run(command, stdout=file, stderr=file, check=False).returncode
        line = summary(name, arguments.out / name, seconds, status)
        with (arguments.out / "results.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
        failed |= bool(line["found"] or status)
    lines = [json.loads(x) for x in (arguments.out / "results.jsonl").read_text().splitlines()]
    head = ["target", "engine", "seconds", "inputs", "corpus", "found", "exit status"]
    print(table(head, [[str(line[name]) for name in head] for line in lines]))
    return int(failed)


def summary(name: str, folder: Path, seconds: float, status: int) -> dict[str, object]:
    count = folder / "count.txt"
    return {
        "target": name,
        "engine": "atheris" if has_atheris() else "mutations",
        "seconds": round(seconds),
        "inputs": int(count.read_text()) if count.exists() else 0,
        "corpus": len(list((folder / "corpus").glob("*"))),
        "found": sum(path.suffix != WHY for path in (folder / "found").glob("*")),
        "exit status": status,
    }


def has_atheris() -> bool:
    return importlib.util.find_spec("atheris") is not None


def fuzz(name: str, seconds: float, folder: Path) -> None:
    """Fuzz one target; keep what it finds."""
    sys.path.insert(0, str(ROOT))
    for part in ("corpus", "found"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    if has_atheris():
        _atheris(name, seconds, folder)
    else:
        _mutations(name, seconds, folder)


class Recorder:
    """Gives bytes to a target and keeps those that a defect came of, one for each place."""

    def __init__(self, target: Callable[[bytes], None], folder: Path) -> None:
        self._target, self._folder = target, folder
        self._count = 0

    def __call__(self, data: bytes) -> None:
        self._count += 1
        if self._count % 200 == 1:
            (self._folder / "count.txt").write_text(str(self._count))
        try:
            self._target(data)
        except Exception as error:
            self._keep(data, error)

    def _keep(self, data: bytes, error: Exception) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "naetrigger" in frame.filename] or list(frames)
        place = f"{type(error).__name__} at {Path(ours[-1].filename).name}:{ours[-1].lineno}"
        known = hashlib.sha256(place.encode()).hexdigest()[:12]
        path = self._folder / "found" / known
        if not path.exists():
            path.write_bytes(data)
            text = "".join(traceback.format_exception(error))[-3000:]
            path.with_suffix(WHY).write_text(f"{place}\n{text}")


def _atheris(name: str, seconds: float, folder: Path) -> None:
    import atheris

    with atheris.instrument_imports(include=["naetrigger", "yaml", "onnx"]):
        from tests.hostile.fuzz_targets import TARGETS, seeds
    for i, seed in enumerate(seeds(name)):
        (folder / "corpus" / f"seed-{i}").write_bytes(seed)
    options = [
        f"-max_total_time={int(seconds)}",
        f"-max_len={MAX_BYTES}",
        f"-rss_limit_mb={MEMORY_MB}",
    ]
    options += [f"-timeout={HANGS_SECONDS}", f"-artifact_prefix={folder / 'found'}/fatal-"]
    atheris.Setup([sys.argv[0], *options, str(folder / "corpus")], Recorder(TARGETS[name], folder))
    atheris.Fuzz()


def _mutations(name: str, seconds: float, folder: Path) -> None:
    from tests.hostile.fuzz_targets import TARGETS, seeds

    rng, known = random.Random(1), seeds(name)
    recorder, end = Recorder(TARGETS[name], folder), time.monotonic() + seconds
    while time.monotonic() < end:
        recorder(mutated(rng, rng.choice(known)))


def mutated(rng: random.Random, data: bytes) -> bytes:
    """A few bytes changed, taken away, put in or doubled."""
    content = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        place, length = rng.randrange(len(content) + 1), rng.randint(1, 16)
        match rng.randrange(4):
            case 0:
                content[place : place + length] = rng.randbytes(length)
            case 1:
                del content[place : place + length]
            case 2:
                content[place:place] = rng.randbytes(length)
            case _:
                content[place:place] = content[place : place + 8 * length]
    return bytes(content[:MAX_BYTES])


if __name__ == "__main__":
    sys.exit(main())
