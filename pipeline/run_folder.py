"""A run folder on disk: who may write into it, and how a stage's files get their place.

A stage works in ``.STAGE.KEY.partial``, which no other settings have, so that nothing that still
works for an earlier run can write into it. When it is done, its record goes into ``.STAGE.json``
beside it, then the folder takes the name ``STAGE``, then the manifest takes the record. Whatever
moment a run dies at, the next one finds out from these how far it came.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from naetrigger.contracts.errors import EnvironmentProblem, InputError, NaetriggerError
from naetrigger.contracts.lock import lock
from naetrigger.contracts.manifest import (
    NAME,
    Manifest,
    StageRecord,
    damage,
    flush_folder,
    read_manifest,
    record_files,
    record_from,
    write_atomically,
    write_manifest,
)
from naetrigger.contracts.regular_file import read_json

LOCK = ".lock"
RECIPE = "recipe.yaml"
TEST = "data/test.h5"
KEY_DIGITS = 12  # of a stage's key in the name of the folder that it works in
ATTEMPTS = 100


def check_folder(root: Path) -> None:
    """Refuse a folder that holds something else than a run."""
    if root.exists() and not root.is_dir():
        raise InputError(f"{root}: is a file; a run needs a folder of its own")
    if not root.exists() or (root / NAME).exists() or (root / LOCK).exists():
        return
    strange = sorted(path.name for path in root.iterdir())
    if strange:
        raise InputError(
            f"{root}: holds {', '.join(strange[:3])} and no {NAME}, so it is no run folder; "
            "choose another with --out"
        )


def open_run(root: Path) -> Manifest:
    """The manifest of a run folder; an empty one if nothing is finished yet."""
    return read_manifest(root) if (root / NAME).exists() else Manifest()


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold a run folder for this process; EnvironmentProblem names the process that holds it.

    The lock ends with its process. A folder that was made for it goes again where an error ends
    the block before a stage is finished: nothing in it would be of use.
    """
    with ExitStack() as stack:
        is_new = _enter(stack, root)
        try:
            yield
        except (NaetriggerError, OSError):
            if is_new and not (root / NAME).exists():
                _discard(root)
            raise


def _enter(stack: ExitStack, root: Path) -> bool:
    """Make and lock the folder; whether it was not there before."""
    taken = (
        f"{root}: another run works here ({{holder}}); wait for it, or choose another folder with "
        "--out"
    )
    for _ in range(ATTEMPTS):
        is_new = _make(root)
        with suppress(FileNotFoundError):  # another run made it, failed, and took it away again
            stack.enter_context(lock(root / LOCK, taken))
            return is_new
    raise EnvironmentProblem(f"{root}: other runs make and remove it; choose another with --out")


def _make(root: Path) -> bool:
    """Make the folder; whether it was not there before."""
    try:
        root.mkdir(parents=True)
    except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
        if root.is_dir():
            return False
        raise InputError(
            f"{root}: cannot be made a folder ({error.strerror}); choose another with --out"
        ) from error
    return True


def _discard(root: Path) -> None:
    """Remove a locked folder with what a start leaves in it; what else is there is kept.

    The lock's file goes last: until then no other process can hold the folder, and afterwards its
    own lock's file keeps the folder from being removed.
    """
    for left in (*root.glob(".*.partial"), *root.glob(".*.json"), root / RECIPE):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
    (root / LOCK).unlink(missing_ok=True)
    with suppress(OSError):
        root.rmdir()


@contextmanager
def recipe_written(root: Path, text: str) -> Iterator[None]:
    """Keep the recipe with the run.

    Where an error ends the block before a stage is finished, the earlier recipe takes its place
    again: what is finished is of that one.
    """
    before, finished = _content(root / RECIPE), _content(root / NAME)
    write_atomically(root / RECIPE, text)
    try:
        yield
    except (NaetriggerError, OSError):
        if before is not None and _content(root / NAME) == finished:
            with suppress(OSError):  # of a full disk, which is said already
                write_atomically(root / RECIPE, before)
        raise


def _content(path: Path) -> str | None:
    """A file's text; None where there is none that can be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def begin_stage(root: Path, stage: str, key: str, resumes: bool) -> Path:
    """The folder a stage works in: empty, or what an interrupted run with the same key left."""
    folder, note = _partial(root, stage, key), _note(root, stage)
    whole = folder.is_dir() and not folder.is_symlink()
    if not (resumes and whole and _read_note(note).get("key") == key):
        _remove_partial(root, stage)
        write_atomically(note, json.dumps({"key": key}))
        folder.mkdir()
    return folder


def finish_stage(root: Path, manifest: Manifest, stage: str, record: StageRecord) -> Manifest:
    """Record the files of a finished stage, give the folder its name, update the manifest."""
    folder = _partial(root, stage, record.key)
    for left in folder.rglob("*.partial"):  # of a write that a kill cut short
        left.unlink()
    flush_files(folder)
    record = replace(record, files=record_files(folder, stage))
    if not record.files:
        raise EnvironmentProblem(f"{root}: stage '{stage}' wrote no files")
    write_atomically(_note(root, stage), json.dumps({"key": record.key, "record": asdict(record)}))
    return _take_place(root, manifest, stage, record)


def adopt_stage(root: Path, manifest: Manifest, stage: str, key: str) -> Manifest | None:
    """Finish what a run had done but for the renaming; None if there is no such stage."""
    note = _read_note(_note(root, stage))
    if note.get("key") != key or "record" not in note:
        return None
    record = record_from(note["record"])
    if not damage(root, record):
        return _register(root, manifest, stage, record)
    if not damage(root, record, base=_partial(root, stage, key).name):
        return _take_place(root, manifest, stage, record)
    return None


def _take_place(root: Path, manifest: Manifest, stage: str, record: StageRecord) -> Manifest:
    final, old = root / stage, root / f".{stage}.old"
    _remove(old)
    if final.exists():
        final.rename(old)
    _partial(root, stage, record.key).rename(final)
    flush_folder(root)
    _remove(old)
    return _register(root, manifest, stage, record)


def _register(root: Path, manifest: Manifest, stage: str, record: StageRecord) -> Manifest:
    stages = {**manifest.stages, stage: record}
    manifest = replace(manifest, stages=dict(sorted(stages.items())))
    write_manifest(root, manifest)
    tidy(root, stage)
    return manifest


def tidy(root: Path, stage: str) -> None:
    """Remove what an interrupted run left of a stage that is finished."""
    _note(root, stage).unlink(missing_ok=True)
    _remove_partial(root, stage)
    _remove(root / f".{stage}.old")


def _remove(path: Path) -> None:
    """A folder with all that is in it; of a link, the link alone."""
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def _partial(root: Path, stage: str, key: str) -> Path:
    return root / f".{stage}.{key[:KEY_DIGITS]}.partial"


def _remove_partial(root: Path, stage: str) -> None:
    """Where the stage works, or worked with whatever settings."""
    for left in root.glob(f".{stage}.*partial"):
        _remove(left)


def _note(root: Path, stage: str) -> Path:
    return root / f".{stage}.json"


def _read_note(path: Path) -> dict[str, Any]:
    try:
        note = read_json(path)
    except (OSError, ValueError, InputError):
        return {}
    return note if isinstance(note, dict) else {}


def flush_files(folder: Path) -> None:
    """Flush all files below a folder to disk: what then names them names none that is torn."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        elif path.is_dir():
            flush_folder(path)
    flush_folder(folder)
