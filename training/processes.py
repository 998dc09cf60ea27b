"""Processes that train one network together, each with a share of every batch.

`torchrun` starts them and says to each its rank. What they exchange are tensors, and files in
memory; nothing is pickled. A training in one process has the same code with `ALONE`.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
import torch.distributed.nn  # here, since its functions keep the group there is when it is imported
from torch import Tensor

from naetrigger.training.launch import rank_and_size

PATIENCE = timedelta(days=7)  # of one process for another; torchrun ends all if one dies


@dataclass(frozen=True)
class Processes:
    """rank : this process, from 0; size : how many there are"""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """Means over all processes; the names must be the same ones in each."""
        if self.size == 1:
            return dict(values)
        together = torch.tensor(list(values.values()), dtype=torch.float64)
        dist.all_reduce(together)
        return dict(zip(values, (together / self.size).tolist(), strict=True))

    def any(self, here: bool) -> bool:
        """Whether it is so in any process."""
        return self.mean({"": float(here)})[""] > 0

    def joined(self, x: Tensor) -> Tensor:
        """The samples of all processes, (size * B, F) from (B, F), by rank; without a graph."""
        if self.size == 1:
            return x.detach()
        parts = [torch.empty_like(x) for _ in range(self.size)]
        dist.all_gather(parts, x.detach().contiguous())
        return torch.cat(parts)

    def from_first(self, content: bytes) -> bytes:
        """What process 0 has, in all."""
        if self.size == 1:
            return content
        length = torch.tensor([len(content)])
        dist.broadcast(length, 0)
        whole = _tensor(content) if self.leads else torch.empty(int(length), dtype=torch.uint8)
        dist.broadcast(whole, 0)
        return whole.numpy().tobytes()

    def to_first(self, content: bytes) -> list[bytes]:
        """What each process has, by rank, in process 0; an empty list in the others."""
        if self.size == 1:
            return [content]
        own = torch.tensor([len(content)])
        lengths = [torch.empty_like(own) for _ in range(self.size)]
        dist.all_gather(lengths, own)
        longest = int(torch.cat(lengths).max())
        padded = torch.zeros(longest, dtype=torch.uint8)
        padded[: len(content)] = _tensor(content)
        parts = [torch.empty_like(padded) for _ in range(self.size)] if self.leads else None
        dist.gather(padded, parts)
        if parts is None:
            return []
        return [p[: int(n)].numpy().tobytes() for p, n in zip(parts, lengths, strict=True)]


ALONE = Processes()


def together() -> Processes:
    """The processes of this training, joined; alone where `torchrun` did not start any."""
    processes = Processes(*rank_and_size())
    if processes.size > 1 and not dist.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, timeout=PATIENCE)
    return processes


def part() -> None:
    """Undo `together`, and end the group's threads: one that still holds a tensor while the
    interpreter shuts down aborts the process. The networks trained together must be gone.
    """
    if dist.is_initialized():
        gc.collect()  # networks that hold the group in reference cycles
        dist.destroy_process_group()


def _tensor(content: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(content, np.uint8).copy())
