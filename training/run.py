"""A training in progress: one network, its objective, and all that changes from step to step.

Everything random comes from one generator whose state is in every checkpoint; validations use a
generator of their own, seeded alike each time, so that their noise is the same noise. Weights
are kept at the smallest smoothed criterion (see docs/training.md), and no signal is looked at.

Of several processes each draws its share of every batch, and has chains, buffers and random
numbers of its own; gradients, what the curves show, and criteria are means over all of them, so
that weights and decisions are the same in each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from naetrigger.contracts.errors import (
    EnvironmentProblem,
    InputError,
    NaetriggerError,
    TrainingDiverged,
)
from naetrigger.training.average import WeightAverage
from naetrigger.training.batches import Batches
from naetrigger.training.checkpoint import tensor_bytes, tensors_from
from naetrigger.training.curves import CURVES
from naetrigger.training.device import device_named
from naetrigger.training.kernels.library import arithmetic
from naetrigger.training.langevin import Trajectory
from naetrigger.training.models import folded
from naetrigger.training.models.batch_norm import batch_statistics
from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.models.spectral import computed_once
from naetrigger.training.objectives import build_objective
from naetrigger.training.objectives.objective import Objective, State, Validation
from naetrigger.training.precision import restore, tune
from naetrigger.training.processes import Processes
from naetrigger.training.settings import ObjectiveSettings, Replay, TrainingSettings
from naetrigger.training.temperature import TEMPERATURE, Temperature

R = TypeVar("R")


@dataclass(frozen=True)
class Fitted:
    """One trained model and where its training ended."""

    model: EnergyModel
    step: int
    """The step whose weights were kept."""
    steps_done: int
    criterion: float | None
    """The smallest smoothed validation criterion; none: fewer validations than are averaged."""
    stopped_by: str
    """'steps' (all done) or 'patience' (no better for too long)."""
    curves: npt.NDArray[np.float64]
    """(rows, len(CURVES)); NaN where there is no value."""
    temperature: float | None = None
    """T of the weights kept, where it is learned."""
    chains: list[Trajectory] = field(default_factory=list)
    """Chains of the model, if they were asked for."""


class Run:
    """A training in progress, to and from a checkpoint."""

    def __init__(
        self,
        stem: str,
        settings: TrainingSettings,
        objective: ObjectiveSettings,
        data: Batches,
        processes: Processes,
    ) -> None:
        self.stem = stem
        self.processes = processes
        self.seed = settings.seed
        problem: NaetriggerError | None = None
        try:
            self._set_up(settings, objective, data)
        except NaetriggerError as error:
            problem = error
        if processes.any(problem is not None):
            said = [text.decode() for text in processes.to_first(str(problem or "").encode())]
            raise problem or EnvironmentProblem(
                f"{stem}: another process cannot begin: {next(filter(None, said), '')}"
            )
        self.joint_step = self._joint() if processes.size > 1 else self.step
        self.optimiser = self._optimiser()
        self.average = WeightAverage(self.step, self.settings.average)
        self.criteria: list[float] = []
        self.best_step = 0
        self.best_value: float | None = None
        self.best_index = -1
        self.rows: list[list[float]] = []

    def _set_up(
        self, settings: TrainingSettings, objective: ObjectiveSettings, data: Batches
    ) -> None:
        """All that a process may find impossible; nothing here waits for another."""
        self.settings = shared(objective, self.processes.size)
        self.device = device_named(settings.device)
        self.data = data.to(self.device)
        self.objective = build_objective(self.settings)
        for sample, events in (("training", data.train), ("validation", data.validation)):
            self.objective.check(events[:, : data.n_inputs], sample)
        weights = torch.Generator().manual_seed(settings.seed)  # the same on every device
        self.model: EnergyModel = self.objective.network(settings.model, data.n_inputs, weights)
        self.model.to(self.device)
        self.state = self.objective.start(self.model, weights)
        self.state.processes = self.processes
        self.generator = self._generator(weights)
        self.tuned = tune([self.model, *self.state.modules.values()], settings)
        self.best = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.best_temperature = self.temperature
        self.step = _Step(self.objective, self.model, self.state)

    def _generator(self, weights: torch.Generator) -> torch.Generator:
        """For training: on the device; of several processes each has another."""
        if self.device.type == "cpu" and self.processes.size == 1:
            return weights
        return torch.Generator(self.device).manual_seed(own_seed(self.seed, self.processes))

    def _joint(self) -> nn.Module:
        """The step with gradients averaged over processes as they come in."""
        devices = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(self.step, device_ids=devices, find_unused_parameters=True)

    def _optimiser(self) -> torch.optim.AdamW:
        temperatures = [m for m in self.state.modules.values() if isinstance(m, Temperature)]
        modules = [self.model, *(m for m in self.state.modules.values() if m not in temperatures)]
        groups: list[dict[str, Any]] = [{"params": [p for m in modules for p in m.parameters()]}]
        groups += [
            {"params": list(t.parameters()), "weight_decay": 0.0, "own_rate": t.rate}
            for t in temperatures  # decay would draw T to 1
        ]
        s = self.settings
        return torch.optim.AdamW(
            groups, lr=s.learning_rate, weight_decay=s.weight_decay, fused=True
        )

    @property
    def temperature(self) -> float | None:
        """T of the chains if it is learned."""
        module = self.state.modules.get(TEMPERATURE)
        return None if module is None else module().item()

    @property
    def out_of_patience(self) -> bool:
        return len(self.criteria) - 1 - self.best_index >= self.settings.patience

    @property
    def finished(self) -> bool:
        return self.state.step >= self.settings.steps or self.out_of_patience

    def advance(self) -> dict[str, float]:
        """One optimiser step, and the validation if it is due; what to show of it."""
        s, pretraining = self.settings, self.objective.pretrain_steps
        if self.state.step == pretraining:
            self.average.restart()
        step = self.state.step + 1
        validated = step % s.validate_every == 0 or step == s.steps
        self.step.shown = validated or step % s.curve_every == 0
        batch = self.data.draw(s.batch_size, self.generator)
        loss: Tensor = self._agreed(lambda: self.joint_step(batch, self.generator))
        shown = self.processes.mean({"loss": loss.item(), **self.step.metrics})
        self._require_finite(shown)
        for group in self.optimiser.param_groups:
            group["lr"] = group.get("own_rate") or self.objective.learning_rate(self.state.step)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._require_finite_gradients()
        self.optimiser.step()
        self.state.step = step
        self.average.follow(step - pretraining if step > pretraining else step)
        if self.temperature is not None:
            shown["temperature"] = self.temperature
        if validated:
            with self.average.applied():
                shown |= self._validate()
        if self.step.shown:
            values = {"step": float(step), **shown}
            self.rows.append([values.get(name, math.nan) for name in CURVES])
        return shown

    def _agreed(self, act: Callable[[], R]) -> R:
        """What `act` gives; where one process cannot go on, all of them stop here."""
        problem: NaetriggerError | None = None
        try:
            result = act()
        except NaetriggerError as error:
            problem = error
        if self.processes.any(problem is not None):
            raise problem or TrainingDiverged(
                f"{self.stem}: step {self.state.step}: another process has diverged"
            )
        return result

    def _validate(self) -> dict[str, float]:
        seed = own_seed(self.seed, self.processes)
        generator = torch.Generator(self.device).manual_seed(seed)

        def judged() -> Validation:
            with computed_once(self.step):
                events = self.data.validation
                return self.objective.validate(self.model, events, self.state, generator)

        result = self._agreed(judged)
        metrics = self.processes.mean(result.metrics)
        if result.criterion is None:
            self._keep(None)
            return metrics
        criterion = self.processes.mean({"validation": result.criterion})["validation"]
        self._require_finite({"validation": criterion})
        self.criteria.append(criterion)
        metrics["validation"] = criterion
        window = self.criteria[-self.settings.smoothing :]
        if len(window) < self.settings.smoothing:  # a mean of fewer is luckier than later ones
            self._keep(None)
            return metrics
        smoothed = sum(window) / len(window)
        if self.best_value is None or smoothed < self.best_value:
            self._keep(smoothed)
        return {**metrics, "validation_smoothed": smoothed}

    def _keep(self, value: float | None) -> None:
        self.best = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.best_temperature = self.temperature
        self.best_step, self.best_value = self.state.step, value
        self.best_index = len(self.criteria) - 1

    def _require_finite(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                raise TrainingDiverged(
                    f"{self.stem}: step {self.state.step}: {name} is {value}. Lower "
                    "objective.learning_rate, and look for values far out in the inputs"
                )

    def _require_finite_gradients(self) -> None:
        """Before a step by them would leave weights that no later step mends."""
        parameters = (p for group in self.optimiser.param_groups for p in group["params"])
        gradients = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
        if not gradients.isfinite().all():
            self._require_finite({"the gradient of the loss": math.nan})

    def tensors(self) -> dict[str, Tensor]:
        """All that a checkpoint holds of this process; what others have of their own is added
        behind `rankN.` in process 0, so that all processes must ask at once.
        """
        own = {f"state.{k}": v.cpu() for k, v in self.state.tensors().items()}
        own["generator"] = self.generator.get_state()
        flat = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        flat |= {f"best.{k}": v for k, v in self.best.items()}
        flat |= {f"average.{k}": v for k, v in self.average.tensors().items()}
        for i, moments in self.optimiser.state_dict()["state"].items():
            flat |= {f"optimiser.{i}.{k}": v for k, v in moments.items()}
        flat["criteria"] = torch.tensor(self.criteria, dtype=torch.float64)
        flat["rows"] = torch.tensor(self.rows, dtype=torch.float64).reshape(-1, len(CURVES))
        flat = {name: tensor.cpu() for name, tensor in flat.items()} | own
        if self.processes.size > 1:
            for rank, content in enumerate(self.processes.to_first(tensor_bytes(own, {}))):
                others = tensors_from(content, f"process {rank}")[0]
                flat |= {f"rank{rank}.{k}": v for k, v in others.items()}
        return flat

    def facts(self) -> dict[str, Any]:
        return {
            "fingerprint": self.data.fingerprint,
            "arithmetic": arithmetic(),
            "device": self.device.type,
            "processes": self.processes.size,
            "step": self.state.step,
            "best_step": self.best_step,
            "best_value": self.best_value,
            "best_index": self.best_index,
            "best_temperature": self.best_temperature,
        }

    def load(self, flat: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Take over a checkpoint of as many processes."""
        own = _under(f"rank{self.processes.rank}.", flat) if self.processes.size > 1 else flat
        self.model.load_state_dict(_under("model.", flat))
        self.best = {k: v.to(self.device) for k, v in _under("best.", flat).items()}
        self.average.load(_under("average.", flat))
        optimiser = self.optimiser.state_dict()
        for name, tensor in _under("optimiser.", flat).items():
            i, key = name.split(".")
            optimiser["state"].setdefault(int(i), {})[key] = tensor
        self.optimiser.load_state_dict(optimiser)
        self._lay_out_moments()
        self.state.load(facts["step"], _under("state.", own))
        self.generator.set_state(own["generator"])
        self.criteria = flat["criteria"].tolist()
        self.rows = flat["rows"].tolist()
        self.best_step, self.best_value = facts["best_step"], facts["best_value"]
        self.best_index = facts["best_index"]
        self.best_temperature = facts["best_temperature"]

    def _lay_out_moments(self) -> None:
        """In memory like their parameters: the fused step goes through both side by side."""
        for parameter, moments in self.optimiser.state.items():
            for name, value in moments.items():
                if value.shape == parameter.shape:
                    moments[name] = torch.empty_like(parameter).copy_(value)

    def result(self, trajectories: int) -> Fitted:
        """What was kept, on the CPU; with the chains of so many validation events, if any."""
        self.model.load_state_dict(self.best)
        restore(self.tuned)
        chains = self._chains(trajectories) if trajectories else []
        model = folded(self.model.eval().cpu())
        data = self.data.to(torch.device("cpu"))
        self.objective.finish(model, data.train, data.weights)
        return Fitted(
            model=model,
            step=self.best_step,
            steps_done=self.state.step,
            criterion=self.best_value,
            stopped_by="steps" if self.state.step >= self.settings.steps else "patience",
            curves=np.array(self.rows, dtype=np.float64).reshape(-1, len(CURVES)),
            temperature=self.best_temperature,
            chains=chains,
        )

    def _chains(self, n: int) -> list[Trajectory]:
        if self.best_temperature is not None:
            with torch.no_grad():
                log = next(self.state.modules[TEMPERATURE].parameters())
                log.fill_(math.log(self.best_temperature))
        generator = torch.Generator(self.device).manual_seed(self.seed)
        events = self.data.validation[:n]
        with computed_once(self.step):
            return self.objective.chains(self.model, events, self.state, generator)


