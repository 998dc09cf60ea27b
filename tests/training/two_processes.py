"""What two processes do for test_processes.py: torchrun ... two_processes.py FOLDER.

Each writes FOLDER/RANK.safetensors (weights and gradients) and FOLDER/RANK.json (what it saw).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from naetrigger.contracts.errors import NaetriggerError, TrainingDiverged
from naetrigger.contracts.progress import Silent
from naetrigger.training.batches import Batches, batches
from naetrigger.training.checkpoint import tensor_bytes
from naetrigger.training.fit import fit
from naetrigger.training.processes import Processes, part, together
from naetrigger.training.run import Run
from naetrigger.training.settings import (
    AnyObjective,
    Langevin,
    ModelSettings,
    MpdrObjective,
    NaeObjective,
    Replay,
    TrainingSettings,
    WnaeObjective,
)

MODEL = ModelSettings(hidden=(8,), latent=2)
CHAIN = Langevin(steps=3)
COMMON = {
    "steps": 12,
    "batch_size": 16,
    "validate_every": 4,
    "validation_size": 20,
    "smoothing": 2,
    "checkpoint_every": 5,
}
OBJECTIVES: dict[str, AnyObjective] = {
    "wnae": WnaeObjective(
        **COMMON,
        chain=CHAIN.model_copy(update={"temperature_learning_rate": 0.01}),
        replay=Replay(size=50),
        baseline_steps=0,
    ),
    "nae": NaeObjective(
        **COMMON,
        negatives="pcd",
        pretrain_steps=2,
        chain=CHAIN,
        replay=Replay(size=50),
        divergence_window=10,
    ),
    "mpdr": MpdrObjective(**COMMON, pretrain_steps=3, chain=CHAIN, divergence_window=10),
}


class Killed(BaseException):
    """Stands for SIGKILL."""


class KillAt(Silent):
    """Ends the training when so many steps are done."""

    def __init__(self, step: int) -> None:
        self.step = step

    def update(self, done: int, **values: float) -> None:
        if done == self.step:
            raise Killed


def settings_of(objective: AnyObjective) -> TrainingSettings:
    return TrainingSettings(model=MODEL, objective=objective, seed=3)


def data_of(objective: AnyObjective) -> Batches:
    g = torch.Generator().manual_seed(1)
    x, y = (torch.randn(n, 4, generator=g).numpy() for n in (200, 60))
    names = tuple("abcd")
    return batches(settings_of(objective), x, y, None, None, names)


def run_of(objective: AnyObjective, processes: Processes) -> Run:
    return Run("teacher", settings_of(objective), objective, data_of(objective), processes)


def main(folder: Path) -> None:
    """All that is asked for, in both processes alike."""
    torch.set_num_threads(1)
    processes = together()
    tensors: dict[str, torch.Tensor] = {}
    seen: dict[str, object] = {}
    for name in OBJECTIVES:
        train(name, processes, tensors, seen)
    seen["resumed"] = resumed(folder, processes)
    seen["diverged"] = diverged(processes)
    seen["diverged in validation"] = diverged_in_validation(processes)
    seen["failed to begin"] = failed_to_begin(processes)
    seen["bytes"] = [
        processes.from_first(b"from 0" if processes.leads else b"").decode(),
        [c.decode() for c in processes.to_first(b"x" * (processes.rank + 1))],
    ]
    part()
    seen["threads"] = sorted(f.read_text().strip() for f in Path("/proc/self/task").glob("*/comm"))
    (folder / f"{processes.rank}.safetensors").write_bytes(tensor_bytes(tensors))
    (folder / f"{processes.rank}.json").write_text(json.dumps(seen))


def train(
    name: str, processes: Processes, tensors: dict[str, torch.Tensor], seen: dict[str, object]
) -> None:
    """Eight steps of an objective, with what they led to."""
    run = run_of(OBJECTIVES[name], processes)
    shown = run.advance()
    seen[f"{name} loss"] = shown["loss"]
    for i, parameter in enumerate(run.model.parameters()):
        if parameter.grad is not None:
            tensors[f"{name} gradient {i}"] = parameter.grad.clone()
    while run.state.step < 8:
        run.advance()
    tensors |= {f"{name} {k}": v.clone() for k, v in run.model.state_dict().items()}
    tensors |= {f"{name} own {k}": v for k, v in run.state.tensors().items()}
    seen[f"{name} rows"] = run.rows
    seen[f"{name} best"] = [run.best_step, run.best_value]


def resumed(folder: Path, processes: Processes) -> bool:
    """Whether a training killed twice ends like one that was not; leaves a checkpoint behind."""
    objective = OBJECTIVES["wnae"]

    def fitted(name: str, progress: Silent) -> dict[str, torch.Tensor]:
        place = folder / name if processes.leads else None
        if place is not None:
            place.mkdir(exist_ok=True)
        data = data_of(objective)
        done = fit("teacher", settings_of(objective), objective, data, place, progress, processes)
        curves = {"curves": torch.from_numpy(done.curves)}
        return {**done.model.state_dict(), **curves}

    whole = fitted("whole", Silent())
    for step in (4, 8):  # before and after the first checkpoint
        try:
            fitted("cut", KillAt(step))
        except Killed:
            continue
    cut = fitted("cut", Silent())
    return all(torch.equal(torch.nan_to_num(whole[k]), torch.nan_to_num(cut[k])) for k in whole)


def diverged(processes: Processes) -> str:
    """What is raised where one process alone diverges."""
    run = run_of(OBJECTIVES["nae"], processes)
    if processes.rank == 1:
        run.state.windows["negative_energy"].values.fill_(-1e6)
        run.state.windows["negative_energy"].pushed.fill_(10)
    try:
        while True:
            run.advance()
    except TrainingDiverged as error:
        return str(error)


def diverged_in_validation(processes: Processes) -> str:
    """What is raised where the samples of one process alone are no numbers, in a validation."""
    run = run_of(OBJECTIVES["nae"], processes)
    run.state.step = 3  # pre-training is over, step 4 is judged
    if processes.rank == 1:
        run.objective.__dict__["negatives"] = _negatives_that_fail(run)
    try:
        run.advance()
    except NaetriggerError as error:
        return str(error)
    return "nothing"


def failed_to_begin(processes: Processes) -> str:
    """What is raised where one process alone cannot begin."""
    objective = OBJECTIVES["wnae"]
    device = "cuda" if processes.rank == 1 else "cpu"
    settings = settings_of(objective).model_copy(update={"device": device})
    try:
        Run("teacher", settings, objective, data_of(objective), processes)
    except NaetriggerError as error:
        return str(error)
    return "nothing"


def _negatives_that_fail(run: Run) -> Callable[..., torch.Tensor]:
    objective: Any = run.objective
    sound = objective.negatives

    def negatives(*arguments: Any, store: bool, **others: Any) -> torch.Tensor:
        ends: torch.Tensor = sound(*arguments, store=store, **others)
        return ends if store else ends * torch.nan

    return negatives


if __name__ == "__main__":
    main(Path(sys.argv[1]))
