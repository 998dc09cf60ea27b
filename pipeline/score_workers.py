"""Workers that score chunks of events, each with an engine of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.events import Events
from naetrigger.contracts.manifest import NAME, sha256_of
from naetrigger.contracts.workers import Pool, Workers
from naetrigger.contracts.workers import working as at_work
from naetrigger.firmware_configs.digitise import Units
from naetrigger.pipeline.engines import engine_named, load_engine
from naetrigger.pipeline.model_inputs import BLOCK, ModelInputs, model_inputs

Scores = npt.NDArray[Any]

PACKAGES = ("numpy", "torch", "onnxruntime")  # whose sums of floats may differ by version


@dataclass(frozen=True)
class Task:
    """What every worker is told: how events of a file become scores.

    assumed : what columns are that state no unit
    decides : whether the bits of the decision are asked for, too
    """

    root: Path
    engine: str
    assumed: Units | None = None
    sort_objects: bool = False
    decides: bool = False

    def inputs(self) -> ModelInputs:
        """The inputs of the engine's model."""
        model = engine_named(self.engine).model
        return model_inputs(self.root, model, self.assumed, self.sort_objects)

    @property
    def what(self) -> str:
        return "it scored chunk"

    def prepare(self) -> Callable[..., Answer]:
        """(events, first_row) -> Answer"""
        return Scorer(self).score

    def sees(self) -> Mapping[str, str]:
        """The run folder, by its manifest, and what decides how a teacher's floats are summed."""
        from naetrigger.pipeline.run import versions
        from naetrigger.training.processor import processor

        manifest = self.root / NAME
        found = sha256_of(manifest) if manifest.is_file() else ""
        floats = processor() if engine_named(self.engine).model == "teacher" else {}
        return {str(manifest): found, **floats, **versions(PACKAGES)}


@dataclass(frozen=True)
class Answer:
    """Scores of one chunk, and what saturated in it by column.

    bits : of the decision (N, K), where they are asked for
    """

    scores: Scores
    saturated: dict[str, int]
    bits: Scores | None = None


class Scorer:
    """Scores events in this process."""

    def __init__(self, task: Task) -> None:
        self._inputs = task.inputs()
        self._engine: Any = load_engine(task.root, task.engine)
        self._decides = task.decides

    def score(self, events: Events, first_row: int) -> Answer:
        """Scores of selected events that begin at `first_row` of their process.

        Blocks begin at multiples of BLOCK rows, so that sums of floats come out the same however
        a file is cut into chunks.
        """
        self._inputs.saturated.clear()
        mantissas = self._inputs.mantissas(events, first_row)
        blocks = [mantissas[start : start + BLOCK] for start in range(0, len(mantissas), BLOCK)]
        scores = np.concatenate([np.asarray(self._engine.scores(block)) for block in blocks])
        bits = None
        if self._decides:
            bits = np.concatenate([np.asarray(self._engine.decisions(block)) for block in blocks])
        return Answer(scores, dict(self._inputs.saturated), bits)


def working(task: Task, workers: Workers) -> AbstractContextManager[Pool]:
    """Workers, ended when the block is left.

    One worker is this process itself where that gives the same: an integer engine that needs no
    process of its own. Floats are always summed in a process of one thread.
    """
    kind = engine_named(task.engine)
    return at_work(task, workers, here=kind.model == "student" and not kind.isolated)