def shared(objective: ObjectiveSettings, size: int) -> ObjectiveSettings:
    """The settings of one of `size` processes: its share of every batch and of the buffer.

    InputError if a batch cannot be shared alike.
    """
    if size == 1:
        return objective
    if objective.batch_size % size:
        raise InputError(
            f"objective.batch_size: {objective.batch_size} events a step cannot be shared alike by "
            f"{size} processes; make it a multiple of {size}, or start another number of processes"
        )
    changes: dict[str, Any] = {"batch_size": objective.batch_size // size}
    replay: Replay | None = getattr(objective, "replay", None)
    if replay is not None:  # so that samples stay in it for as many steps
        changes["replay"] = replay.model_copy(update={"size": math.ceil(replay.size / size)})
    return objective.model_copy(update=changes)


def own_seed(seed: int, processes: Processes) -> int:
    """The seed of one process; alone, the seed itself."""
    if processes.size == 1:
        return seed
    sequence = np.random.SeedSequence([seed, processes.size, processes.rank])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


class _Step(nn.Module):
    """The loss of a batch as a module, which is what DistributedDataParallel takes."""

    def __init__(self, objective: Objective[Any, Any], model: EnergyModel, state: State) -> None:
        super().__init__()
        self.model = model
        self.others = nn.ModuleDict(state.modules)
        self.objective, self.state = objective, state
        self.shown = True
        self.metrics: dict[str, float] = {}

    def forward(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """The loss; what curves show of it is then in `metrics`, all of it if the step is shown."""
        events = batch[:, : self.model.n_inputs]
        statistics = batch_statistics(self.model, events, self.objective.draws_negatives)
        with statistics, computed_once(self):
            result = self.objective.loss(self.model, batch, self.state, generator)
            self.metrics = result.metrics | (result.further() if self.shown else {})
        return result.loss


def _under(prefix: str, flat: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v.clone() for k, v in flat.items() if k.startswith(prefix)}
