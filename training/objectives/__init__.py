"""Training objectives by name: one entry a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from naetrigger.training.objectives.ae import Ae
from naetrigger.training.objectives.dae import Dae
from naetrigger.training.objectives.dagmm import Dagmm
from naetrigger.training.objectives.flow import Flow
from naetrigger.training.objectives.glow import Glow
from naetrigger.training.objectives.igebm import Igebm
from naetrigger.training.objectives.kernel_ae import KernelAe
from naetrigger.training.objectives.mahalanobis import Mahalanobis
from naetrigger.training.objectives.mpdr import Mpdr
from naetrigger.training.objectives.nae import Nae
from naetrigger.training.objectives.objective import Objective
from naetrigger.training.objectives.pixelcnn import PixelCnnLikelihood
from naetrigger.training.objectives.recovery import Recovery
from naetrigger.training.objectives.relative_mahalanobis import RelativeMahalanobis
from naetrigger.training.objectives.vae import Vae
from naetrigger.training.objectives.wae import Wae
from naetrigger.training.objectives.wnae import Wnae
from naetrigger.training.settings import ObjectiveSettings

OBJECTIVES: dict[str, Callable[[Any], Objective[Any, Any]]] = {
    "ae": Ae,
    "dae": Dae,
    "wae": Wae,
    "vae": Vae,
    "kernel_ae": KernelAe,
    "mahalanobis": Mahalanobis,
    "relative_mahalanobis": RelativeMahalanobis,
    "dagmm": Dagmm,
    "flow": Flow,
    "glow": Glow,
    "pixelcnn": PixelCnnLikelihood,
    "nae": Nae,
    "wnae": Wnae,
    "mpdr": Mpdr,
    "recovery": Recovery,
    "igebm": Igebm,
}


def build_objective(settings: ObjectiveSettings) -> Objective[Any, Any]:
    """The objective that the settings name."""
    return OBJECTIVES[settings.name](settings)
