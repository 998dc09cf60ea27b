"""`naetrigger compare`: every pair of a run's engines on the events of a file.

Where two that must be equal are not, the first and the worst events are traced layer by layer.
The run is taken as it lies on disk: files edited after export are compared as they are, and named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

from naetrigger.contracts.errors import InputError, unwritable
from naetrigger.contracts.fixed_point import Integers
from naetrigger.contracts.manifest import NAME, sha256_of, write_atomically
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.contracts.npz_file import MAX_VECTOR_BYTES, load_arrays
from naetrigger.contracts.progress import Progress, Silent
from naetrigger.contracts.version import __version__
from naetrigger.contracts.workers import check_workers
from naetrigger.pipeline import engines
from naetrigger.pipeline.compared_stream import ComparedChunk, compared_stream
from naetrigger.pipeline.model_inputs import model_inputs
from naetrigger.pipeline.run_on_disk import RunOnDisk, run_on_disk
from naetrigger.pipeline.scoring import Reading, network_of, opened
from naetrigger.pipeline.thresholds import working_thresholds
from naetrigger.pipeline.verdict_folder import verdict_folder

if TYPE_CHECKING:
    from naetrigger.validation.compare_schema import CompareReport
    from naetrigger.validation.verdict_counts import VerdictCounts

DOCUMENT, PAGE = "compare.json", "compare.html"
VECTORS = "export/vectors.npz"
TEST_VECTORS = "test vectors"


@dataclass(frozen=True)
class CompareOptions:
    """What is asked, beyond the run and the file.

    engines : (): all whose files are in the run
    events : of each process; None: all
    vectors : compare on the run's own test vectors, too
    rows : of a chunk; None: by the events' width
    """

    engines: tuple[str, ...] = ()
    events: int | None = None
    vectors: bool = True
    workers: int = 1
    rows: int | None = None
    reading: Reading = field(default_factory=Reading)


def compare_run(
    root: Path,
    path: Path,
    out: Path | None = None,
    options: CompareOptions | None = None,
    progress: Progress | None = None,
) -> CompareReport:
    """Compare, and write compare.json and compare.html into `out` (default: RUN/validation).

    Raises InputError for a run, file or engine that cannot be used. Engines that differ are no
    exception: see `CompareReport.passed`.
    """
    from naetrigger.validation.compare_page import compare_page
    from naetrigger.validation.compare_schema import compare_to_json

    options, progress = options or CompareOptions(), progress or Silent()
    if options.events is not None and options.events < 1:
        raise InputError(f"--events: must be at least 1, got {options.events}")
    check_workers(options.workers)
    folder = verdict_folder(root, out)
    with run_on_disk(root) as run:
        report = _compared(root, run, path, options, progress)
    _begin(progress, f"{DOCUMENT} and {PAGE}")
    try:
        write_atomically(folder / DOCUMENT, compare_to_json(report))
        write_atomically(folder / PAGE, compare_page(report))
    except OSError as error:
        raise unwritable(folder, error) from error
    return report


def _begin(progress: Progress, label: str) -> None:
    """A piece of work that has no steps to count; said where there is no terminal, too."""
    progress.start(label, 1)
    progress.update(0)


def _compared(
    root: Path, run: RunOnDisk, path: Path, options: CompareOptions, progress: Progress
) -> CompareReport:
    from naetrigger.validation.verdict_counts import VerdictCounts

    names = _chosen(run.root, options.engines, run.edited)
    network = network_of(run.root)
    thresholds, notes = working_thresholds(root)
    limits = run.recipe.validation.limits
    models = {name: engines.engine_named(name).model for name in names}
    deciding = _deciding(run.root, names, network)
    counts = VerdictCounts(network, models, thresholds, limits.relative_difference, path.name)
    digest = sha256_of(path) if path.is_file() else ""
    notes += _read_file(run, path, names, deciding, counts, options, progress)
    totals = [counts]
    if options.vectors:
        vectors = VerdictCounts(
            network,
            {name: model for name, model in models.items() if model == "student"},
            [point for point in thresholds if point.student is not None],
            limits.relative_difference,
            TEST_VECTORS,
        )
        notes += _read_vectors(run.root, deciding, vectors, progress)
        totals.append(vectors)

    def trace_of(name: str, inputs: Integers) -> dict[str, Integers]:
        if engines.engine_named(name).traces:
            _begin(progress, f"layers of {name}")
        return engines.trace(run.root, name, inputs)

    _begin(progress, f"pairs of {len(names)} engines")
    parts = [part.found(trace_of) for part in totals if part.n]
    return counts.report(
        parts,
        naetrigger=__version__,
        recipe=run.recipe.name,
        run_manifest_sha256=sha256_of(root / NAME),
        file_sha256=digest,
        edited=run.edited,
        notes=tuple(notes),
    )


def _chosen(root: Path, asked: Sequence[str], edited: Sequence[str]) -> list[str]:
    """The engines to compare, in the order of the registry."""
    there = engines.available(root)
    if not asked:
        _require_none_lost(edited)
    for name in asked:
        engines.require_files(root, engines.engine_named(name))
    unknown = [name for name in asked if name not in engines.ENGINES]
    if unknown:
        raise InputError(f"--engines {unknown[0]}: is a baseline, not an engine of the run")
    chosen = [name for name in there if name in asked or not asked]
    if len(chosen) < 2:
        raise InputError(
            f"{root}: a comparison needs two engines, there is {', '.join(chosen) or 'none'} "
            f"(of the run: {', '.join(there) or 'none'})"
        )
    return chosen


def _require_none_lost(edited: Sequence[str]) -> None:
    """An engine that lost a file must not be left out in silence."""
    lost = {line.partition(": ")[0] for line in edited if line.endswith(": is missing")}
    for name, kind in engines.ENGINES.items():
        for file in lost & {*kind.files}:
            raise InputError(
                f"{file}: is missing, which engine '{name}' reads; put it back, have the run made "
                "anew with: naetrigger run, or name the engines to compare with --engines"
            )


def _deciding(root: Path, names: Sequence[str], network: FixedPointNetwork) -> list[str]:
    """Engines whose bits are compared with the network's; its own are so by definition."""
    if network.decision is None:
        return []
    return [name for name in engines.deciding(root) if name in names and name != "network"]


