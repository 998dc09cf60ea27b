"""The validation stage: arrays and files in, `report.json`, `report.html`, `scores.h5` out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from naetrigger.contracts.hdf5 import write_hdf5
from naetrigger.contracts.progress import Progress, Silent
from naetrigger.validation.comparison import Comparison, compare
from naetrigger.validation.inputs import ValidationInputs
from naetrigger.validation.report.build import build_report
from naetrigger.validation.report.html import render_html
from naetrigger.validation.report.schema import Report, report_to_json
from naetrigger.validation.settings import ValidationSettings

SCORES_FORMAT = "naetrigger-test-scores"  # all engines; `naetrigger score` writes another layout
SCORES_VERSION = 1


def validate(
    settings: ValidationSettings,
    inputs: ValidationInputs,
    folder: Path,
    progress: Progress | None = None,
) -> Report:
    """Judge a run and write the verdict into `folder`, which is made if missing.

    The same inputs give the same bytes. A failed check is no exception: see `Report.passed`.
    """
    listener = progress or Silent()
    comparison = compare(settings, inputs)
    report = build_report(comparison, listener)
    html = render_html(report, comparison, listener)
    folder.mkdir(parents=True, exist_ok=True)
    write_scores(folder / "scores.h5", comparison)
    _write(folder / "report.html", lambda path: path.write_text(html, encoding="utf-8"))
    _write(folder / "report.json", lambda path: path.write_text(report_to_json(report), "utf-8"))
    return report


def write_scores(path: Path, comparison: Comparison) -> None:
    """HDF5: /PROCESS/{weights, event_ids} and /PROCESS/scores/MODEL/ENGINE, each (N,).

    Hardware scores are int64 with the attribute `scale`: float score = scale * integer. The
    weights are the sample's own. /SIGNAL/background_weights (N_background,) are those of all
    background processes, in the order of the file's attribute `processes`, when they follow
    this signal.
    """

    def fill(file: h5py.File) -> None:
        file.attrs.update({"format": SCORES_FORMAT, "version": SCORES_VERSION})
        file.attrs["processes"] = [events.process for events in comparison.inputs.events]
        for events in comparison.inputs.events:
            group = file.create_group(events.process)
            group.attrs["role"] = events.role
            group["weights"] = events.weights
            group["event_ids"] = events.event_ids
            _write_process_scores(group, events.process, comparison)
            reweighting = comparison.reweightings.get(events.process)
            if reweighting is not None:
                group["background_weights"] = reweighting.weights

    write_hdf5(path, fill)


def _write_process_scores(group: h5py.Group, process: str, comparison: Comparison) -> None:
    for model in comparison.headline_models():
        for engine, by_process in comparison.models[model].items():
            if process not in by_process:
                continue
            scores = np.asarray(by_process[process])
            dataset = group.create_dataset(f"scores/{model}/{engine}", data=scores)
            if np.issubdtype(scores.dtype, np.integer):
                dataset.attrs["scale"] = comparison.inputs.score_scale


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Write through a temporary file that replaces `path` when complete."""
    partial = path.with_name(path.name + ".partial")
    try:
        write(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
