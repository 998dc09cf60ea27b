"""What the semivisible grid compares, and how each of it is trained: on background alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from naetrigger.contracts.errors import TrainingDiverged
from naetrigger.contracts.events import Events, read_events
from naetrigger.contracts.progress import Progress
from naetrigger.firmware_configs.input_spec import InputSpec, load_input_spec
from naetrigger.pipeline.recipe import Recipe
from naetrigger.training.data.prepare import INPUT_SPEC, prepare
from naetrigger.training.data.training_weights import training_events
from naetrigger.training.loop import train
from naetrigger.training.settings import (
    AeObjective,
    MpdrObjective,
    NaeObjective,
    ObjectiveSettings,
    TrainingSettings,
)
from naetrigger.training.teacher import load_teacher

Floats = npt.NDArray[np.float64]

CONTRAST_STEPS = 3000  # of NAE and MPDR, 2000 of them pre-training
NO_STOP = 1e9  # standard deviations: a divergence stop that never fires
OUTCOME = "outcome.json"


@dataclass(frozen=True)
class Jets:
    """The background as the recipe has it, and its inputs."""

    train: Events
    validation: Events
    test: Events
    spec: InputSpec

    def inputs(self, events: Events) -> npt.NDArray[np.float32]:
        """What the models see, shape (N, F)."""
        return self.spec.inputs(events.values).astype(np.float32)


def read_jets(recipe: Recipe, folder: Path) -> Jets:
    """The recipe's background through its data stage; kept in `folder`."""
    settings = recipe.data.model_copy(update={"signals": ()})
    note = folder / "settings.json"
    text = settings.model_dump_json()
    if not note.exists() or note.read_text(encoding="utf-8") != text:
        folder.mkdir(parents=True, exist_ok=True)
        prepare(settings, folder)
        note.write_text(text, encoding="utf-8")
    parts = {name: training_events(folder, name) for name in ("train", "validation")}
    (test,) = read_events(folder / "test.h5")
    return Jets(**parts, test=test, spec=load_input_spec(str(folder / INPUT_SPEC)))


def systems(recipe: Recipe) -> dict[str, ObjectiveSettings]:
    """The objectives of the grid, WNAE being the recipe's; all draw the same events."""
    shared = {
        "use_weights": recipe.objective.use_weights,
        "batch_size": recipe.objective.batch_size,
    }
    return {
        "AE": AeObjective(steps=recipe.objective.baseline_steps or 3000, **shared),
        "NAE": NaeObjective(steps=CONTRAST_STEPS, **shared),
        "WNAE": recipe.objective.model_copy(update={"baseline_steps": 0}),
        "MPDR": MpdrObjective(steps=CONTRAST_STEPS, **shared),
    }


def long_runs(recipe: Recipe, steps: int) -> dict[str, ObjectiveSettings]:
    """WNAE and NAE without its brake; nothing stops them but a loss that is no number."""
    shared: dict[str, Any] = {
        "steps": steps,
        "patience": steps,
        "use_weights": recipe.objective.use_weights,
        "batch_size": recipe.objective.batch_size,
    }
    wnae = recipe.objective.model_copy(update={**shared, "baseline_steps": 0})
    free = {"gamma": 0.0, "divergence_sigmas": NO_STOP, "pretrain_steps": steps // 10}
    return {"WNAE": wnae, "NAE without a brake": NaeObjective(negatives="pcd", **free, **shared)}


def trained(
    objective: ObjectiveSettings,
    recipe: Recipe,
    jets: Jets,
    seed: int,
    folder: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Train, or take what is finished; how it ended. A divergence is a result too."""
    note = folder / OUTCOME
    settings = TrainingSettings(model=recipe.model, objective=objective, seed=seed)
    wanted = settings.model_dump_json()
    if note.exists():
        found: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        if found["settings"] == wanted:
            return found
        raise SystemExit(f"{folder}: holds a training of other settings; give another --out")
    outcome: dict[str, Any] = {"settings": wanted, "diverged": ""}
    try:
        result = train(
            settings,
            jets.inputs(jets.train),
            jets.inputs(jets.validation),
            folder,
            columns=jets.train.columns,
            train_weights=jets.train.weights,
            validation_weights=jets.validation.weights,
            progress=progress,
        )
        outcome |= {"step": result.teacher.step, "steps_done": result.teacher.steps_done}
        outcome |= {"stopped_by": result.teacher.stopped_by}
    except TrainingDiverged as error:
        outcome["diverged"] = str(error)
    partial = note.with_suffix(".partial")
    partial.write_text(json.dumps(outcome), encoding="utf-8")
    partial.replace(note)
    return outcome


def scores(folder: Path, inputs: npt.NDArray[np.float32]) -> Floats:
    """Anomaly scores of a trained model, shape (N,)."""
    return load_teacher(folder).scores(torch.from_numpy(inputs)).double().numpy()
