"""An encoder, a decoder, and the energy that their reconstruction gives each input."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from naetrigger.contracts.score import ArrayAlgebra, Score, evaluate
from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.settings import ModelSettings

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
}


class Layer(NamedTuple):
    """A linear layer and the name of the activation behind it ('linear': none)."""

    linear: nn.Linear
    activation: str
    slope: float | None = None
    """Of the negative side, where the activation has one."""


class Autoencoder(EnergyModel):
    """x -> latent -> reconstruction, with the energy E(x) that a score defines.

    Parameters
    ----------
    encoder, decoder : (B, F) -> (B, latent) -> (B, F)
    settings : what they were built from, kept for the teacher's file
    n_inputs : F
    score : an entry of `naetrigger.contracts.score.SCORES`
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        settings: ModelSettings,
        n_inputs: int,
        score: Score,
    ) -> None:
        super().__init__(settings, n_inputs, score)
        self.encoder = encoder
        self.decoder = decoder
        self.lowered = False
        """Whether encoder and decoder compute in bfloat16 (training/precision.py)."""

    def forward(self, x: Tensor) -> Tensor:
        """The reconstruction, of the shape of x."""
        return self.decode(self.encode(x))

    def encode(self, x: Tensor) -> Tensor:
        """Latents, shape (B, latent); of length one if the settings say spherical."""
        latent = self.through(self.encoder, x)
        return latent / latent.norm(dim=1, keepdim=True) if self.settings.spherical else latent

    def decode(self, latent: Tensor) -> Tensor:
        """Reconstructions, shape (B, F)."""
        return self.through(self.decoder, latent)

    def through(self, part: nn.Module, x: Tensor) -> Tensor:
        """part(x), computed as encoder and decoder are; in the type of x."""
        if not self.lowered:
            plain: Tensor = part(x)
            return plain
        with torch.autocast(x.device.type, torch.bfloat16):
            result: Tensor = part(x)
        return result.to(x.dtype)

    def energy(self, x: Tensor) -> Tensor:
        """E(x) = factor * score expression, shape (B,); higher is more anomalous."""
        return self.energy_at(x, self.encode(x))

    def energy_at(self, x: Tensor, latent: Tensor) -> Tensor:
        """The energy of x if it is decoded from `latent`, (B, latent), instead of its own."""
        values = {"x": x, "latent": latent, "reconstruction": self.decode(latent)}
        energies: Tensor = evaluate(self.score.expression, values, ArrayAlgebra())
        return energies * self.score.factor(self.n_inputs)

    @property
    def layers(self) -> list[Layer]:
        """Encoder and decoder as one list of layers; TypeError if they are no such stack."""
        if self.settings.spherical:
            raise TypeError("a spherical latent does not fit a stack of linear layers")
        return [*layers_of(self.encoder), *layers_of(self.decoder)]


def layers_of(stack: nn.Module) -> list[Layer]:
    """A Sequential of linear layers and activations; TypeError for anything else in it."""
    names = {kind: name for name, kind in ACTIVATIONS.items()}
    layers: list[Layer] = []
    for module in stack.children():
        if isinstance(module, nn.Linear):
            layers.append(Layer(module, "linear"))
        elif type(module) in names and layers and layers[-1].activation == "linear":
            layers[-1] = Layer(layers[-1].linear, names[type(module)], _slope(module))
        else:
            raise TypeError(f"{type(module).__name__} does not fit a stack of linear layers")
    return layers


def _slope(activation: nn.Module) -> float | None:
    if isinstance(activation, nn.PReLU):
        return float(activation.weight.detach())
    return activation.negative_slope if isinstance(activation, nn.LeakyReLU) else None
