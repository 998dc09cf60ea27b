"""Settings of the training stage: the model, the chains, the objective. Light: pydantic alone.

Numbers are the published ones where a paper gives one (docs/training.md names it).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from naetrigger.training.settings.chains import Langevin, Replay
from naetrigger.training.settings.distance import (
    MahalanobisObjective,
    RelativeMahalanobisObjective,
)
from naetrigger.training.settings.energy import (
    ContrastBase,
    IgebmObjective,
    MpdrObjective,
    NaeObjective,
    RecoveryObjective,
    WnaeObjective,
)
from naetrigger.training.settings.likelihood import (
    FlowObjective,
    GlowObjective,
    PixelCnnObjective,
)
from naetrigger.training.settings.model import ModelSettings
from naetrigger.training.settings.objective import ObjectiveBase
from naetrigger.training.settings.options import EnsembleSettings, TrainingOptions
from naetrigger.training.settings.reconstruction import (
    AeObjective,
    DaeObjective,
    DagmmObjective,
    KernelAeObjective,
    VaeObjective,
    WaeObjective,
)

__all__ = [
    "AeObjective",
    "AnyObjective",
    "ContrastBase",
    "DaeObjective",
    "DagmmObjective",
    "EnsembleSettings",
    "FlowObjective",
    "GlowObjective",
    "IgebmObjective",
    "KernelAeObjective",
    "Langevin",
    "MahalanobisObjective",
    "ModelSettings",
    "MpdrObjective",
    "NaeObjective",
    "ObjectiveBase",
    "ObjectiveSettings",
    "PixelCnnObjective",
    "RecoveryObjective",
    "RelativeMahalanobisObjective",
    "Replay",
    "TrainingOptions",
    "TrainingSettings",
    "VaeObjective",
    "WaeObjective",
    "WnaeObjective",
]

AnyObjective = (
    AeObjective
    | DaeObjective
    | WaeObjective
    | VaeObjective
    | KernelAeObjective
    | MahalanobisObjective
    | RelativeMahalanobisObjective
    | DagmmObjective
    | FlowObjective
    | GlowObjective
    | PixelCnnObjective
    | NaeObjective
    | WnaeObjective
    | MpdrObjective
    | RecoveryObjective
    | IgebmObjective
)
ObjectiveSettings = Annotated[AnyObjective, Field(discriminator="name")]


class TrainingSettings(TrainingOptions):
    """All of a training."""

    model: ModelSettings = ModelSettings()
    """The network."""

    objective: ObjectiveSettings = WnaeObjective()
    """What it is trained for."""

    seed: int = Field(0, ge=0, lt=2**63)
    """Seed of everything random."""
