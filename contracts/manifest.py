"""The manifest of a run folder: what every stage wrote, from what, with which program.

``manifest.json`` (``format = "naetrigger-run"``, version 1) holds one record a stage: the key of
its inputs, its parent stages, the seed, package versions, and every file with its sha256. It
holds no times, so the same recipe and seed give the same manifest, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import h5py

from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.contracts.npz_file import npy_header
from naetrigger.contracts.regular_file import read_json
from naetrigger.contracts.version import __version__
from naetrigger.contracts.whole_file import no_follow

FORMAT = "naetrigger-run"
VERSION = 1
NAME = "manifest.json"

ROLES = {
    "trajectories.h5": "arrays",
    ".h5": "events",
    ".safetensors": "weights",
    ".npz": "arrays",
    ".npy": "arrays",
    ".onnx": "model",
    ".json": "record",
    ".csv": "record",
    ".jsonl": "record",
    ".yaml": "settings",
    ".html": "report",
    ".png": "figure",
    ".svg": "figure",
    ".pdf": "figure",
    ".v": "firmware",
    ".sv": "firmware",
    ".vhd": "firmware",
    ".cpp": "firmware",
    ".cc": "firmware",
    ".h": "firmware",
    ".hh": "firmware",
    ".tcl": "firmware",
    ".so": "compiled",
    ".md": "text",
    ".txt": "text",
}


@dataclass(frozen=True)
class FileRecord:
    """One file of a stage.

    path : relative to the run folder, with forward slashes
    arrays : shape and dtype of every array in the file, by its name
    """

    path: str
    sha256: str
    bytes: int
    role: str
    arrays: Mapping[str, tuple[list[int], str]] = field(default_factory=dict)


@dataclass(frozen=True)
class StageRecord:
    """One finished stage.

    key : :func:`stage_key` of what the stage was made from
    parents : the stages whose files it read
    versions : the packages that can change its result
    """

    key: str
    parents: tuple[str, ...]
    seed: int
    versions: Mapping[str, str]
    files: tuple[FileRecord, ...]

    def digests(self) -> dict[str, str]:
        """sha256 of every file by its path."""
        return {file.path: file.sha256 for file in self.files}


@dataclass(frozen=True)
class Manifest:
    """All finished stages of a run, by their names."""

    stages: Mapping[str, StageRecord] = field(default_factory=dict)
    program: str = __version__

    def stage(self, name: str, source: object = NAME) -> StageRecord:
        """The record of a stage that must be there."""
        if name not in self.stages:
            raise InputError(
                f"{source}: stage '{name}' is not finished{suggestion(name, self.stages)}; "
                "finish it with: naetrigger run"
            )
        return self.stages[name]


def stage_key(
    settings: Mapping[str, Any], seed: int, inputs: Mapping[str, str], schema: int
) -> str:
    """sha256 over all that a stage's result depends on.

    settings : the stage's own settings as JSON values
    inputs : sha256 of every file it reads, by path
    schema : raised when the program writes something else from the same inputs
    """
    document = {"settings": settings, "seed": seed, "inputs": dict(inputs), "schema": schema}
    text = json.dumps(document, sort_keys=True, allow_nan=True)
    return hashlib.sha256(text.encode()).hexdigest()


def record_files(folder: Path, prefix: str) -> tuple[FileRecord, ...]:
    """Records of all files below `folder`, sorted; their paths begin with `prefix`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return tuple(
        FileRecord(
            path=f"{prefix}/{path.relative_to(folder).as_posix()}",
            sha256=sha256_of(path),
            bytes=path.stat().st_size,
            role=ROLES.get(path.name, ROLES.get(path.suffix, "other")),
            arrays=arrays_in(path),
        )
        for path in files
    )


