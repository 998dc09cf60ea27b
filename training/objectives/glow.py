"""Maximum likelihood of a normalizing flow of images: L = mean -log p(x), per input.

Kingma and Dhariwal, arXiv:1807.03039 (models/glow.py). The density is one of continuous inputs:
gray levels are spread by uniform noise while it learns, and scored as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor

from naetrigger.contracts.errors import InputError
from naetrigger.training.models.glow import Glow as GlowModel
from naetrigger.training.models.image import halvings, image_of
from naetrigger.training.objectives.objective import Objective, State, StepResult, Validation
from naetrigger.training.settings import GlowObjective, ModelSettings

MOST_SCALES = 3  # as published


class Glow(Objective[GlowObjective, GlowModel]):
    """Criterion: minus the mean log density of the validation events, per input."""

    def network(self, model: ModelSettings, n_inputs: int, generator: torch.Generator) -> GlowModel:
        s = self.settings
        image = image_of(s.image, n_inputs, "glow")
        scales = halvings(image, s.halvings, MOST_SCALES, "glow")
        if scales == 0:
            raise InputError(
                f"objective glow: an image of {image[0]} x {image[1]} has no halves; take an even "
                "number of rows and columns, or objective.name: flow"
            )
        return GlowModel(model, s, image, scales, generator)

    def loss(
        self, model: GlowModel, batch: Tensor, state: State, generator: torch.Generator
    ) -> StepResult:
        del state
        energy = model.energy(self._spread(batch, generator)).mean()
        return StepResult(energy / model.n_inputs, {"positive_energy": energy.item()})

    def validate(
        self, model: GlowModel, batch: Tensor, state: State, generator: torch.Generator
    ) -> Validation:
        del state
        spread = self._spread(batch, generator)
        return Validation(model.scores(spread).mean().item() / model.n_inputs, {})

    def _spread(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """The batch with each input anywhere within its level, whose width is a setting."""
        unit = torch.rand(batch.shape, generator=generator, dtype=batch.dtype, device=batch.device)
        return batch + self.settings.dequantization * (unit - 0.5)