def _read_file(
    run: RunOnDisk,
    path: Path,
    names: Sequence[str],
    deciding: Sequence[str],
    counts: VerdictCounts,
    options: CompareOptions,
    progress: Progress,
) -> list[str]:
    """Count all events of the file; what a reader should know."""
    task, source = opened(run.root, path, names[0], run.recipe, options.reading)
    tasks = {name: replace(task, engine=name, decides=name in deciding) for name in names}
    inputs = model_inputs(run.root, "student", task.assumed, task.sort_objects)
    processes = [process.name for process in source.processes]
    total = source.n_events or 0
    if options.events is not None:
        total = min(total, options.events * len(processes))
    progress.start(f"{path.name}, {len(names)} engines", total)
    done = 0
    for chunk in compared_stream(source, tasks, options.workers, options.events, options.rows):
        words = inputs.mantissas(inputs.select(chunk.events), chunk.first_row)
        _count(chunk, words, counts)
        done += len(chunk.events)
        progress.update(done)
    if not done:
        raise InputError(f"{path}: holds no events")
    counts.saturated_columns = dict(inputs.saturated)
    limited = [name for name in names if engines.engine_named(name).max_events is not None]
    return [
        f"{name}, being slow, scored the first {engines.engine_named(name).max_events} events of "
        "each process"
        for name in limited
        if counts.scored[name] < done
    ]


def _count(chunk: ComparedChunk, words: Integers, counts: VerdictCounts) -> None:
    from naetrigger.validation.pair_counts import Block

    empty = np.zeros(0, np.int64)
    scores = {
        name: chunk.answers[name].scores if name in chunk.answers else empty
        for name in counts.models
    }
    process = chunk.events.process
    block = Block((chunk.process, process), chunk.first_row, chunk.events.event_ids, scores, words)
    bits = {name: answer.bits for name, answer in chunk.answers.items() if answer.bits is not None}
    counts.add(block, bits)


def _read_vectors(
    root: Path, deciding: Sequence[str], counts: VerdictCounts, progress: Progress
) -> list[str]:
    """Count the run's test vectors, which saturate, round and tie where events seldom do."""
    from naetrigger.validation.pair_counts import Block

    if not (root / VECTORS).exists() or len(counts.models) < 2:
        return []
    try:
        words = load_arrays(root / VECTORS, MAX_VECTOR_BYTES)["inputs"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        return [f"{VECTORS} is not readable ({error}), so engines are not compared on it"]
    scores, bits = {}, {}
    for done, name in enumerate(counts.models):
        progress.start(f"{TEST_VECTORS}: {name}", len(counts.models))
        progress.update(done)
        some = words[: engines.engine_named(name).max_events]
        scores[name] = engines.score(root, name, some)
        if name in deciding:
            bits[name] = engines.decisions(root, name, some)
    rows = np.arange(len(words), dtype=np.uint64)
    counts.add(Block((0, TEST_VECTORS), 0, rows, scores, words), bits)
    return []
