"""The stops of objectives with negatives: their energy has run away, or they are no numbers.

When the energy runs away, the negatives no longer follow the model (Yoon, Noh and Park,
arXiv:2105.05735).
"""

from __future__ import annotations

from torch import Tensor

from naetrigger.contracts.errors import TrainingDiverged
from naetrigger.training.objectives.objective import State, Window
from naetrigger.training.settings import ContrastBase


def watched(settings: ContrastBase) -> State:
    """A state with the window that `stop_if_diverged` looks at."""
    return State(windows={"negative_energy": Window(settings.divergence_window)})


def stop_if_diverged(settings: ContrastBase, state: State, negative: float) -> None:
    """Note E- of this step; TrainingDiverged if it is far above those of a full window."""
    window = state.windows["negative_energy"]
    mean, sigma = window.values.mean().item(), window.values.std().item()
    if window.full and negative > mean + settings.divergence_sigmas * sigma:
        raise TrainingDiverged(
            f"{settings.name}: step {state.step}: the energy of the negatives, {negative:.4g}, is "
            f"more than {settings.divergence_sigmas:g} standard deviations ({sigma:.3g}) above its "
            f"mean over the last {settings.divergence_window} steps ({mean:.4g}): the model raises "
            "energies faster than its chains can follow. Lower objective.learning_rate, raise "
            "objective.gamma or objective.chain.steps, or train with objective.name: wnae"
        )
    window.push(negative)


def require_finite(name: str, negatives: Tensor, state: State) -> None:
    """TrainingDiverged if the ends of chains, (N, F), hold NaN or infinity."""
    if not negatives.isfinite().all():
        raise TrainingDiverged(
            f"{name}: step {state.step}: chains gave NaN or infinite samples. Lower "
            "objective.learning_rate or objective.chain.step_size, or set a "
            "objective.chain.gradient_clip or a boundary"
        )
