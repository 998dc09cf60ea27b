"""A moving average of a network's weights (Polyak and Juditsky 1992; exponential, as usual now).

With negatives the loss moves under the weights: each step follows the latest minimum that the
chains have found. The average over many steps does not swing with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Of a network, and of those that are trained beside it:

    average <- decay * average + (1 - decay) * weights, after each step; 0: nothing is averaged.

    Of the first t steps the decay is at most (1 + t) / (10 + t), so that the weights of the start
    are forgotten. What a network keeps beside its parameters is not averaged.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.parameters = dict(model.named_parameters()) if decay else {}
        self.values = {name: p.detach().clone() for name, p in self.parameters.items()}

    def restart(self) -> None:
        """Begin again with the weights as they are."""
        for name, p in self.parameters.items():
            self.values[name].copy_(p.detach())

    def follow(self, step: int) -> None:
        """After optimiser step number `step`, counted from 1 at the start or restart."""
        if not self.values:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        now = [p.detach() for p in self.parameters.values()]
        torch._foreach_lerp_(list(self.values.values()), now, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within, the network has the averaged weights."""
        own = {name: p.detach().clone() for name, p in self.parameters.items()}
        self._set(self.values)
        try:
            yield
        finally:
            self._set(own)

    def tensors(self) -> dict[str, Tensor]:
        """The whole state, for a checkpoint; empty if nothing is averaged."""
        return dict(self.values)

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take over the state that `tensors` gave."""
        for name, value in self.values.items():
            value.copy_(tensors[name])

    @torch.no_grad()
    def _set(self, values: dict[str, Tensor]) -> None:
        for name, value in values.items():
            self.parameters[name].copy_(value)
