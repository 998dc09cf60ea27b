"""The Wasserstein normalized autoencoder: L = W2^2(batch, samples of exp(-E/T)).

The samples come from a Langevin chain through all of whose steps the gradient flows back into
the weights. CMS-PAS-MLG-24-002.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from naetrigger.contracts.errors import TrainingDiverged
from naetrigger.training.langevin import differentiable_sample
from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.monitor import monitored_sample
from naetrigger.training.objectives.objective import Objective, State, StepResult, Validation
from naetrigger.training.replay import ReplayBuffer
from naetrigger.training.settings import ModelSettings, WnaeObjective
from naetrigger.training.transport import wasserstein2_squared


@dataclass(frozen=True)
class Wnae(Objective[WnaeObjective, Autoencoder]):
    """Criterion: the same distance, between validation events and chains out of the buffer."""

    def network(
    draws_negatives = True

        self, model: ModelSettings, n_inputs: int, generator: torch.Generator
    ) -> Autoencoder:
        return build_model(model, n_inputs, generator)

    def start(self, model: Autoencoder, generator: torch.Generator) -> State:
        del generator
        s = self.settings
        buffer = ReplayBuffer(s.replay, s.chain, model.n_inputs, next(model.parameters()))
        return State(buffers={"inputs": buffer})

    def loss(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> StepResult:
        buffer = state.buffers["inputs"]
        starts = buffer.starts(len(batch), generator)
        negatives = differentiable_sample(model.energy, starts, self.settings.chain, generator)
        distance = _distance(batch, negatives, state)
        buffer.push(negatives)
        metrics = {
            "distance": distance.item(),
            "positive_energy": model.scores(batch).mean().item(),
            "negative_energy": model.scores(negatives).mean().item(),
        }
        return StepResult(distance, metrics)

    def validate(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> Validation:
        starts = state.buffers["inputs"].starts(len(batch), generator)
        negatives, metrics = monitored_sample(
            model.energy, starts, batch, self.settings.chain, generator
        )
        return Validation(_distance(batch, negatives, state).item(), metrics)


def _distance(batch: Tensor, negatives: Tensor, state: State) -> Tensor:
    if not torch.isfinite(negatives).all():
        raise TrainingDiverged(
            f"wnae: step {state.step}: chains gave NaN or infinite samples. Lower "
            "objective.learning_rate or objective.chain.step_size, or set a "
            "objective.chain.gradient_clip or a boundary"
        )
    return wasserstein2_squared(batch, negatives)
