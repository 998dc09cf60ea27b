"""Which of how many processes this is, as `torchrun` says in the environment."""

from __future__ import annotations

import os


def rank_and_size() -> tuple[int, int]:
    """This process's number, from 0, and how many there are; (0, 1) without `torchrun`."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
