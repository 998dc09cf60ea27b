"""Recovery likelihood: learn to recover x from x~ = x + s eps.

    p(x | x~) ~ exp(-E(x)/T - |x - x~|^2 / (2 s^2)),   L = E(x) - E(x-) + gamma mean(E(x-)^2)

with x- drawn from p(. | x~) by a chain that starts at x~: short chains mix, as the second term
holds them near. Gao et al., arXiv:2012.08125, here with one noise level.
"""

from __future__ import annotations

import torch
from torch import Tensor

from naetrigger.training.langevin import sample
from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.monitor import feature_distances
from naetrigger.training.objectives.contrast import contrast
from naetrigger.training.objectives.divergence import watched
from naetrigger.training.objectives.objective import Objective, State, StepResult, Validation
from naetrigger.training.settings import ModelSettings, RecoveryObjective
from naetrigger.training.transport import wasserstein2_squared


class Recovery(Objective[RecoveryObjective, Autoencoder]):
    """Criterion: W2^2 between validation events and what is recovered from their noisy copies."""

    def network(
    draws_negatives = True

        self, model: ModelSettings, n_inputs: int, generator: torch.Generator
    ) -> Autoencoder:
        return build_model(model, n_inputs, generator)

    def start(self, model: Autoencoder, generator: torch.Generator) -> State:
        del model, generator
        return watched(self.settings)

    def loss(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> StepResult:
        negatives = self._negatives(model, batch, state, generator, store=True)
        return contrast(model, batch, negatives, self.settings, state)

    def validate(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> Validation:
        negatives = self._negatives(model, batch, state, generator, store=False)
        far = feature_distances(batch, negatives).max().item()
        distance = wasserstein2_squared(batch, negatives).item()
        return Validation(distance, {"feature_distance": far})

    def _negatives(
        self,
        model: Autoencoder,
        batch: Tensor,
        state: State,
        generator: torch.Generator,
        store: bool,
    ) -> Tensor:
        del state, store
        s = self.settings
        eps = torch.randn(batch.shape, generator=generator, dtype=batch.dtype, device=batch.device)
        noisy = batch + s.perturbation * eps
        hold = s.chain.temperature / (2 * s.perturbation**2)  # T is divided by in the chain

        def energy(y: Tensor) -> Tensor:
            return model.energy(y) + hold * (y - noisy).square().sum(dim=1)

        return sample(energy, noisy, s.chain, generator)
