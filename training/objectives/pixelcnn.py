"""Maximum likelihood of gray images: L = mean -log P(image) / D (models/pixelcnn.py).

Salimans et al., arXiv:1701.05517 (PixelCNN++).
"""

from __future__ import annotations

import torch
from torch import Tensor

from naetrigger.contracts.errors import InputError
from naetrigger.training.models.image import halvings, image_of
from naetrigger.training.models.pixelcnn import Levels, PixelCnn
from naetrigger.training.objectives.objective import Objective, State, StepResult, Validation
from naetrigger.training.settings import ModelSettings, PixelCnnObjective

MOST_HALVINGS = 2  # as published
ON_GRID = 1e-3  # of the distance of two levels: inputs are float32


class PixelCnnLikelihood(Objective[PixelCnnObjective, PixelCnn]):
    """Criterion: minus the mean log probability of the validation events, per pixel."""

    def network(self, model: ModelSettings, n_inputs: int, generator: torch.Generator) -> PixelCnn:
        image = image_of(self.settings.image, n_inputs, "pixelcnn")
        halved = halvings(image, self.settings.halvings, MOST_HALVINGS, "pixelcnn")
        return PixelCnn(model, self.settings, image, halved, generator)

    def check(self, events: Tensor, sample: str) -> None:
        s = self.settings
        levels = Levels(s.levels, *s.range)
        position = levels.position(events.double())
        away = (position - position.round().clamp(0, s.levels - 1)).abs()
        bad = torch.nonzero(away > ON_GRID)
        if len(bad) and s.off_grid == "refuse":
            row, column = bad[0].tolist()
            raise InputError(
                f"objective pixelcnn: {100 * len(bad) / events.numel():.3g}% of the values of the "
                f"{sample} events are no gray level: levels 0 to {s.levels - 1} are "
                f"{s.range[0]:g} to {s.range[1]:g} in steps of "
                f"{(s.range[1] - s.range[0]) / (s.levels - 1):g}, and row {row}, input {column} is "
                f"{events[row, column].item():g}. Set objective.levels and objective.range to what "
                "the input spec makes of the pixels (the same offset and shift for all), or "
                "objective.off_grid: round, which takes the nearest level"
            )

    def loss(
        self, model: PixelCnn, batch: Tensor, state: State, generator: torch.Generator
    ) -> StepResult:
        del state, generator
        energy = model.energy(batch).mean()
        return StepResult(energy, {"positive_energy": energy.item()})

    def validate(
        self, model: PixelCnn, batch: Tensor, state: State, generator: torch.Generator
    ) -> Validation:
        del state, generator
        return Validation(model.scores(batch).mean().item(), {})
