"""Manifold projection-diffusion recovery: recover x from a point perturbed along the data.

An autoencoder with a spherical latent is trained first and then stands still. Each event is
projected on its manifold, z = encode(x), and diffused there, z~ = (z + s eps) / |.|, s drawn
event by event. A negative is recovered by two chains on

    V(y) = E(y) / T + w |encode(y) - z~|^2 / (2 s^2),   T that of the chain and of its step:

one over latents, on V(decode(z)) from z~, and one over inputs from there. The loss is
E(x) - E(x-) with its brake (contrast.py), and for MPDR-R w_z mean |encode_E(x)|^2 besides.
Yoon et al., NeurIPS 2023. The negatives that chains of this kind give need no replay buffer.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from naetrigger.training.langevin import Energy, Held, require_rows, sample
from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.models.scalar import ScalarEnergy, scalar_energy
from naetrigger.training.monitor import Sampler
from naetrigger.training.objectives.contrast import contrast
from naetrigger.training.objectives.contrastive import Contrastive
from naetrigger.training.objectives.divergence import watched
from naetrigger.training.objectives.objective import State, StepResult, Validation
from naetrigger.training.settings import ModelSettings, MpdrObjective
from naetrigger.training.temperature import learned_temperature, tempered


class Mpdr(Contrastive[MpdrObjective, Autoencoder | ScalarEnergy]):
    """Criterion: W2^2 between validation events and what is recovered from them."""

    def network(
        self, model: ModelSettings, n_inputs: int, generator: torch.Generator
    ) -> Autoencoder | ScalarEnergy:
        make = build_model if self.settings.score == "reconstruction" else scalar_energy
        return make(model, n_inputs, generator)

    def start(self, model: Autoencoder | ScalarEnergy, generator: torch.Generator) -> State:
        latent = self.settings.manifold_latent or model.settings.latent + 1
        require_rows(self.settings.latent_chain, latent, "latent_chain")
        settings = model.settings.model_copy(
            update={"latent": latent, "spherical": True, "batch_norm": False}
        )
        manifold = build_model(settings, model.n_inputs, generator)
        state = watched(self.settings)
        like = next(model.parameters())
        state.modules["manifold"] = manifold.to(like)
        state.modules |= learned_temperature(self.settings.chain, like)
        return state

    @property
    def pretrain_steps(self) -> int:
        return self.settings.pretrain_steps

    def learning_rate(self, step: int) -> float:
        s = self.settings
        return s.pretrain_learning_rate if step < s.pretrain_steps else s.learning_rate

    def loss(
        self,
        model: Autoencoder | ScalarEnergy,
        batch: Tensor,
        state: State,
        generator: torch.Generator,
    ) -> StepResult:
        if state.step < self.settings.pretrain_steps:
            error = _manifold(state).energy(batch).mean()
            return StepResult(error, {"positive_energy": error.item()})
        negatives = self.negatives(model, batch, state, generator, store=True)
        result = contrast(model, batch, negatives, self.settings, state)
        if isinstance(model, ScalarEnergy):
            return result
        size = model.encode(batch).square().sum(dim=1).mean()
        return replace(result, loss=result.loss + self.settings.latent_penalty * size)

    def validate(
        self,
        model: Autoencoder | ScalarEnergy,
        batch: Tensor,
        state: State,
        generator: torch.Generator,
    ) -> Validation:
        if state.step <= self.settings.pretrain_steps:
            return Validation(None, {})
        return super().validate(model, batch, state, generator)

    def negatives(
        self,
        model: Autoencoder | ScalarEnergy,
        batch: Tensor,
        state: State,
        generator: torch.Generator,
        store: bool,
        draw: Sampler = sample,
    ) -> Tensor:
        del store
        s, manifold = self.settings, _manifold(state)
        low, high = s.perturbation
        with torch.no_grad():
            z = manifold.encode(batch)
            unit = torch.rand((len(z), 1), generator=generator, dtype=z.dtype, device=z.device)
            noise = low + (high - low) * unit
            eps = torch.randn(z.shape, generator=generator, dtype=z.dtype, device=z.device)
            diffused = torch.nn.functional.normalize(z + noise * eps, dim=1)
        own = tempered(model.energy, s.chain, state.modules)

        def held(temperature: float) -> Energy:
            hold = s.recovery_weight * temperature / (2 * noise.squeeze(1).square())
            return lambda y: own(y) + hold * (manifold.encode(y) - diffused).square().sum(dim=1)

        def decoded(temperature: float) -> Energy:
            energy = held(temperature)
            return lambda z: energy(manifold.decode(z))

        latent = draw(Held(decoded), diffused, s.latent_chain, generator)
        return draw(Held(held), manifold.decode(latent), s.chain, generator)


def _manifold(state: State) -> Autoencoder:
    manifold = state.modules["manifold"]
    assert isinstance(manifold, Autoencoder)
    return manifold
