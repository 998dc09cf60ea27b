"""What the verdict is made from: test events, scores of every engine, firmware estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.contracts.events import Events
from naetrigger.contracts.fixed_point import Fixed
from naetrigger.firmware_configs.board import Board
from naetrigger.validation.report.schema import FirmwareEstimate, PairAgreement

TEACHER = "teacher"
STUDENT = "student"

Array = npt.NDArray[Any]
ModelScores = Mapping[str, Mapping[str, Array]]
"""engine -> process -> (N,)."""


@dataclass(frozen=True)
class ValidationInputs:
    """Everything one report needs.

    events : the test split of every process, physical values; at least one is background
    inputs : process -> (N, F), what the models see
    training_inputs : (M, F), the training background, for the Mahalanobis baseline
    scores : model ('teacher', 'student', or a baseline's name) -> engine -> process -> (N,).
        The first engine of a model stands for it. A slow engine may hold the first events of a
        process only; then it enters the agreement alone.
    score_scale : float score = score_scale * hardware integer
    score_format : the hardware score's format; without it saturation cannot be judged
    reweight : the column in which the background follows each signal, e.g. 'jet_pt'
    agreement : pairs compared by the export
    decision : bits of the firmware's decision as export/decision.json has them
    members : model -> seed -> process -> (N,), where there is an ensemble; the seed whose model
        is among `scores` first
    curves : CSV file of the training's curves, one row a step
    trajectories : HDF5 file of the teacher's chains, step by step
    crossing_rate_khz : rate of what the background stands for; for zero-bias samples only
    """

    events: Sequence[Events]
    inputs: Mapping[str, Array]
    training_inputs: Array
    scores: Mapping[str, ModelScores]
    score_scale: float
    recipe: str
    sample: str
    seed: int
    versions: Mapping[str, str] = field(default_factory=dict)
    training_weights: Array | None = None
    score_name: str = ""
    score_format: Fixed | None = None
    reweight: str | None = None
    agreement: Sequence[PairAgreement] = ()
    decision: Sequence[Mapping[str, Any]] = ()
    firmware: Sequence[FirmwareEstimate] = ()
    board: Board | None = None
    members: Mapping[str, Mapping[int, Mapping[str, Array]]] = field(default_factory=dict)
    curves: Path | None = None
    trajectories: Path | None = None
    crossing_rate_khz: float | None = None

    def __post_init__(self) -> None:
        problems = [*self._event_problems(), *self._score_problems()]
        if problems:
            raise InputError("\n".join(problems))

    def _event_problems(self) -> list[str]:
        names = [events.process for events in self.events]
        problems = [f"process '{n}' stands twice" for n in sorted(set(names)) if names.count(n) > 1]
        if not any(events.role == "background" for events in self.events):
            problems.append("there is no background process among the test events")
        problems += [f"process '{e.process}' has no test events" for e in self.events if not len(e)]
        for events in self.events:
            if events.process not in self.inputs:
                problems.append(f"inputs: process '{events.process}' is missing")
            elif len(self.inputs[events.process]) != len(events):
                problems.append(
                    f"inputs: process '{events.process}' has {len(events)} events, "
                    f"got {len(self.inputs[events.process])} rows"
                )
        return problems

    def _score_problems(self) -> list[str]:
        lengths = {events.process: len(events) for events in self.events}
        problems = []
        for model, engines in self.scores.items():
            if not engines:
                problems.append(f"scores: model '{model}' has no engine")
            for number, (engine, processes) in enumerate(engines.items()):
                where = f"scores: {model}/{engine}"
                problems += [
                    f"{where}: no process '{name}'{suggestion(name, lengths)}"
                    for name in processes
                    if name not in lengths
                ]
                for name, n in lengths.items():
                    got = np.shape(processes.get(name, ()))
                    if len(got) != 1 or got[0] > n or (number == 0 and got[0] != n):
                        problems.append(f"{where}: '{name}' needs shape ({n},), got {got}")
        return problems
