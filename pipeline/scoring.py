"""`naetrigger score`: every event of a file, by any engine of a run, into a file of scores.

Finished chunks lie in ``OUT.parts/`` until the output is written whole, so what was interrupted
goes on where it stopped: ``order.json`` says what they belong to, ``chunk-NNNNNNN.npz`` holds
`process`, `first_row`, `scores`, `event_ids`, `weights` and `saturated`.
"""

from __future__ import annotations

import json
import os
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from naetrigger.contracts.errors import EnvironmentProblem, InputError
from naetrigger.contracts.manifest import NAME, read_manifest, sha256_of, verify
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.contracts.network_file import load_network
from naetrigger.contracts.parts import chunk_path, chunk_paths, claimed
from naetrigger.contracts.progress import Progress, Silent
from naetrigger.contracts.version import __version__
from naetrigger.contracts.whole_file import whole_file
from naetrigger.contracts.workers import Workers, check_workers
from naetrigger.pipeline.engines import engine_named, require_files
from naetrigger.pipeline.recipe import Recipe
from naetrigger.pipeline.score_output import ScoredRows, check_output, write_scores
from naetrigger.pipeline.score_stream import ScoredChunk, chunk_rows, score_stream
from naetrigger.pipeline.score_workers import Task
from naetrigger.training.data.formats import FORMATS
from naetrigger.training.data.formats.format import ReadOptions
from naetrigger.training.data.readers import EventSource, open_events, recognise

DEFAULT_ENGINE = "network"  # the fastest that is exact: docs/scoring.md has the figures
NETWORKS = ("export/network", "student/network")
DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Reading:
    """How a file is read where the run's recipe does not say it rightly; None: as the recipe."""

    format: str | None = None
    view: str | None = None
    units: Any = None
    sort_objects: bool | None = None


