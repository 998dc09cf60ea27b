"""The Wasserstein normalized autoencoder: L = W2^2(batch, samples of exp(-E/T)).

The samples come from a Langevin chain through all of whose steps the gradient flows back into
the weights. CMS-PAS-MLG-24-002.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from naetrigger.training.langevin import differentiable_sample, sample
from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.monitor import Sampler
from naetrigger.training.objectives.contrastive import Contrastive
from naetrigger.training.objectives.divergence import require_finite
from naetrigger.training.objectives.objective import State, StepResult
from naetrigger.training.replay import ReplayBuffer
from naetrigger.training.settings import ModelSettings, WnaeObjective
from naetrigger.training.temperature import learned_temperature, tempered
from naetrigger.training.transport import joint_wasserstein2_squared


@dataclass(frozen=True)
class Wnae(Contrastive[WnaeObjective, Autoencoder]):
    """Criterion: the same distance, between validation events and chains out of the buffer."""

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
        negatives = self.negatives(
            model, batch, state, generator, store=False, draw=differentiable_sample
        )
        everyones = state.processes.joined(negatives)
        require_finite("wnae", everyones, state)
        distance = joint_wasserstein2_squared(batch, negatives, everyones, state.processes)
        state.buffers["inputs"].push(negatives)

        def energies() -> dict[str, float]:
            samples = {"positive_energy": batch, "negative_energy": negatives.detach()}
            return {name: model.scores(x).mean().item() for name, x in samples.items()}

        return StepResult(distance, {"distance": distance.item()}, energies)

    def negatives(
        self,
        model: Autoencoder,
        batch: Tensor,
        state: State,
        generator: torch.Generator,
        store: bool,
        draw: Sampler = sample,
    ) -> Tensor:
        chain, buffer = self.settings.chain, state.buffers["inputs"]
        starts = buffer.starts(len(batch), generator)
        ends = draw(tempered(model.energy, chain, state.modules), starts, chain, generator)
        if store:
            buffer.push(ends)
        return ends
