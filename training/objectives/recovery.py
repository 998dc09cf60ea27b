"""Recovery likelihood: learn to recover x from x~ = x + s eps.

    p(x | x~) ~ exp(-E(x)/T - |x - x~|^2 / (2 s^2)),   L = E(x) - E(x-) + gamma mean(E(x-)^2)

with x- drawn from p(. | x~) by a chain that starts at x~: short chains mix, as the second term
holds them near. Gao et al., arXiv:2012.08125, here with one noise level.
"""

from __future__ import annotations

import torch
from torch import Tensor

from naetrigger.training.langevin import Energy, Held, sample
from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.monitor import Sampler
from naetrigger.training.objectives.contrast import contrast
from naetrigger.training.objectives.contrastive import Contrastive
from naetrigger.training.objectives.divergence import watched
from naetrigger.training.objectives.objective import State, StepResult
from naetrigger.training.settings import ModelSettings, RecoveryObjective
from naetrigger.training.temperature import learned_temperature, tempered


class Recovery(Contrastive[RecoveryObjective, Autoencoder]):
    """Criterion: W2^2 between validation events and what is recovered from their noisy copies."""

    def network(
        self, model: ModelSettings, n_inputs: int, generator: torch.Generator
    ) -> Autoencoder:
        return build_model(model, n_inputs, generator)

    def start(self, model: Autoencoder, generator: torch.Generator) -> State:
        del generator
        state = watched(self.settings)
        state.modules |= learned_temperature(self.settings.chain, next(model.parameters()))
        return state

    def loss(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> StepResult:
        negatives = self.negatives(model, batch, state, generator, store=True)
        return contrast(model, batch, negatives, self.settings, state)

    def negatives(
        self,
        model: Autoencoder,
        batch: Tensor,
        state: State,
        generator: torch.Generator,
        store: bool,
        draw: Sampler = sample,
    ) -> Tensor:
        del store
        s = self.settings
        eps = torch.randn(batch.shape, generator=generator, dtype=batch.dtype, device=batch.device)
        noisy = batch + s.perturbation * eps
        own = tempered(model.energy, s.chain, state.modules)

        def held(temperature: float) -> Energy:
            hold = temperature / (2 * s.perturbation**2)
            return lambda y: own(y) + hold * (y - noisy).square().sum(dim=1)

        return draw(Held(held), noisy, s.chain, generator)