def sha256_of(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def damage(root: Path, record: StageRecord, base: str = "") -> list[str]:
    """What is wrong with a stage's files, one line a file; empty if they are as recorded.

    base : where the stage's folder lies now, if it has not been renamed yet
    """
    problems = []
    for file in record.files:
        path = root / (base + file.path[file.path.index("/") :] if base else file.path)
        if not path.is_file():
            problems.append(f"{path}: is missing")
        elif path.stat().st_size < file.bytes:
            problems.append(f"{path}: truncated to {path.stat().st_size} of {file.bytes} bytes")
        elif path.stat().st_size != file.bytes or sha256_of(path) != file.sha256:
            problems.append(f"{path}: edited (its sha256 is not the manifest's)")
    return problems


def verify(root: Path, manifest: Manifest, stages: Iterable[str] | None = None) -> None:
    """Raise one InputError naming every edited, missing or truncated file of the stages."""
    problems = []
    for name in manifest.stages if stages is None else stages:
        found = damage(root, manifest.stage(name, root / NAME))
        problems += [f"{line} since stage '{name}' wrote it" for line in found]
        if found:
            problems.append(
                f"  put it back, or delete {root / name} and run again to have '{name}' made anew"
            )
    if problems:
        raise InputError("\n".join(problems))


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Write manifest.json of a run folder, whole or not at all."""
    document = {"format": FORMAT, "version": VERSION, **asdict(manifest)}
    write_atomically(root / NAME, json.dumps(document, indent=1) + "\n")


def read_manifest(root: Path) -> Manifest:
    """The manifest of a run folder; InputError for a folder that is none."""
    path = root / NAME
    if not root.is_dir():
        raise InputError(f"{root}: no such run folder")
    if not path.exists():
        raise InputError(f"{root}: not a run folder (it holds no {NAME})")
    try:
        document = read_json(path)
        if document["format"] != FORMAT or document["version"] != VERSION:
            raise InputError(
                f"{path}: expected {FORMAT} version {VERSION}, got {document['format']} "
                f"version {document['version']}"
            )
        return Manifest(
            stages={str(n): record_from(r) for n, r in document["stages"].items()},
            program=str(document["program"]),
        )
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: not a readable manifest ({error!r}); delete the file and run again to have "
            "the stages made anew"
        ) from error


def record_from(document: Mapping[str, Any]) -> StageRecord:
    """A stage's record from its JSON form."""
    return StageRecord(
        key=str(document["key"]),
        parents=tuple(str(p) for p in document["parents"]),
        seed=int(document["seed"]),
        versions={str(k): str(v) for k, v in document["versions"].items()},
        files=tuple(_file_from(file) for file in document["files"]),
    )


def write_atomically(path: Path, text: str) -> None:
    """Write through a temporary file, flushed to disk before it takes the name."""
    partial = path.with_name(path.name + ".partial")
    try:
        with open(partial, "w", encoding="utf-8", opener=no_follow) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Flush a folder's own entries to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _file_from(document: Mapping[str, Any]) -> FileRecord:
    path = str(document["path"])
    if path.startswith("/") or ".." in Path(path).parts or "/" not in path:
        raise ValueError(f"path '{path}' leads out of the run folder")
    return FileRecord(
        path=path,
        sha256=str(document["sha256"]),
        bytes=int(document["bytes"]),
        role=str(document["role"]),
        arrays={str(k): (list(s), str(d)) for k, (s, d) in document["arrays"].items()},
    )


def arrays_in(path: Path) -> dict[str, tuple[list[int], str]]:
    """Shape and dtype of every array in a file, by name; empty for other kinds of file."""
    readers = {".npy": _npy, ".npz": _npz, ".h5": _hdf5, ".safetensors": _safetensors}
    reader = readers.get(path.suffix)
    return reader(path) if reader else {}


def _npy(path: Path) -> dict[str, tuple[list[int], str]]:
    with path.open("rb") as file:
        shape, kind = npy_header(file)
        return {"": (shape, str(kind))}


def _npz(path: Path) -> dict[str, tuple[list[int], str]]:
    with zipfile.ZipFile(path) as archive:
        found = {}
        for name in archive.namelist():
            with archive.open(name) as file:
                shape, kind = npy_header(file)
                found[name.removesuffix(".npy")] = (shape, str(kind))
        return found


def _hdf5(path: Path) -> dict[str, tuple[list[int], str]]:
    found: dict[str, tuple[list[int], str]] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = (list(item.shape), str(item.dtype))

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def _safetensors(path: Path) -> dict[str, tuple[list[int], str]]:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return {
        name: (list(entry["shape"]), str(entry["dtype"]))
        for name, entry in header.items()
        if name != "__metadata__"
    }