def score_file(
    root: Path,
    path: Path,
    out: Path,
    engine: str = DEFAULT_ENGINE,
    *,
    reading: Reading | None = None,
    workers: Workers = 1,
    force: bool = False,
    rows: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score a file into `out`; what was done, as JSON values.

    rows : of a chunk, a multiple of model_inputs.BLOCK; no score depends on it, nor on `workers`

    Raises InputError for a run, file or output that cannot be used, EnvironmentProblem for a full
    disk, a worker that died, or an output that another process writes.
    """
    start = time.monotonic()
    progress = progress or Silent()
    check_workers(workers)
    check_output(out, force, path)
    recipe = checked_run(root, engine)
    task, source = opened(root, path, engine, recipe, reading or Reading())
    rows = rows or chunk_rows(len(task.inputs().columns), engine_named(engine).slow)
    digest = _Digest(path)
    order = {
        "run": sha256_of(root / NAME),
        "engine": engine,
        "file": path.name,
        "state": digest.state,
        "reading": json.loads(json.dumps([source.format_name, vars(source.options)], default=dict)),
        "rows": rows,
        "naetrigger": __version__,
    }
    with claimed(out, order, "say --force", force) as folder:
        check_output(out, force, path)  # again: whoever held the folder before may have written it
        parts = _score_parts(folder, source, task, workers, rows, progress)
        if not parts:
            raise InputError(f"{path}: holds no events")
        file_sha256 = digest.result()
        scale = score_scale(root, engine)
        attributes = {
            "naetrigger": __version__,
            "run_manifest_sha256": order["run"],
            "recipe": recipe.name,
            "engine": engine,
            "model": engine_named(engine).model,
            "file": path.name,
            "file_sha256": file_sha256,
            **({} if scale is None else {"score_scale": scale}),
        }
        write_scores(out, _in_order(parts), attributes, scale)
    return _summary(out, parts, attributes, time.monotonic() - start)


def checked_run(root: Path, engine: str) -> Recipe:
    """The recipe of a run that can be scored with; its files are as the manifest has them."""
    from naetrigger.pipeline.run import run_recipe

    kind, manifest = engine_named(engine), read_manifest(root)
    require_files(root, kind)
    stages = {"data", *(Path(file).parts[0] for file in kind.files)}
    verify(root, manifest, sorted(stages))
    return run_recipe(root)


def opened(
    root: Path, path: Path, engine: str, recipe: Recipe, reading: Reading
) -> tuple[Task, EventSource]:
    """What the workers are told, and the file: read as the recipe reads, unless told otherwise."""
    data = recipe.data
    sort_objects = data.sort_objects if reading.sort_objects is None else reading.sort_objects
    name = reading.format or recognise(path)
    view = reading.view or data.view
    if reading.view is None and name in FORMATS and view not in FORMATS[name].views:
        view = None  # the recipe's, of another format
    options = ReadOptions(
        view=view,
        tree=data.tree,
        branches=data.branches or {},
        weight_column=data.weight_column,
        event_id_column=data.event_id_column,
        units=reading.units,
        sort_objects=sort_objects,
    )
    task = Task(root.absolute(), engine, reading.units or data.units, sort_objects)
    return task, open_events(path, options, name)


def score_scale(root: Path, engine: str) -> float | None:
    """score = scale * score_hw of a student's engine; None for a teacher's."""
    if engine_named(engine).model == "teacher":
        return None
    return network_of(root).score_scale


def network_of(root: Path) -> FixedPointNetwork:
    """The run's fixed-point network."""
    for folder in NETWORKS:
        if (root / folder).is_dir():
            return load_network(root / folder)
    raise InputError(f"{root / NETWORKS[0]}: is missing; finish the run with: naetrigger run")


@dataclass(frozen=True)
class _Part:
    """A finished chunk on disk."""

    path: Path
    process: str
    first_row: int
    rows: int
    low: float
    high: float
    saturated: dict[str, int]


def _score_parts(
    folder: Path, source: EventSource, task: Task, workers: Workers, rows: int, progress: Progress
) -> list[_Part]:
    """Every chunk in the folder: those that were there, and those that are made now."""
    found = dict(_existing(folder))
    progress.start(f"{source.path.name}, {task.engine}", source.n_events or 0)
    count = 0
    parts: dict[int, _Part] = {}

    def passed(number: int, n: int) -> None:
        nonlocal count
        count += n
        parts[number] = found[number]
        progress.update(count)

    for chunk in score_stream(source, task, workers, rows=rows, done=found, passed=passed):
        parts[chunk.number] = _save(folder, chunk)
        count += len(chunk)
        progress.update(count)
    return [parts[number] for number in sorted(parts)]


def _save(folder: Path, chunk: ScoredChunk) -> _Part:
    """Write a chunk whole or not at all."""
    path = chunk_path(folder, chunk.number)
    try:
        with whole_file(path) as partial, partial.open("wb") as file:
            np.savez(
                file,
                process=chunk.process,
                first_row=chunk.first_row,
                scores=chunk.scores,
                event_ids=chunk.event_ids,
                weights=chunk.weights,
                saturated=json.dumps(chunk.saturated),
            )
    except OSError as error:
        raise EnvironmentProblem(
            f"{path}: cannot be written ({error.strerror}); make room and start again: finished "
            "chunks are kept"
        ) from error
    return _Part(
        path,
        chunk.process,
        chunk.first_row,
        len(chunk),
        float(chunk.scores.min()),
        float(chunk.scores.max()),
        chunk.saturated,
    )


def _existing(folder: Path) -> Iterator[tuple[int, _Part]]:
    """Chunks of an earlier run; a damaged one is made anew."""
    for number, path in chunk_paths(folder).items():
        try:
            yield number, _part(path)
        except DAMAGED:
            path.unlink()


def _part(path: Path) -> _Part:
    with np.load(path, allow_pickle=False) as arrays:
        scores = arrays["scores"]
        for name in ("event_ids", "weights"):
            if arrays[name].shape != scores.shape:  # reading all of it checks its sums, too
                raise ValueError(f"{path}: {name} of shape {arrays[name].shape}")
        return _Part(
            path,
            str(arrays["process"]),
            int(arrays["first_row"]),
            len(scores),
            float(scores.min()),
            float(scores.max()),
            json.loads(str(arrays["saturated"])),
        )


def _in_order(parts: list[_Part]) -> Iterator[ScoredRows]:
    """The rows of one process after the other, each in the order of the file."""
    processes = list(dict.fromkeys(part.process for part in parts))
    for part in sorted(parts, key=lambda p: (processes.index(p.process), p.first_row)):
        with np.load(part.path, allow_pickle=False) as arrays:
            yield ScoredRows(part.process, arrays["scores"], arrays["event_ids"], arrays["weights"])


class _Digest:
    """The sha256 of a file, worked out beside the scoring, and a check that the file stays."""

    def __init__(self, path: Path) -> None:
        self._path, self._sha256 = path, ""
        self.state = self._state()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _state(self) -> list[int]:
        found = os.stat(self._path)
        return [found.st_size, found.st_mtime_ns]

    def _run(self) -> None:
        try:
            self._sha256 = sha256_of(self._path)
        except OSError:
            self._sha256 = ""

    def result(self) -> str:
        """The sum; InputError where the file changed meanwhile."""
        self._thread.join()
        if not self._sha256 or self._state() != self.state:
            raise InputError(f"{self._path}: changed while it was read; score it again")
        return self._sha256


def _summary(
    out: Path, parts: list[_Part], attributes: dict[str, Any], seconds: float
) -> dict[str, Any]:
    events: dict[str, int] = {}
    saturated: dict[str, int] = {}
    for part in parts:
        events[part.process] = events.get(part.process, 0) + part.rows
        for column, n in part.saturated.items():
            saturated[column] = saturated.get(column, 0) + n
    total = sum(events.values())
    return {
        "out": str(out),
        "events": events,
        "lowest": min(part.low for part in parts),
        "highest": max(part.high for part in parts),
        "saturated": saturated,
        "seconds": round(seconds, 2),
        "events_per_second": round(total / seconds, 1),
        **attributes,
    }
