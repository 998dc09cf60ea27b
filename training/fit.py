"""One network trained from its first step, or from a checkpoint, to its last.

Everything random comes from one generator whose state is in every checkpoint; validations use a
generator of their own, seeded alike each time, so that their noise is the same noise. Weights
are kept at the smallest smoothed criterion (see docs/training.md), and no signal is looked at.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from naetrigger.contracts.errors import InputError, TrainingDiverged
from naetrigger.contracts.progress import Progress
from naetrigger.training.batches import Batches
from naetrigger.training.checkpoint import read_checkpoint, remove_checkpoint, write_checkpoint
from naetrigger.training.curves import CURVES, write_curves
from naetrigger.training.kernels.library import arithmetic
from naetrigger.training.models import folded
from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.objectives import build_objective
from naetrigger.training.settings import ObjectiveSettings, TrainingSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """One trained model and where its training ended."""

    model: EnergyModel
    step: int
    """The step whose weights were kept."""
    steps_done: int
    criterion: float | None
    """The smallest smoothed validation criterion; none: never judged."""
    stopped_by: str
    """'steps' (all done) or 'patience' (no better for too long)."""
    curves: npt.NDArray[np.float64]
    """(rows, len(CURVES)); NaN where there is no value."""


class Run:
    """A training in progress: all that changes from step to step, to and from a checkpoint."""

    def __init__(
        self, stem: str, settings: TrainingSettings, objective: ObjectiveSettings, data: Batches
    ) -> None:
        self.stem = stem
        self.settings = objective
        self.seed = settings.seed
        self.data = data
        self.objective = build_objective(objective)
        for sample, events in (("training", data.train), ("validation", data.validation)):
            self.objective.check(events[:, : data.n_inputs], sample)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.model = self.objective.network(settings.model, data.n_inputs, self.generator)
        self.best = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.state = self.objective.start(self.model, self.generator)
        self.optimiser = torch.optim.AdamW(
            self._parameters(),
            lr=objective.learning_rate,
            weight_decay=objective.weight_decay,
            fused=True,
        )
        self.criteria: list[float] = []
        self.best_step = 0
        self.best_value: float | None = None
        self.best_index = -1
        self.rows: list[list[float]] = []

    def _parameters(self) -> list[torch.nn.Parameter]:
        modules = [self.model, *self.state.modules.values()]
        return [parameter for module in modules for parameter in module.parameters()]

    @property
    def out_of_patience(self) -> bool:
        return len(self.criteria) - 1 - self.best_index >= self.settings.patience

    @property
    def finished(self) -> bool:
        return self.state.step >= self.settings.steps or self.out_of_patience

    def advance(self) -> dict[str, float]:
        """One optimiser step, and the validation if it is due; what to show of it."""
        s = self.settings
        batch = self.data.draw(s.batch_size, self.generator)
        result = self.objective.loss(self.model, batch, self.state, self.generator)
        shown = {"loss": result.loss.item(), **result.metrics}
        self._require_finite(shown)
        for group in self.optimiser.param_groups:
            group["lr"] = self.objective.learning_rate(self.state.step)
        self.optimiser.zero_grad()
        result.loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.state.step += 1
        step = self.state.step
        validated = step % s.validate_every == 0 or step == s.steps
        if validated:
            shown |= self._validate()
        if validated or step % s.curve_every == 0:
            values = {"step": float(step), **shown}
            self.rows.append([values.get(name, math.nan) for name in CURVES])
        return shown

    def _validate(self) -> dict[str, float]:
        generator = torch.Generator().manual_seed(self.seed)
        result = self.objective.validate(self.model, self.data.validation, self.state, generator)
        if result.criterion is None:
            self._keep(None)
            return result.metrics
        self._require_finite({"validation": result.criterion})
        self.criteria.append(result.criterion)
        recent = self.criteria[-self.settings.smoothing :]
        smoothed = sum(recent) / len(recent)
        if self.best_value is None or smoothed < self.best_value:
            self._keep(smoothed)
        return {
            **result.metrics,
            "validation": result.criterion,
            "validation_smoothed": smoothed,
        }

    def _keep(self, value: float | None) -> None:
        self.best = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.best_step, self.best_value = self.state.step, value
        self.best_index = len(self.criteria) - 1

    def _require_finite(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                raise TrainingDiverged(
                    f"{self.stem}: step {self.state.step}: {name} is {value}. Lower "
                    "objective.learning_rate, and look for values far out in the inputs"
                )

    def tensors(self) -> dict[str, Tensor]:
        flat = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        flat |= {f"best.{k}": v for k, v in self.best.items()}
        for i, moments in self.optimiser.state_dict()["state"].items():
            flat |= {f"optimiser.{i}.{k}": v for k, v in moments.items()}
        flat |= {f"state.{k}": v for k, v in self.state.tensors().items()}
        flat["generator"] = self.generator.get_state()
        flat["criteria"] = torch.tensor(self.criteria, dtype=torch.float64)
        flat["rows"] = torch.tensor(self.rows, dtype=torch.float64).reshape(-1, len(CURVES))
        return flat

    def facts(self) -> dict[str, Any]:
        return {
            "fingerprint": self.data.fingerprint,
            "arithmetic": arithmetic(),
            "step": self.state.step,
            "best_step": self.best_step,
            "best_value": self.best_value,
            "best_index": self.best_index,
        }

    def load(self, flat: dict[str, Tensor], facts: dict[str, Any]) -> None:
        self.model.load_state_dict(_under("model.", flat))
        self.best = _under("best.", flat)
        optimiser = self.optimiser.state_dict()
        for name, tensor in _under("optimiser.", flat).items():
            i, key = name.split(".")
            optimiser["state"].setdefault(int(i), {})[key] = tensor
        self.optimiser.load_state_dict(optimiser)
        self.state.load(facts["step"], _under("state.", flat))
        self.generator.set_state(flat["generator"])
        self.criteria = flat["criteria"].tolist()
        self.rows = flat["rows"].tolist()
        self.best_step, self.best_value = facts["best_step"], facts["best_value"]
        self.best_index = facts["best_index"]

    def result(self) -> Fitted:
        self.model.load_state_dict(self.best)
        model = folded(self.model.eval())
        self.objective.finish(model, self.data.population(self.seed))
        return Fitted(
            model=model,
            step=self.best_step,
            steps_done=self.state.step,
            criterion=self.best_value,
            stopped_by="steps" if self.state.step >= self.settings.steps else "patience",
            curves=np.array(self.rows, dtype=np.float64).reshape(-1, len(CURVES)),
        )


def fit(
    stem: str,
    settings: TrainingSettings,
    objective: ObjectiveSettings,
    data: Batches,
    checkpoint: Path,
    curves: Path,
    progress: Progress,
) -> Fitted:
    """Train one network, or go on from the file `checkpoint`; `stem` is what it is called.

    Raises TrainingDiverged, with the curves so far written to the file `curves`.
    """
    run = Run(stem, settings, objective, data)
    if checkpoint.exists():
        _resume(run, checkpoint)
    progress.start(f"training {stem} ({objective.name})", objective.steps)
    progress.update(run.state.step)
    try:
        while not run.finished:
            shown = run.advance()
            if run.finished or run.state.step % objective.checkpoint_every == 0:
                write_checkpoint(checkpoint, run.tensors(), run.facts())
            progress.update(run.state.step, **shown)
    except TrainingDiverged:
        write_curves(curves, run.rows)
        remove_checkpoint(checkpoint)  # going on from it would end the same way
        raise
    return run.result()


def _resume(run: Run, path: Path) -> None:
    flat, facts = read_checkpoint(path)
    if facts.get("fingerprint") != run.data.fingerprint:
        raise InputError(
            f"{path}: comes from a training with other settings or data; delete it to train from "
            "the start, or choose another folder"
        )
    before, now = facts.get("arithmetic", arithmetic()), arithmetic()
    if before != now and getattr(run.settings, "chain", None) is not None:
        log.warning(
            "%s: begun with %s chains, goes on with %s ones (a C++ compiler is there or is not, or "
            "NAETRIGGER_KERNELS): the result is as good, and not the same to the last digit",
            path,
            before,
            now,
        )
    run.load(flat, facts)
    log.info("%s: going on from step %d", path, run.state.step)


def _under(prefix: str, flat: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v.clone() for k, v in flat.items() if k.startswith(prefix)}
