"""`naetrigger monitor`: are scores and inputs of some files those of the run's reference?

The reference is the background of the run's own test sample, which training never saw, scored anew;
another file may take its place. Files are streamed: of each input and of the score only a histogram
is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError, unwritable
from naetrigger.contracts.events import Events
from naetrigger.contracts.manifest import NAME, sha256_of, write_atomically
from naetrigger.contracts.progress import Progress, Silent
from naetrigger.contracts.version import __version__
from naetrigger.contracts.workers import check_workers
from naetrigger.firmware_configs.input_spec import InputSpec
from naetrigger.pipeline.engines import engine_named
from naetrigger.pipeline.input_specs import spec_of
from naetrigger.pipeline.model_inputs import ModelInputs
from naetrigger.pipeline.recipe import Recipe
from naetrigger.pipeline.run_folder import TEST
from naetrigger.pipeline.score_stream import ScoredChunk, in_order, score_stream
from naetrigger.pipeline.scoring import Reading, checked_run, network_of, opened
from naetrigger.pipeline.thresholds import working_thresholds
from naetrigger.pipeline.verdict_folder import verdict_folder

if TYPE_CHECKING:
    from naetrigger.validation.compare_schema import WorkingThreshold
    from naetrigger.validation.monitor_document import Sample
    from naetrigger.validation.monitor_schema import MonitorReport, Physical

DOCUMENT, PAGE = "monitor.json", "monitor.html"


@dataclass(frozen=True)
class MonitorOptions:
    """What is asked, beyond the run and the files.

    reference : a file in place of the run's test sample
    process : the one to watch; None: all backgrounds of a file, or all processes where none is
    alpha : the chance of any false alarm at all that is accepted
    min_effect : smaller effects are not flagged, however significant
    """

    engine: str = "network"
    reference: Path | None = None
    process: str | None = None
    alpha: float = 0.01
    min_effect: float = 0.1
    workers: int = 1
    reading: Reading = field(default_factory=Reading)


def monitor_files(
    root: Path,
    paths: Sequence[Path],
    out: Path | None = None,
    options: MonitorOptions | None = None,
    progress: Progress | None = None,
) -> MonitorReport:
    """Compare, and write monitor.json and monitor.html into `out` (default: RUN/validation).

    Raises InputError for a run, file or option that cannot be used, for NaN scores, and for files
    with too few events. What is flagged is no exception: see `MonitorReport.passed`.
    """
    from naetrigger.validation.monitor_document import monitored
    from naetrigger.validation.monitor_page import monitor_page
    from naetrigger.validation.monitor_schema import MonitorReport, monitor_to_json

    options, progress = options or MonitorOptions(), progress or Silent()
    _check(options, paths)
    folder = verdict_folder(root, out)
    recipe = checked_run(root, options.engine)
    thresholds, notes = working_thresholds(root)
    watch = _Watch(root, recipe, options, thresholds, progress)
    reference = watch.reference()
    samples = [
        replace(watch.sample(path, options.reading, options.process), file=name)
        for path, name in zip(paths, _names(paths), strict=True)
    ]
    files, tests = monitored(
        reference,
        samples,
        thresholds,
        watch.thresholds,
        options.alpha,
        options.min_effect,
        physical_inputs(spec_of(root, engine_named(options.engine).model)),
    )
    report = MonitorReport(
        passed=all(file.passed for file in files),
        naetrigger=__version__,
        recipe=recipe.name,
        run_manifest_sha256=sha256_of(root / NAME),
        engine=options.engine,
        reference=reference.file,
        reference_sha256=reference.sha256,
        reference_events=reference.score.n,
        alpha=options.alpha,
        min_effect=options.min_effect,
        tests=tests,
        files=tuple(files),
        notes=tuple(notes),
    )
    try:
        write_atomically(folder / DOCUMENT, monitor_to_json(report))
        write_atomically(folder / PAGE, monitor_page(report, reference, samples))
    except OSError as error:
        raise unwritable(folder, error) from error
    return report


def physical_inputs(spec: InputSpec) -> dict[str, Physical]:
    """What each input stands for; an angle is centred, so that its mean stands for none."""
    from naetrigger.validation.monitor_schema import Physical

    found = {}
    for feature in spec.features:
        plain = feature.offline == "none"
        lsb = feature.lsb if plain and feature.lsb is not None else 1.0
        if feature.period is None:
            found[feature.name] = Physical(
                quantity=feature.name if plain else f"{feature.offline}({feature.name})",
                unit=feature.unit if plain and feature.unit != "1" else "",
                offset=feature.offset * lsb,
                factor=2.0**feature.shift * lsb,
            )
    return found


def _names(paths: Sequence[Path]) -> list[str]:
    """What files are called: by their names, or by their paths where two names are the same."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _check(options: MonitorOptions, paths: Sequence[Path]) -> None:
    if not paths:
        raise InputError("monitor: no files; name at least one")
    if not 0 < options.alpha < 1:
        raise InputError(f"--alpha: must be between 0 and 1, got {options.alpha}")
    if not options.min_effect >= 0:
        raise InputError(f"--min-effect: must not be negative, got {options.min_effect}")
    check_workers(options.workers)


