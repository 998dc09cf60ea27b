"""`naetrigger rates`: score zero bias, settle thresholds for rates, write what was found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError, suggestion, unwritable
from naetrigger.contracts.events import HARDWARE_UNIT, Events, hashed, split_of
from naetrigger.contracts.manifest import NAME, sha256_of, write_atomically
from naetrigger.contracts.progress import Progress, Silent
from naetrigger.contracts.version import __version__
from naetrigger.contracts.workers import check_workers
from naetrigger.firmware_configs.machine import Machine, Seed, load_machine
from naetrigger.firmware_configs.trigger_scales import trigger_scale
from naetrigger.pipeline.engines import engine_named
from naetrigger.pipeline.recipe import Recipe
from naetrigger.pipeline.score_stream import ScoredChunk, score_stream
from naetrigger.pipeline.scoring import Reading, checked_run, network_of, opened
from naetrigger.pipeline.signal_scores import signal_scores
from naetrigger.pipeline.verdict_folder import verdict_folder
from naetrigger.pipeline.zero_bias import is_zero_bias, stated_rate_khz
from naetrigger.training.data.prepare import source_sha256
from naetrigger.training.data.readers import EventSource
from naetrigger.validation.plots import Style
from naetrigger.validation.rates_document import Crossings, Question, rates_document
from naetrigger.validation.rates_figure import rates_figure
from naetrigger.validation.rates_page import rates_page
from naetrigger.validation.tail import Sample

POOL_COLUMN = "pool_event"
MAX_POOL = 1 << 24  # columns of events are float32, which tells whole numbers apart below it
PILEUP_COLUMNS = ("mean_pileup", "n_pileup", "pileup", "PV_npvs")
HALVES_STREAM = 3  # of the hash; the split takes the first, a stable subset the second
DOCUMENT, FIGURE, PAGE = "rates.json", "rates.svg", "rates.html"


@dataclass(frozen=True)
class RatesOptions:
    """What is asked, beyond the run and the file.

    rates_khz : (): those of the recipe's validation settings
    process : of a file with several backgrounds; zero_bias : the user says that it is
    pileup, pool : columns; None: those of the usual names, where there are any
    """

    rates_khz: tuple[float, ...] = ()
    machine: str = "lhc-run3"
    engine: str = "network"
    process: str | None = None
    zero_bias: bool = False
    pileup: str | None = None
    pool: str | None = None
    extrapolate: bool = False
    replicas: int = 200
    workers: int = 1
    reading: Reading = field(default_factory=Reading)


def measure_rates(
    root: Path,
    path: Path,
    out: Path | None = None,
    options: RatesOptions | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write rates.json, rates.svg and rates.html into `out` (default: the run's validation folder).

    Returns the document of docs/rates.md. Raises InputError for a run, file or question that
    cannot be used.
    """
    options = options or RatesOptions()
    check_workers(options.workers)
    folder = verdict_folder(root, out)
    if engine_named(options.engine).model != "student":
        raise InputError(
            f"--engine {options.engine}: rates need thresholds in hardware integers; choose an "
            "engine of the student (naetrigger list engines)"
        )
    recipe, machine = checked_run(root, options.engine), load_machine(options.machine)
    task, source = opened(root, path, options.engine, recipe, options.reading)
    process = _background(source, options)
    said = _attributes(source, process)
    _require_zero_bias(said, process, options)
    columns = _Columns(source, machine, options)
    digest = sha256_of(path)
    source_digest = source_sha256(root / "data")
    used = _used_fraction(recipe, source_digest, digest)
    collected = _Collected(columns, process, used)
    counts = {summary.name: summary.events for summary in source.processes}
    listener = progress or Silent()
    listener.start(f"{path.name}, {options.engine}", counts[process] or 0)
    done = 0
    stream = score_stream(source, task, options.workers, process=process, keep=columns.keep)
    for chunk in stream:
        collected.add(chunk)
        done += len(chunk)
        listener.update(done)
    signals = signal_scores(root, options.engine, recipe)
    crossings = replace(collected.crossings(), signals=signals)
    document = {
        "naetrigger": __version__,
        "run_manifest_sha256": sha256_of(root / NAME),
        "recipe": recipe.name,
        "engine": options.engine,
        "file": path.name,
        "file_sha256": digest,
        "process": process,
        "machine": machine.model_dump(mode="json"),
        "notes": columns.notes + _notes(collected, used, source_digest, machine, said),
        **rates_document(crossings, _question(root, recipe, machine, options)),
    }
    default = "naetrigger simulation" if said.get("generator") else "naetrigger"
    label = recipe.validation.label or default
    _write(folder, document, Style(recipe.validation.plot_style, label, process))
    return {"folder": str(folder), **document}


