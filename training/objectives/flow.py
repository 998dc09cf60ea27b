"""Maximum likelihood of a normalizing flow of vectors: L = mean -log p(x), per input.

Papamakarios et al., arXiv:1705.07057 (models/flow.py).
"""

from __future__ import annotations

import torch
from torch import Tensor

from naetrigger.contracts.errors import InputError
from naetrigger.training.models.flow import Flow as FlowModel
from naetrigger.training.objectives.objective import Objective, State, StepResult, Validation
from naetrigger.training.settings import FlowObjective, ModelSettings


class Flow(Objective[FlowObjective, FlowModel]):
    """Criterion: minus the mean log density of the validation events, per input."""

    def network(self, model: ModelSettings, n_inputs: int, generator: torch.Generator) -> FlowModel:
        if n_inputs < 2:
            raise InputError(f"objective flow: its maps need two inputs or more, got {n_inputs}")
        return FlowModel(model, self.settings, n_inputs, generator)

    def loss(
        self, model: FlowModel, batch: Tensor, state: State, generator: torch.Generator
    ) -> StepResult:
        del state, generator
        energy = model.energy(batch).mean()
        return StepResult(energy / model.n_inputs, {"positive_energy": energy.item()})

    def validate(
        self, model: FlowModel, batch: Tensor, state: State, generator: torch.Generator
    ) -> Validation:
        del state, generator
        return Validation(model.scores(batch).mean().item() / model.n_inputs, {})
