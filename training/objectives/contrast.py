"""The contrast of data and negatives, with its brake: L = E+ - E- + gamma mean(E-^2).

The energy of a scalar network may fall without end at the data too, so that its brake is
gamma (mean(E+^2) + mean(E-^2)) (Du and Mordatch, arXiv:1903.08689).
"""

from __future__ import annotations

from torch import Tensor

from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.models.scalar import ScalarEnergy
from naetrigger.training.objectives.divergence import stop_if_diverged
from naetrigger.training.objectives.objective import State, StepResult
from naetrigger.training.settings import ContrastBase
from naetrigger.training.temperature import temperature_term


def contrast(
    model: EnergyModel, batch: Tensor, negatives: Tensor, settings: ContrastBase, state: State
) -> StepResult:
    """The loss of data and negatives, (B, F) each; TrainingDiverged if E- has run away."""
    positives, energies = model.energy(batch), model.energy(negatives)
    positive, negative = positives.mean(), energies.mean()
    stop_if_diverged(settings, state, negative.item())
    brake = energies.square().mean()
    if isinstance(model, ScalarEnergy):
        brake = brake + positives.square().mean()
    metrics = {"positive_energy": positive.item(), "negative_energy": negative.item()}
    loss = positive - negative + settings.gamma * brake
    return StepResult(loss + temperature_term(positive, negative, state.modules), metrics)
