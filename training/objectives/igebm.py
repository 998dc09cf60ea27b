"""A scalar energy network: L = E+ - E- + gamma (mean E+^2 + mean E-^2).

Negatives by Langevin chains in a replay buffer; no gradient flows through them. Du and Mordatch,
arXiv:1903.08689, who use spectral normalisation besides (`model.spectral_norm`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from naetrigger.training.langevin import sample
from naetrigger.training.models.scalar import ScalarEnergy, scalar_energy
from naetrigger.training.monitor import Sampler
from naetrigger.training.objectives.contrast import contrast
from naetrigger.training.objectives.contrastive import Contrastive
from naetrigger.training.objectives.divergence import watched
from naetrigger.training.objectives.objective import State, StepResult
from naetrigger.training.replay import ReplayBuffer
from naetrigger.training.settings import IgebmObjective, ModelSettings


class Igebm(Contrastive[IgebmObjective, ScalarEnergy]):
    """Criterion: W2^2 between validation events and chains out of the buffer."""

    def network(
        self, model: ModelSettings, n_inputs: int, generator: torch.Generator
    ) -> ScalarEnergy:
        return scalar_energy(model, n_inputs, generator)

    def start(self, model: ScalarEnergy, generator: torch.Generator) -> State:
        del generator
        s, like = self.settings, next(model.parameters())
        state = watched(s)
        state.buffers["inputs"] = ReplayBuffer(s.replay, s.chain, model.n_inputs, like)
        return state

    def loss(
        self, model: ScalarEnergy, batch: Tensor, state: State, generator: torch.Generator
    ) -> StepResult:
        negatives = self.negatives(model, batch, state, generator, store=True)
        return contrast(model, batch, negatives, self.settings, state)

    def negatives(
        self,
        model: ScalarEnergy,
        batch: Tensor,
        state: State,
        generator: torch.Generator,
        store: bool,
        draw: Sampler = sample,
    ) -> Tensor:
        buffer = state.buffers["inputs"]
        starts = buffer.starts(len(batch), generator)
        ends = draw(model.energy, starts, self.settings.chain, generator)
        if store:
            buffer.push(ends)
        return ends
