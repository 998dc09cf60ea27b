"""How long work reports where it is, without knowing who listens."""

from __future__ import annotations

from typing import Protocol

RUNNING = "running"
"""What is told of a stage that begins for the first time, until it is told to be done."""


class Progress(Protocol):
    """A listener: the command line shows a bar, a test counts, a batch job prints lines."""

    def start(self, label: str, total: int) -> None:
        """A piece of work of `total` steps begins; 0: of events that nobody has counted."""

    def update(self, done: int, **values: float) -> None:
        """`done` steps are finished; `values` are what to show live (losses, distances)."""


class Silent:
    """Listens to nothing."""

    def start(self, label: str, total: int) -> None:
        del label, total

    def update(self, done: int, **values: float) -> None:
        del done, values
