"""One network trained from its first step, or from a checkpoint, to its last."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from naetrigger.contracts.errors import InputError, TrainingDiverged
from naetrigger.contracts.progress import Progress
from naetrigger.training.batches import Batches
from naetrigger.training.checkpoint import (
    remove_checkpoint,
    tensors_from,
    write_checkpoint,
)
from naetrigger.training.curves import write_curves
from naetrigger.training.kernels.library import arithmetic
from naetrigger.training.processes import Processes
from naetrigger.training.run import Fitted, Run
from naetrigger.training.settings import ObjectiveSettings, TrainingSettings

log = logging.getLogger(__name__)


def fit(
    stem: str,
    settings: TrainingSettings,
    objective: ObjectiveSettings,
    data: Batches,
    folder: Path | None,
    progress: Progress,
    processes: Processes,
) -> Fitted:
    """Train one network, or go on from its checkpoint in `folder`; `stem` is what it is called.

    Of several processes only the first has a folder, and reads and writes there.
    Raises TrainingDiverged, with the curves so far written to the folder.
    """
    run = Run(stem, settings, objective, data, processes)
    path = None if folder is None else checkpoint_file(folder, stem)
    _resume(run, path)
    progress.start(f"training {stem} ({objective.name})", objective.steps)
    progress.update(run.state.step)
    try:
        while not run.finished:
            shown = run.advance()
            if run.finished or run.state.step % objective.checkpoint_every == 0:
                tensors = run.tensors()
                if path is not None:
                    write_checkpoint(path, tensors, run.facts())
            progress.update(run.state.step, **shown)
    except TrainingDiverged:
        if folder is not None and path is not None:
            write_curves(curves_file(folder, stem), run.rows)
            remove_checkpoint(path)  # going on from it would end the same way
        raise
    return run.result(settings.trajectories if processes.leads else 0)


def checkpoint_file(folder: Path, stem: str) -> Path:
    """Where the state of a training in progress is."""
    return folder / f"checkpoint_{stem}.safetensors"


def curves_file(folder: Path, stem: str) -> Path:
    """Where the curves go; those of the teacher have no further name."""
    return folder / ("curves.csv" if stem == "teacher" else f"curves_{stem}.csv")


def _resume(run: Run, path: Path | None) -> None:
    """Go on from the checkpoint that the first process finds, if it finds one."""
    found = path.read_bytes() if path is not None and path.exists() else b""
    content = run.processes.from_first(found)
    if not content:
        return
    source = str(path or "checkpoint")
    flat, facts = tensors_from(content, source)
    _require_same(run, facts, source)
    before, now = facts.get("arithmetic", arithmetic()), arithmetic()
    if before != now and getattr(run.settings, "chain", None) is not None:
        log.warning(
            "%s: begun with %s chains, goes on with %s ones (a C++ compiler is there or is not, or "
            "NAETRIGGER_KERNELS): the result is as good, and not the same to the last digit",
            source,
            before,
            now,
        )
    run.load(flat, facts)
    log.info("%s: going on from step %d", source, run.state.step)


def _require_same(run: Run, facts: dict[str, Any], source: str) -> None:
    if facts.get("fingerprint") != run.data.fingerprint:
        raise InputError(
            f"{source}: comes from a training with other settings or data; delete it to train from "
            "the start, or choose another folder"
        )
    now = run.facts()
    for name, what in (("processes", "process(es)"), ("device", "device")):
        if facts.get(name) != now[name]:
            raise InputError(
                f"{source}: was begun on {facts.get(name)} {what}, this is on {now[name]}, whose "
                "random numbers are others: go on as it was begun, or delete the file to train "
                "from the start"
            )
