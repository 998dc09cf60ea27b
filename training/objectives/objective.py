"""What an objective is: a loss for a batch, a criterion for validation, and what it carries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from naetrigger.training.langevin import Trajectory
from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.processes import ALONE, Processes
from naetrigger.training.replay import ReplayBuffer
from naetrigger.training.settings import ModelSettings, ObjectiveBase


@dataclass(frozen=True)
class StepResult:
    """The loss of one step, a scalar with its graph, and what the curves show of the step.

    further : more of it, which takes computing: asked for in steps that become a row of the curves
    """

    loss: Tensor
    metrics: dict[str, float]
    further: Callable[[], dict[str, float]] = dict


@dataclass(frozen=True)
class Validation:
    """`criterion`: the smaller, the better the weights; none: not to be judged yet."""

    criterion: float | None
    metrics: dict[str, float]


class Window:
    """The last `size` values of a number."""

    def __init__(self, size: int) -> None:
        self.values = torch.zeros(size, dtype=torch.float64)
        self.pushed = torch.zeros((), dtype=torch.int64)

    @property
    def full(self) -> bool:
        return int(self.pushed) >= len(self.values)

    def push(self, value: float) -> None:
        self.values[int(self.pushed) % len(self.values)] = value
        self.pushed += 1


@dataclass
class State:
    """What an objective carries from step to step; all of it goes into checkpoints."""

    step: int = 0
    """Steps done; the training loop counts."""

    buffers: dict[str, ReplayBuffer] = field(default_factory=dict)
    windows: dict[str, Window] = field(default_factory=dict)
    modules: dict[str, nn.Module] = field(default_factory=dict)
    """Networks that are trained too, and that the score does not need."""
    processes: Processes = ALONE
    """Those that train together; each has a state of its own, but for the modules."""

    def tensors(self) -> dict[str, Tensor]:
        """Everything but the step, by flat names."""
        flat: dict[str, Tensor] = {}
        for name, buffer in self.buffers.items():
            flat |= {f"buffer.{name}.{key}": value for key, value in buffer.tensors().items()}
        for name, window in self.windows.items():
            flat |= {
                f"window.{name}.values": window.values,
                f"window.{name}.pushed": window.pushed,
            }
        for name, module in self.modules.items():
            flat |= {f"module.{name}.{key}": value for key, value in module.state_dict().items()}
        return flat

    def load(self, step: int, flat: dict[str, Tensor]) -> None:
        """Take over what `tensors` gave."""
        self.step = step
        for name, tensor in self.tensors().items():
            tensor.copy_(flat[name])


S = TypeVar("S", bound=ObjectiveBase)
M = TypeVar("M", bound=EnergyModel)


@dataclass(frozen=True)
class Objective(ABC, Generic[S, M]):
    """A training objective of settings S for networks M. To add one: settings with a `name` in
    training/settings, a file here with a class of this shape, and an entry in `OBJECTIVES`; the
    tests loop over it.
    """

    draws_negatives: ClassVar[bool] = False
    """Whether the loss compares the data with samples (see models/batch_norm.py)."""

    settings: S

    @property
    def pretrain_steps(self) -> int:
        """First steps with another loss than those behind them; an average of weights begins again
        where they end."""
        return 0

    @abstractmethod
    def network(self, model: ModelSettings, n_inputs: int, generator: torch.Generator) -> M:
        """The network that scores, with fresh weights; all of it goes into the teacher's file."""

    def check(self, events: Tensor, sample: str) -> None:
        """InputError if training cannot take events (N, F) of `sample`, training or validation."""
        del events, sample

    def start(self, model: M, generator: torch.Generator) -> State:
        """The state before the first step; here further networks get their fresh weights."""
        del model, generator
        return State()

    def learning_rate(self, step: int) -> float:
        """The optimiser's step size in step `step` (from 0)."""
        del step
        return self.settings.learning_rate

    @abstractmethod
    def loss(self, model: M, batch: Tensor, state: State, generator: torch.Generator) -> StepResult:
        """The loss of a batch of shape (B, F); may change `state`."""

    @abstractmethod
    def validate(
        self, model: M, batch: Tensor, state: State, generator: torch.Generator
    ) -> Validation:
        """Judge the weights on validation events of shape (V, F); leaves `state` as it is."""

    def chains(
        self, model: M, batch: Tensor, state: State, generator: torch.Generator
    ) -> list[Trajectory]:
        """The chains that a validation on these events, (V, F), draws its negatives by, one after
        the other; none where there are no chains. Leaves `state` as it is.
        """
        del model, batch, state, generator
        return []

    def finish(self, model: M, inputs: Tensor, weights: Tensor | None = None) -> None:
        """Set, from the training events (N, F), what the chosen weights still need to score.

        weights : (N,), of sum 1, if they are drawn by weight; none: all count alike
        """
        del model, inputs, weights
