"""The variational autoencoder: L = minus the evidence lower bound, per input.

Kingma and Welling, arXiv:1312.6114; the bound is in models/variational.py. Scored by the
reconstruction from the mean latent, which is that of an autoencoder, or by the bound itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

from naetrigger.contracts.errors import InputError
from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.models.variational import Variational, negative_bound, spread_head
from naetrigger.training.objectives.objective import Objective, State, StepResult, Validation
from naetrigger.training.settings import ModelSettings, VaeObjective


class Vae(Objective[VaeObjective, Autoencoder | Variational]):
    """Criterion: the loss of the validation events, with the same noise each time."""

    def network(
        self, model: ModelSettings, n_inputs: int, generator: torch.Generator
    ) -> Autoencoder | Variational:
        if model.spherical:
            raise InputError("objective vae: its prior is a normal one: set model.spherical: false")
        autoencoder = build_model(model, n_inputs, generator)
        if self.settings.score == "reconstruction":
            return autoencoder
        spread = spread_head(autoencoder, generator)
        half = torch.randn((self.settings.score_latents // 2, model.latent), generator=generator)
        noise = torch.cat([half, -half])
        return Variational(autoencoder, spread, noise, self.settings.observation_noise)

    def start(self, model: Autoencoder | Variational, generator: torch.Generator) -> State:
        if isinstance(model, Variational):
            return State()
        return State(modules={"spread": spread_head(model, generator)})

    def loss(
        self,
        model: Autoencoder | Variational,
        batch: Tensor,
        state: State,
        generator: torch.Generator,
    ) -> StepResult:
        bound = self._bound(model, batch, state, generator)
        return StepResult(bound, {}, lambda: {"positive_energy": model.scores(batch).mean().item()})

    def validate(
        self,
        model: Autoencoder | Variational,
        batch: Tensor,
        state: State,
        generator: torch.Generator,
    ) -> Validation:
        with torch.no_grad():
            return Validation(self._bound(model, batch, state, generator).item(), {})

    def _bound(
        self,
        model: Autoencoder | Variational,
        x: Tensor,
        state: State,
        generator: torch.Generator,
    ) -> Tensor:
        autoencoder, spread = (
            (model.autoencoder, model.spread)
            if isinstance(model, Variational)
            else (model, state.modules["spread"])
        )
        shape = (1, len(x), autoencoder.settings.latent)
        eps = torch.randn(shape, generator=generator, dtype=x.dtype, device=x.device)
        s = self.settings.observation_noise
        return negative_bound(autoencoder, spread, x, eps, s).mean() / x.shape[1]