def _question(root: Path, recipe: Recipe, machine: Machine, options: RatesOptions) -> Question:
    network = network_of(root)
    return Question(
        options.rates_khz or recipe.validation.rates_khz,
        machine.crossing_rate_khz,
        network.score_type.max_mantissa,
        network.score_scale,
        options.extrapolate,
        options.replicas,
        recipe.seed,
    )


def _write(folder: Path, document: Mapping[str, Any], style: Style) -> None:
    try:
        write_atomically(folder / DOCUMENT, json.dumps(document, indent=1) + "\n")
        write_atomically(folder / FIGURE, rates_figure(document, style) + "\n")
        write_atomically(folder / PAGE, rates_page(document, style))
    except OSError as error:
        raise unwritable(folder, error) from error


def _background(source: EventSource, options: RatesOptions) -> str:
    """The process whose crossings are counted."""
    known = [process.name for process in source.processes]
    backgrounds = [p.name for p in source.processes if p.role == "background"]
    if options.process is not None and options.process not in known:
        raise InputError(
            f"--process {options.process}: not in {source.path}"
            f"{suggestion(options.process, known)} (has {', '.join(known)})"
        )
    if options.process is None and len(backgrounds) != 1:
        raise InputError(
            f"{source.path}: holds {len(backgrounds)} backgrounds ({', '.join(backgrounds)}); name "
            "the zero bias with --process"
        )
    return options.process or backgrounds[0]


def _require_zero_bias(attributes: dict[str, Any], process: str, options: RatesOptions) -> None:
    if not (options.zero_bias or is_zero_bias(process, attributes)):
        raise InputError(
            f"{process}: rates are those of zero bias, crossings as they come, and nothing says "
            "that these events are; say --zero-bias if they are. Other backgrounds have no rate: "
            "the report lists their working points by background efficiency"
        )


class _Columns:
    """The columns that are read beside the score: pool, pile-up, simple seeds."""

    def __init__(self, source: EventSource, machine: Machine, options: RatesOptions) -> None:
        known = (*source.columns, *source.description.context_columns)
        for option, name in (("--pileup", options.pileup), ("--pool", options.pool)):
            if name is not None and name not in known:
                raise InputError(
                    f"{option} {name}: no such column in {source.path}{suggestion(name, known)}"
                )
        self.pool = options.pool or (POOL_COLUMN if POOL_COLUMN in known else None)
        usual = [name for name in PILEUP_COLUMNS if name in known]
        self.pileup = options.pileup or (usual[0] if usual else None)
        self.seeds = [seed for seed in machine.seeds if seed.column in known]
        missing = [seed.name for seed in machine.seeds if seed.column not in known]
        self.notes = [f"no column for the simple seed '{name}'" for name in missing]
        if self.pool is None:
            self.notes.append(
                "the file names no pool events, so crossings count as independent; if they were "
                "overlaid from a pool, errors of the tail are larger (--pool COLUMN)"
            )
        if self.pileup is None:
            self.notes.append("the file has no column of pile-up (--pileup COLUMN)")

    def keep(self, events: Events) -> npt.NDArray[np.float32]:
        """Pool event, pile-up, and whether each seed fires; (N, 2 + seeds).

        InputError for pool events that a float32 cannot tell apart, or that are no whole numbers.
        """
        kept = np.zeros((len(events), 2 + len(self.seeds)), np.float32)
        for i, name in enumerate((self.pool, self.pileup)):
            if name is not None:
                kept[:, i] = events.column(name)
        if self.pool is not None:
            _require_pool_numbers(self.pool, kept[:, 0])
        for i, seed in enumerate(self.seeds):
            kept[:, 2 + i] = events.column(seed.column) >= _threshold(seed, events)
        return kept


