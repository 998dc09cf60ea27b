"""Relative Mahalanobis distance (models/relative_distance.py) of latents or inputs, with classes.

latent: L = |x - x'|^2 / D + w CE(head(z), class): an autoencoder whose latent a linear classifier
can read; means and covariances are those of all training events at the weights kept.
inputs: closed form; L is minus the log likelihood, per input, of the two Gaussian models that the
distances belong to (constants left out), whose minimum `finish` sets.

Batches hold the class as one more column behind the inputs. Ren et al., arXiv:2106.09022.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from naetrigger.training.models import build_model
from naetrigger.training.models.energy_model import in_parts
from naetrigger.training.models.mlp import linear
from naetrigger.training.models.relative_distance import RelativeDistance
from naetrigger.training.objectives.objective import Objective, State, StepResult, Validation
from naetrigger.training.settings import ModelSettings, RelativeMahalanobisObjective


class RelativeMahalanobis(Objective[RelativeMahalanobisObjective, RelativeDistance]):
    """Criterion: the loss of the validation events."""

    def network(
        self, model: ModelSettings, n_inputs: int, generator: torch.Generator
    ) -> RelativeDistance:
        body = None
        if self.settings.score == "latent":
            body = build_model(model, n_inputs, generator)
        return RelativeDistance(body, model, n_inputs, self.settings.classes)

    def start(self, model: RelativeDistance, generator: torch.Generator) -> State:
        if model.body is None:
            return State()
        head = linear(model.settings.latent, self.settings.classes, generator)
        return State(modules={"head": head.to(model.means)})

    def loss(
        self, model: RelativeDistance, batch: Tensor, state: State, generator: torch.Generator
    ) -> StepResult:
        del generator
        loss = self._loss(model, batch, state)
        if self.settings.score == "latent":  # whose means and covariances come when it ends
            return StepResult(loss, {})
        events = _parts(batch)[0]
        return StepResult(loss, {}, lambda: {"positive_energy": model.scores(events).mean().item()})

    def validate(
        self, model: RelativeDistance, batch: Tensor, state: State, generator: torch.Generator
    ) -> Validation:
        del generator
        with torch.no_grad():
            return Validation(self._loss(model, batch, state).item(), {})

    @torch.no_grad()
    def finish(
        self, model: RelativeDistance, inputs: Tensor, weights: Tensor | None = None
    ) -> None:
        x, classes = _parts(inputs)
        model.keep(in_parts(model.points, x), classes, weights)

    def _loss(self, model: RelativeDistance, batch: Tensor, state: State) -> Tensor:
        x, classes = _parts(batch)
        if model.body is None:
            own = model.from_classes(x).gather(1, classes.unsqueeze(1)).mean()
            whole = model.from_all(x).mean()
            volume = torch.slogdet(model.within)[1] + torch.slogdet(model.whole)[1]
            return ((own + whole) / 2 - volume) / x.shape[1]
        z = model.points(x)
        error = (x - model.body.decode(z)).square().mean()
        told = cross_entropy(state.modules["head"](z), classes)
        return error + self.settings.class_weight * told


def _parts(batch: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs and classes of (B, F + 1)."""
    return batch[:, :-1], batch[:, -1].long()
