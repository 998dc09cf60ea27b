"""The deep autoencoding Gaussian mixture model:

    L = mean |x - x'|^2 / D + lambda_1 mean E(x) + lambda_2 sum_kd 1 / C_kdd

with E the energy under the mixture that the batch itself makes (models/mixture.py). Zong et al.,
ICLR 2018. The mixture that scores is that of all training events, at the weights kept.
"""

from __future__ import annotations

import torch
from torch import Tensor

from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import ACTIVATIONS
from naetrigger.training.models.energy_model import in_parts
from naetrigger.training.models.mixture import EXTRA_FEATURES, MixtureModel
from naetrigger.training.models.mlp import stack
from naetrigger.training.objectives.objective import Objective, State, StepResult, Validation
from naetrigger.training.settings import DagmmObjective, ModelSettings


class Dagmm(Objective[DagmmObjective, MixtureModel]):
    """Criterion: the loss of the validation events, under their own mixture."""

    def network(
        self, model: ModelSettings, n_inputs: int, generator: torch.Generator
    ) -> MixtureModel:
        autoencoder = build_model(model, n_inputs, generator)
        k = self.settings.components
        widths = (model.latent + EXTRA_FEATURES, *self.settings.estimation_hidden, k)
        return MixtureModel(autoencoder, stack(widths, ACTIVATIONS["tanh"], generator), k)

    def loss(
        self, model: MixtureModel, batch: Tensor, state: State, generator: torch.Generator
    ) -> StepResult:
        del state, generator
        loss, error = self._loss(model, batch)
        return StepResult(loss, {"positive_energy": error.item()})

    def validate(
        self, model: MixtureModel, batch: Tensor, state: State, generator: torch.Generator
    ) -> Validation:
        del state, generator
        with torch.no_grad():
            return Validation(self._loss(model, batch)[0].item(), {})

    @torch.no_grad()
    def finish(self, model: MixtureModel, inputs: Tensor, weights: Tensor | None = None) -> None:
        features = in_parts(lambda x: model.features(x)[0], inputs)
        model.keep(model.mixture_from(features, self.settings.ridge, weights))

    def _loss(self, model: MixtureModel, x: Tensor) -> tuple[Tensor, Tensor]:
        s = self.settings
        features, errors = model.features(x)
        mixture = model.mixture_from(features, s.ridge)
        energy = mixture.energy(features).mean()
        tightness = (1 / mixture.covariances.diagonal(dim1=1, dim2=2)).sum()
        error = errors.mean()
        return error + s.energy_weight * energy + s.variance_weight * tightness, error
