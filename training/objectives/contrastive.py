"""What objectives share that compare the data with samples of the model ("negatives")."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from naetrigger.training.langevin import Trajectory, require_rows, sample
from naetrigger.training.monitor import Recorder, Sampler
from naetrigger.training.objectives.divergence import require_finite
from naetrigger.training.objectives.objective import M, Objective, State, Validation
from naetrigger.training.settings import ContrastBase, WnaeObjective
from naetrigger.training.transport import wasserstein2_squared

C = TypeVar("C", bound=ContrastBase | WnaeObjective)


@dataclass(frozen=True)
class Contrastive(Objective[C, M]):
    """Criterion, unless `verdict` says otherwise: W2^2 between validation events and negatives."""

    draws_negatives: ClassVar[bool] = True

    def check(self, events: Tensor, sample: str) -> None:
        del sample
        require_rows(self.settings.chain, events.shape[1], "chain")

    @abstractmethod
    def negatives(
        self,
        model: M,
        batch: Tensor,
        state: State,
        generator: torch.Generator,
        store: bool,
        draw: Sampler = sample,
    ) -> Tensor:
        """Samples (B, F) for a batch (B, F), by chains of `draw`.

        store : whether the chains' ends go into the state's replay buffers; else it stays as it is
        """

    def verdict(
        self, model: M, batch: Tensor, negatives: Tensor, metrics: dict[str, float]
    ) -> Validation:
        """What validation events and negatives, (V, F) both, say of the weights."""
        del model
        return Validation(wasserstein2_squared(batch, negatives).item(), metrics)

    def validate(
        self, model: M, batch: Tensor, state: State, generator: torch.Generator
    ) -> Validation:
        recorder = Recorder()
        negatives = self.negatives(model, batch, state, generator, store=False, draw=recorder)
        require_finite(self.settings.name, negatives, state)
        return self.verdict(model, batch, negatives, recorder.metrics(batch, negatives))

    def chains(
        self, model: M, batch: Tensor, state: State, generator: torch.Generator
    ) -> list[Trajectory]:
        recorder = Recorder(everything=True)
        self.negatives(model, batch, state, generator, store=False, draw=recorder)
        return recorder.chains
