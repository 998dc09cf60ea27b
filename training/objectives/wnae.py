"""The Wasserstein normalized autoencoder: L = W2^2(batch, samples of exp(-E/T)).

The samples come from a Langevin chain through all of whose steps the gradient flows back into
the weights. CMS-PAS-MLG-24-002.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from naetrigger.training.langevin import Trajectory, differentiable_sample
from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.monitor import Recorder, Sampler
from naetrigger.training.objectives.divergence import require_finite
from naetrigger.training.objectives.objective import Objective, State, StepResult, Validation
from naetrigger.training.replay import ReplayBuffer
from naetrigger.training.settings import ModelSettings, WnaeObjective
from naetrigger.training.temperature import learned_temperature, tempered
from naetrigger.training.transport import joint_wasserstein2_squared, wasserstein2_squared


@dataclass(frozen=True)
class Wnae(Objective[WnaeObjective, Autoencoder]):
    """Criterion: the same distance, between validation events and chains out of the buffer."""

    draws_negatives = True

    def network(
        self, model: ModelSettings, n_inputs: int, generator: torch.Generator
    ) -> Autoencoder:
        return build_model(model, n_inputs, generator)

    def start(self, model: Autoencoder, generator: torch.Generator) -> State:
        del generator
        s = self.settings
        buffer = ReplayBuffer(s.replay, s.chain, model.n_inputs, next(model.parameters()))
        modules = learned_temperature(s.chain, next(model.parameters()))
        return State(buffers={"inputs": buffer}, modules=modules)

    def loss(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> StepResult:
        negatives = self._samples(model, batch, state, generator, differentiable_sample)
        everyones = state.processes.joined(negatives)
        require_finite("wnae", everyones, state)
        distance = joint_wasserstein2_squared(batch, negatives, everyones, state.processes)
        state.buffers["inputs"].push(negatives)
        metrics = {
            "distance": distance.item(),
            "positive_energy": model.scores(batch).mean().item(),
            "negative_energy": model.scores(negatives).mean().item(),
        }
        return StepResult(distance, metrics)

    def validate(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> Validation:
        recorder = Recorder()
        negatives = self._samples(model, batch, state, generator, recorder)
        require_finite("wnae", negatives, state)
        distance = wasserstein2_squared(batch, negatives).item()
        return Validation(distance, recorder.metrics(batch, negatives))

    def chains(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> list[Trajectory]:
        recorder = Recorder(everything=True)
        self._samples(model, batch, state, generator, recorder)
        return recorder.chains

    def _samples(
        self,
        model: Autoencoder,
        batch: Tensor,
        state: State,
        generator: torch.Generator,
        draw: Sampler,
    ) -> Tensor:
        chain = self.settings.chain
        starts = state.buffers["inputs"].starts(len(batch), generator)
        return draw(tempered(model.energy, chain, state.modules), starts, chain, generator)
