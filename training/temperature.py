"""A temperature T that training learns together with the weights of E, in exp(-E/T).

It is learned as log T, so that it stays positive. The chain's own T_0 is where it starts: chains
walk on E T_0 / T with T_0, whose drift is -step_size grad E / T. How T gets its gradient:

  WNAE           through every step of the chain, as the weights do: for one step
                 d x'/d log T = step_size grad E / T.
  contrastive    that of minus the log likelihood, -log p = E/T + log Z(T), whose expectation over
                 the data has the derivative -(E+ - E-) / T with respect to log T. It is added
                 to the loss as (E+ - E-) (1/T - 1/T'), T' and E standing still: a term of value
                 zero, which leaves the weights' gradient what it is without.

E+ and E- are mean energies of data and samples, E- taken at fixed samples.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from naetrigger.training.langevin import Energy
from naetrigger.training.settings import Langevin

TEMPERATURE = "temperature"


class Temperature(nn.Module):
    """T = exp(log): called, it gives T, a scalar. `like` has dtype and device."""

    def __init__(self, chain: Langevin, like: Tensor) -> None:
        super().__init__()
        start = math.log(chain.temperature)
        self.log = nn.Parameter(torch.tensor(start, dtype=like.dtype, device=like.device))
        self.rate = chain.temperature_learning_rate

    def forward(self) -> Tensor:
        """T."""
        return torch.exp(self.log)


def learned_temperature(chain: Langevin, like: Tensor) -> dict[str, nn.Module]:
    """The modules of a state: a temperature if the chain has one to be learned."""
    if chain.temperature_learning_rate is None:
        return {}
    return {TEMPERATURE: Temperature(chain, like)}


def tempered(energy: Energy, chain: Langevin, modules: dict[str, nn.Module]) -> Energy:
    """E T_0 / T, for chains that divide by T_0; E itself where T is not learned."""
    temperature = modules.get(TEMPERATURE)
    if temperature is None:
        return energy

    def scaled(x: Tensor) -> Tensor:
        scaled_energy: Tensor = energy(x) * (chain.temperature / temperature())
        return scaled_energy

    return scaled


def temperature_term(
    positive: Tensor, negative: Tensor, modules: dict[str, nn.Module]
) -> Tensor | float:
    """What a contrastive loss of E+ and E- gets besides: zero, with the gradient of log T."""
    temperature = modules.get(TEMPERATURE)
    if temperature is None:
        return 0.0
    t = temperature()
    term: Tensor = (positive - negative).detach() * (1 / t - 1 / t.detach())
    return term
