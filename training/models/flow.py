"""A normalizing flow of vectors: an invertible map to a standard normal, with its volume known.

    -log p(x) = |z|^2 / 2 + (D/2) log 2 pi - log |det dz/dx|,  z = f(x)

f is a row of masked autoregressive maps, in the given order of the inputs and in the opposite one
by turns: each changes every input as those before it say, by a scale and a shift (Papamakarios et
al., arXiv:1705.07057) or by a monotonic spline between -5 and 5 (Durkan et al., arXiv:1906.04032).
They are zuko's. Images have a flow of their own (glow.py).
"""

from __future__ import annotations

import torch
from torch import Tensor

from naetrigger.contracts.score import score_named
from naetrigger.training.models.autoencoder import ACTIVATIONS
from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.settings import FlowObjective, ModelSettings


class Flow(EnergyModel):
    """Energy: minus the exact log density, in nats."""

    def __init__(
        self,
        settings: ModelSettings,
        objective: FlowObjective,
        n_inputs: int,
        generator: torch.Generator,
    ) -> None:
        from zuko.flows import MAF, NSF  # here: it takes time to import

        super().__init__(settings, n_inputs, score_named("energy"))
        seed = int(torch.randint(2**62, (), generator=generator))
        with torch.random.fork_rng(devices=[]):  # zuko draws weights from torch's own generator
            torch.manual_seed(seed)
            self.flow = {"affine": MAF, "spline": NSF}[objective.maps](
                n_inputs,
                transforms=objective.transforms,
                hidden_features=settings.hidden,
                activation=ACTIVATIONS[settings.activation],
            )

    def energy(self, x: Tensor) -> Tensor:
        """-log p(x), shape (B,)."""
        log_p: Tensor = self.flow().log_prob(x)
        return -log_p