def _require_pool_numbers(column: str, pool: npt.NDArray[np.float32]) -> None:
    bad = ~((np.abs(pool) < MAX_POOL) & (pool == np.rint(pool)))
    if bad.any():
        raise InputError(
            f"column '{column}': pool events must be whole numbers below {MAX_POOL}, got "
            f"{float(pool[bad][0]):.9g}: larger ones run together in the float32 of an event's "
            "columns; number the pool from 0, or choose another column with --pool"
        )


def _threshold(seed: Seed, events: Events) -> float:
    """The seed's threshold in the units of the file."""
    scale = trigger_scale(seed.column)
    if events.unit_of(seed.column) != HARDWARE_UNIT or scale is None:
        return seed.above
    return float(scale.nearest(seed.above))


class _Collected:
    """What is kept of every crossing, 40 bytes or so."""

    def __init__(self, columns: _Columns, process: str, used: float) -> None:
        self._columns, self._process, self._used = columns, process, used
        self._chunks: list[tuple[int, tuple[npt.NDArray[Any], ...]]] = []
        self.left_out = 0

    def add(self, chunk: ScoredChunk) -> None:
        """Keep a chunk's crossings that the run has not learned from."""
        rows = split_of(chunk.event_ids, (self._used, 0.0, 1 - self._used)) > 0
        self.left_out += int((~rows).sum())
        place = chunk.first_row + np.flatnonzero(rows)
        kept = chunk.kept[rows]
        pool = kept[:, 0].astype(np.int32)
        fires = kept[:, 2:].astype(bool)
        settles = in_calibration(chunk.event_ids[rows])
        arrays = place, chunk.scores[rows], chunk.weights[rows], settles, pool, kept[:, 1], fires
        self._chunks.append((chunk.first_row, arrays))

    def crossings(self) -> Crossings:
        """All of them, in the order of the file."""
        if not self._chunks:
            raise InputError(f"{self._process}: holds no events")
        ordered = [arrays for _, arrays in sorted(self._chunks, key=lambda item: item[0])]
        place, scores, weights, settles, pool, pileup, fires = (
            np.concatenate(parts) for parts in zip(*ordered, strict=True)
        )
        clusters = None if self._columns.pool is None else pool.astype(np.int64)
        name = self._columns.pileup
        return Crossings(
            Sample(scores, weights, clusters),
            settles,
            ~settles,
            place,
            {seed.name: fires[:, i] for i, seed in enumerate(self._columns.seeds)},
            None if name is None else (name, pileup),
        )


def in_calibration(event_ids: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Which half each crossing is in, by a hash of its id alone; (N,).

    A hash of its own: a run's data/test.h5 is a part of its file by the split's hash, and
    `data.max_background` takes one by the subset's.
    """
    return hashed(event_ids, HALVES_STREAM) < np.uint64(1 << 63)


def _attributes(source: EventSource, process: str) -> dict[str, Any]:
    """What the file says of the process."""
    first = next(iter(source.chunks(process, size=1)), None)
    return {} if first is None else dict(first.attributes)


def _used_fraction(recipe: Recipe, source: str | None, digest: str) -> float:
    """Of the file's events, by the hash of their ids, those the run has learned from.

    source : sha256 of the file that the run was made from, wherever that lies now
    """
    return recipe.data.split.train + recipe.data.split.validation if source == digest else 0.0


def _notes(
    collected: _Collected,
    used: float,
    source: str | None,
    machine: Machine,
    said: dict[str, Any],
) -> list[str]:
    notes = []
    if source is None:
        notes.append(
            "the run folder does not say which file it was trained on (an older version made it), "
            "so no crossing is left out; if it was this one, rates of its training part count too: "
            "make the run anew, or measure on other crossings"
        )
    if used:
        notes.append(
            f"the run learned from this file: {collected.left_out} crossings of its training and "
            "validation parts are left out"
        )
    stated = stated_rate_khz(said)
    if stated is not None and abs(stated / machine.crossing_rate_khz - 1) > 0.01:
        notes.append(
            f"the file was made for {stated:.6g} kHz of crossings, {machine.name} has "
            f"{machine.crossing_rate_khz:.6g}"
        )
    return notes