class _Watch:
    """Reads files of one run into distributions, those of the reference first."""

    def __init__(
        self,
        root: Path,
        recipe: Recipe,
        options: MonitorOptions,
        thresholds: Sequence[WorkingThreshold],
        progress: Progress,
    ) -> None:
        self._root, self._recipe, self._options = root, recipe, options
        self._progress = progress
        model = engine_named(options.engine).model
        found = {point.name: point.of_model(model) for point in thresholds}
        self.thresholds = {name: float(v) for name, v in found.items() if v is not None}
        self._is_float = model == "teacher"
        self._first_scores: npt.NDArray[np.float64] | None = None

    def reference(self) -> Sample:
        """The run's own, or the file that was named."""
        named = self._options.reference
        if named is not None:
            return self.sample(named, self._options.reading, self._options.process)
        path = self._root / TEST
        return self.sample(path, Reading(format="naetrigger"), None)

    def sample(self, path: Path, reading: Reading, process: str | None) -> Sample:
        """One file, streamed."""
        from naetrigger.validation.monitor_document import Sample

        options = self._options
        task, source = opened(self._root, path, options.engine, self._recipe, reading)
        names = _processes(source, process)
        inputs = _InputCounts(task.inputs())
        scores = self._score_counts()
        kept = {point: np.zeros(2) for point in self.thresholds}  # sums of w and of w^2
        counts: dict[str, int] = {}
        saturated: dict[str, int] = {}
        self._progress.start(f"{path.name}, {options.engine}", source.n_events or 0)
        for name in names:
            stream = score_stream(source, task, options.workers, process=name, keep=inputs.keep)
            for chunk in in_order(stream):
                scores = self._add(scores, chunk)
                for point, threshold in self.thresholds.items():
                    w = chunk.weights[chunk.scores >= threshold]
                    kept[point] += w.sum(), np.square(w).sum()
                counts[name] = counts.get(name, 0) + len(chunk)
                for column, n in chunk.saturated.items():
                    saturated[column] = saturated.get(column, 0) + n
                self._progress.update(sum(counts.values()))
        if not counts:
            raise InputError(f"{path}: holds no events")
        distribution = scores.distribution() if self._is_float else scores.distribution(0)
        return Sample(
            file=path.name,
            sha256=sha256_of(path),
            processes=counts,
            saturated=saturated,
            score=distribution,
            inputs=inputs.distributions(),
            kept={point: (float(w), float(squares)) for point, (w, squares) in kept.items()},
        )

    def _score_counts(self) -> Any:
        from naetrigger.validation.distributions import SCORE_BITS, FloatCounts, IntegerCounts

        if not self._is_float:
            kind = network_of(self._root).score_type
            return IntegerCounts(1, replace(kind, integer=kind.width), SCORE_BITS)  # in integers
        return None if self._first_scores is None else FloatCounts(self._first_scores)

    def _add(self, counts: Any, chunk: ScoredChunk) -> Any:
        """The counts with a chunk; of floats, the reference's first chunk settles the bins."""
        from naetrigger.validation.distributions import FloatCounts

        if not self._is_float:
            counts.add(chunk.scores[:, None], chunk.weights)
            return counts
        if self._first_scores is None:
            self._first_scores = chunk.scores[np.isfinite(chunk.scores)]
            if not len(self._first_scores):
                raise InputError(f"{chunk.process}: no score is a finite number")
        counts = counts or FloatCounts(self._first_scores)
        counts.add(chunk.scores, chunk.weights)
        return counts


def _processes(source: Any, process: str | None) -> list[str]:
    """The process asked for, else the backgrounds, else all."""
    known = [summary.name for summary in source.processes]
    if process is not None:
        if process not in known:
            raise InputError(f"--process {process}: not in {source.path} (has {', '.join(known)})")
        return [process]
    backgrounds = [summary.name for summary in source.processes if summary.role == "background"]
    return backgrounds or known


class _InputCounts:
    """Histograms of a model's inputs, filled as the file is read."""

    def __init__(self, inputs: ModelInputs) -> None:
        from naetrigger.validation.distributions import IntegerCounts

        self._inputs = inputs
        self._counts = IntegerCounts(len(inputs.spec.features), inputs.spec.fixed)
        self._rows: dict[str, int] = {}

    def keep(self, events: Events) -> npt.NDArray[np.float32]:
        """Counts the events; nothing of them needs to be kept."""
        first = self._rows.get(events.process, 0)
        words = self._inputs.mantissas(self._inputs.select(events), first)
        self._rows[events.process] = first + len(events)
        self._counts.add(words, events.weights)
        return np.zeros((len(events), 0), np.float32)

    def distributions(self) -> dict[str, Any]:
        """By the inputs' names."""
        names = self._inputs.spec.columns
        return {name: self._counts.distribution(i) for i, name in enumerate(names)}
