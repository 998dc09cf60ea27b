"""The normalized autoencoder: L = E+ - E- + gamma mean(E-^2) + penalty mean |encode(x)|^2, and
gamma_data mean(E+^2) where that is asked for.

E+ and E- are mean energies of the data and of samples ("negatives") of exp(-E/T). Yoon, Noh and
Park, arXiv:2105.05735; the brake gamma: Dillon et al., arXiv:2206.14225. Negatives by
  cd   chains that start at the batch,
  pcd  chains that go on in a replay buffer,
  omi  a latent chain on E(decode(z)), then a chain from decode(z). Latent chains go on in a replay
       buffer, or start afresh each time at latents of the batch whose coordinates are shuffled
       over its events: each as in the data, none together with the others. Such starts may also
       be decoded as they are, without a latent chain.
No gradient flows through the chains. E+ - E- alone has no lower bound: when E- runs away, the
negatives no longer follow the model and training stops with TrainingDiverged.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from naetrigger.training.langevin import require_rows, sample
from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.monitor import Sampler
from naetrigger.training.objectives.contrastive import Contrastive
from naetrigger.training.objectives.divergence import (
    stop_if_diverged,
    watched,
)
from naetrigger.training.objectives.objective import (
    State,
    StepResult,
    Validation,
)
from naetrigger.training.replay import ReplayBuffer
from naetrigger.training.settings import ModelSettings, NaeObjective
from naetrigger.training.temperature import learned_temperature, temperature_term, tempered
from naetrigger.training.transport import wasserstein2_squared


@dataclass(frozen=True)
class Nae(Contrastive[NaeObjective, Autoencoder]):
    """Criterion: |E+ - E-| on validation events, which is zero where model and data agree."""

    def network(
        self, model: ModelSettings, n_inputs: int, generator: torch.Generator
    ) -> Autoencoder:
        return build_model(model, n_inputs, generator)

    def start(self, model: Autoencoder, generator: torch.Generator) -> State:
        del generator
        s = self.settings
        like = next(model.parameters())
        if s.negatives == "omi" and s.latent_chain is not None:
            require_rows(s.latent_chain, model.settings.latent, "latent_chain")
        state = watched(s)
        state.modules |= learned_temperature(s.chain, like)
        if s.negatives == "pcd":
            state.buffers["inputs"] = ReplayBuffer(s.replay, s.chain, model.n_inputs, like)
        elif s.negatives == "omi" and s.latent_start == "replay":
            assert s.latent_chain is not None
            latent = model.settings.latent
            state.buffers["latents"] = ReplayBuffer(s.replay, s.latent_chain, latent, like)
        return state

    @property
    def pretrain_steps(self) -> int:
        return self.settings.pretrain_steps

    def learning_rate(self, step: int) -> float:
        s = self.settings
        return s.pretrain_learning_rate if step < s.pretrain_steps else s.learning_rate

    def loss(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> StepResult:
        s = self.settings
        data = model.energy(batch)
        positive = data.mean()
        loss = positive + s.latent_penalty * model.encode(batch).square().sum(dim=1).mean()
        if state.step < s.pretrain_steps:
            return StepResult(loss, {"positive_energy": positive.item()})
        negatives = self.negatives(model, batch, state, generator, store=True)
        energies = model.energy(negatives)
        negative = energies.mean()
        stop_if_diverged(s, state, negative.item())
        loss = loss - negative + s.gamma * energies.square().mean()
        if s.gamma_data:
            loss = loss + s.gamma_data * data.square().mean()
        loss = loss + temperature_term(positive, negative, state.modules)
        metrics = {"positive_energy": positive.item(), "negative_energy": negative.item()}
        return StepResult(loss, metrics)

    def validate(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> Validation:
        if state.step <= self.settings.pretrain_steps:
            return Validation(None, {})
        return super().validate(model, batch, state, generator)

    def verdict(
        self, model: Autoencoder, batch: Tensor, negatives: Tensor, metrics: dict[str, float]
    ) -> Validation:
        gap = model.scores(batch).mean() - model.scores(negatives).mean()
        distance = {"distance": wasserstein2_squared(batch, negatives).item()}
        return Validation(abs(gap.item()), metrics | distance)

    def negatives(
        self,
        model: Autoencoder,
        batch: Tensor,
        state: State,
        generator: torch.Generator,
        store: bool,
        draw: Sampler = sample,
    ) -> Tensor:
        s = self.settings
        energy = tempered(model.energy, s.chain, state.modules)
        if s.negatives == "cd":
            return draw(energy, batch, s.chain, generator)
        if s.negatives == "pcd":
            buffer = state.buffers["inputs"]
            ends = draw(energy, buffer.starts(len(batch), generator), s.chain, generator)
            if store:
                buffer.push(ends)
            return ends
        starts = self._on_manifold(model, batch, state, generator, store, draw)
        return draw(energy, starts, s.chain, generator)

    def _on_manifold(
        self,
        model: Autoencoder,
        batch: Tensor,
        state: State,
        generator: torch.Generator,
        store: bool,
        draw: Sampler,
    ) -> Tensor:
        s = self.settings
        latents = self._latent_starts(model, batch, state, generator)
        if s.latent_chain is not None:
            latents = draw(
                lambda z: model.energy(model.decode(z)), latents, s.latent_chain, generator
            )
        if s.latent_start == "replay":
            if store:
                state.buffers["latents"].push(latents)
            return model.decode(latents)
        decoded = model.decode(latents)
        return decoded if s.chain.boundary == "none" else decoded.clamp(*s.chain.bounds)

    def _latent_starts(
        self, model: Autoencoder, batch: Tensor, state: State, generator: torch.Generator
    ) -> Tensor:
        if self.settings.latent_start == "replay":
            return state.buffers["latents"].starts(len(batch), generator)
        with torch.no_grad():
            mixed = shuffled(model.encode(batch), generator)
        return normalize(mixed) if model.settings.spherical else mixed


def shuffled(samples: Tensor, generator: torch.Generator) -> Tensor:
    """Samples (B, F), each column in an order of its own: its values, without correlations."""
    key = torch.rand(samples.shape, generator=generator, device=samples.device)
    return samples.gather(0, key.argsort(dim=0))
