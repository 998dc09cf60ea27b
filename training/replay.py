"""A buffer of past samples, so that chains go on from step to step.

Persistent contrastive divergence: Tieleman 2008; with fresh starts: Du and Mordatch 2019.
"""

from __future__ import annotations

import torch
from torch import Tensor

from naetrigger.training.langevin import fresh_starts
from naetrigger.training.settings import Langevin, Replay


class ReplayBuffer:
    """A ring of the last `settings.size` samples of shape (F,).

    `like` gives dtype and device; `chain` the box (or sphere) of fresh starts.
    """

    def __init__(self, settings: Replay, chain: Langevin, n_features: int, like: Tensor) -> None:
        self.settings = settings
        self.chain = chain
        self.samples = torch.zeros(
            (settings.size, n_features), dtype=like.dtype, device=like.device
        )
        self.pushed = torch.zeros((), dtype=torch.int64)

    def __len__(self) -> int:
        return min(int(self.pushed), self.settings.size)

    def starts(self, n: int, generator: torch.Generator) -> Tensor:
        """n starts, shape (n, F): each from the buffer with probability `ratio`, else fresh.

        An empty buffer gives fresh starts alone.
        """
        fresh = fresh_starts(
            self.settings.start, (n, self.samples.shape[1]), self.chain, self.samples, generator
        )
        device = self.samples.device
        replayed = torch.rand(n, generator=generator, device=device) < self.settings.ratio
        if len(self) == 0:
            return fresh
        rows = torch.randint(len(self), (n,), generator=generator, device=device)
        return torch.where(replayed.unsqueeze(1), self.samples[rows], fresh)

    def push(self, samples: Tensor) -> None:
        """Store samples of shape (n, F) over the oldest ones."""
        size = self.settings.size
        first = int(self.pushed)
        kept = samples.detach()[-size:]
        count = torch.arange(len(kept), device=kept.device)
        rows = (count + first + len(samples) - len(kept)) % size
        self.samples[rows] = kept
        self.pushed += len(samples)

    def tensors(self) -> dict[str, Tensor]:
        """The whole state, for a checkpoint."""
        return {"samples": self.samples, "pushed": self.pushed}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take over the state that `tensors` gave."""
        self.samples.copy_(tensors["samples"])
        self.pushed.copy_(tensors["pushed"])
