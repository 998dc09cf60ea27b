"""A folder of finished chunks, ``FILE.parts``, beside the file that is made of them.

``order.json`` says what the chunks belong to. It is there before the first one and goes after the
last: chunks without it belong to nobody knows what, and are made anew.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from naetrigger.contracts.errors import InputError, unwritable
from naetrigger.contracts.lock import lock
from naetrigger.contracts.manifest import write_atomically

LOCK_FILE, ORDER_FILE = ".lock", "order.json"
CHUNKS = "chunk-*.npz"
SHORT = 40  # characters of a value that is shown


def chunk_path(folder: Path, number: int) -> Path:
    """Where a chunk is kept."""
    return folder / f"chunk-{number:07d}.npz"


def chunk_paths(folder: Path) -> dict[int, Path]:
    """All chunks that are there, by their numbers; whether they are whole is not looked at."""
    found = {}
    for path in sorted(folder.glob(CHUNKS)):
        number = path.stem.removeprefix("chunk-")
        if number.isdecimal():
            found[int(number)] = path
    return found


@contextmanager
def claimed(
    target: Path, order: Mapping[str, Any], start_anew: str, force: bool = False
) -> Iterator[Path]:
    """Hold the folder of parts of `target`; where the block ends well, the folder goes.

    order : what chunks belong to, as JSON values
    start_anew : what users do who want other chunks than those that are there
    force : chunks of another order are deleted, not refused

    Raises InputError for chunks of another order, EnvironmentProblem where another process holds
    the folder, what :func:`unwritable` says where there can be none. What fails or is interrupted
    leaves its chunks, to be gone on from.
    """
    folder = target.with_name(target.name + ".parts")
    try:
        folder.mkdir(exist_ok=True)
        (folder / LOCK_FILE).touch()
    except OSError as error:
        raise unwritable(folder, error) from error
    taken = f"{target}: another process writes it ({{holder}}); wait for it, or choose another"
    with lock(folder / LOCK_FILE, taken):
        differ = _differences(folder, order)
        if not (folder / ORDER_FILE).exists() or (force and differ):
            _delete_chunks(folder)
        elif differ:
            raise InputError(
                f"{folder}: holds chunks of another order ({', '.join(differ)}); finish them with "
                f"that, {start_anew} to start anew, or choose another --out"
            )
        try:
            write_atomically(folder / ORDER_FILE, json.dumps(order, sort_keys=True) + "\n")
            for left in folder.glob("*.partial"):  # of a write that a kill cut short
                left.unlink()
            yield folder
            _delete_chunks(folder)
        finally:
            if not any(folder.glob(CHUNKS)):  # nothing to go on from
                shutil.rmtree(folder, ignore_errors=True)


def _delete_chunks(folder: Path) -> None:
    for path in folder.glob(CHUNKS):
        path.unlink()


def _differences(folder: Path, order: Mapping[str, Any]) -> list[str]:
    """In what the chunks that are there are of another order; empty where no note says so."""
    note = folder / ORDER_FILE
    if not note.exists():
        return []
    try:
        theirs, ours = json.loads(note.read_text(encoding="utf-8")), json.loads(json.dumps(order))
        names = sorted(theirs.keys() | ours.keys())
    except (OSError, ValueError, AttributeError):
        return [f"{ORDER_FILE} cannot be read"]
    return [
        _said(name, theirs.get(name), ours.get(name))
        for name in names
        if theirs.get(name) != ours.get(name)
    ]


def _said(name: str, theirs: object, ours: object) -> str:
    """`seed 1, not 2`; of what is long, the name alone."""
    long = any(isinstance(v, dict | list) or len(str(v)) > SHORT for v in (theirs, ours))
    return f"other {name}" if long else f"{name} {theirs}, not {ours}"
