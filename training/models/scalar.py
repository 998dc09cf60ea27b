"""A network whose one output is the energy; nothing bounds it from below but its training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from naetrigger.contracts.score import score_named
from naetrigger.training.models.autoencoder import ACTIVATIONS, Layer, layers_of
from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.models.mlp import stack
from naetrigger.training.models.spectral import normalised
from naetrigger.training.settings import ModelSettings


class ScalarEnergy(EnergyModel):
    """network : (B, F) -> (B, 1)"""

    def __init__(self, network: nn.Module, settings: ModelSettings, n_inputs: int) -> None:
        super().__init__(settings, n_inputs, score_named("energy"))
        self.network = network

    def energy(self, x: Tensor) -> Tensor:
        """The network's output, shape (B,)."""
        output: Tensor = self.network(x)
        return output.squeeze(1)

    @property
    def layers(self) -> list[Layer]:
        """Its linear layers; TypeError if it is no stack of them."""
        return layers_of(self.network)


def scalar_energy(
    settings: ModelSettings, n_inputs: int, generator: torch.Generator
) -> ScalarEnergy:
    """Fresh weights, with the widths `settings.hidden` between the inputs and the energy."""
    widths = (n_inputs, *settings.hidden, 1)
    network = stack(widths, ACTIVATIONS[settings.activation], generator, settings.batch_norm)
    return ScalarEnergy(
        normalised(network) if settings.spectral_norm else network, settings, n_inputs
    )
