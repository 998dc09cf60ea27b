"""What `naetrigger search` may change in a recipe, and how long it looks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from naetrigger.contracts.settings import Settings

Bits = tuple[int, int]


class TrialPruning(Settings):
    """A trial ends early when a finished student of an earlier round was, at the same epoch, much
    nearer to the teacher for no more adders. No signal is looked at."""

    after: float = Field(default=0.5, gt=0, lt=1)
    """Part of the epochs after which it is looked at, once."""
    margin: float = Field(default=1.5, ge=1)
    """By what factor the rank shift must be larger."""


class SearchSettings(Settings):
    """Ranges are [smallest, largest], both included; what is not named stays the recipe's."""

    trials: int = Field(default=40, ge=1, le=100_000)
    """Students to train, the recipe's own first. More trials go on from those that are there."""
    weight_bits: Bits = (3, 8)
    """Bits of the weights, of all layers together or, with per_layer, of each."""
    per_layer: bool = False
    """Let every layer have weight bits of its own (student.layers)."""
    activation_bits: Bits = (4, 8)
    """Bits behind the ReLUs."""
    latent_bits: Bits = (5, 10)
    """Bits of the latents."""
    reconstruction_bits: Bits | None = None
    """Bits of the reconstruction; absent: as the recipe has them."""
    hidden: tuple[tuple[int, ...], ...] = ()
    """Shapes to choose from, with student.mode distil or regress."""
    rounding: tuple[Literal["half_even", "half_up"], ...] = ("half_even", "half_up")
    """Roundings to choose from."""
    sparsity: tuple[float, ...] = (0.0, 0.3, 0.5, 0.7)
    """Fractions of pruned weights to choose from."""
    latency_cutoffs: tuple[float, ...] = ()
    """Further pipelinings of every design; the board's own decides, front.json has the others."""
    epochs: int | None = Field(default=None, ge=1, le=100_000)
    """Passes with quantizers in a trial; absent: the recipe's."""

    at_once: int = Field(default=5, ge=1, le=1000)
    """Trials of a round, which know of the rounds before alone: so many can be made at once
    (--dask), and the result does not depend on how many are."""
    prune: TrialPruning | None = TrialPruning()
    """When a trial is given up before its last epoch; null: never."""
    storage: str | None = None
    """URL of Optuna's storage, as SQLAlchemy takes it; absent: study.sqlite3 in the run folder."""

    @model_validator(mode="after")
    def _ranges_and_choices(self) -> SearchSettings:
        for name in ("weight_bits", "activation_bits", "latent_bits", "reconstruction_bits"):
            bits = getattr(self, name)
            if bits is not None and not 2 <= bits[0] <= bits[1] <= 24:
                raise ValueError(f"{name}: expected 2 <= smallest <= largest <= 24, got {bits}")
        if not self.rounding or not self.sparsity:
            raise ValueError("rounding and sparsity need at least one choice each")
        if any(not 0 <= value <= 0.99 for value in self.sparsity):
            raise ValueError(f"sparsity: expected fractions of 0 to 0.99, got {self.sparsity}")
        if any(not shape or not all(1 <= n <= 4096 for n in shape) for shape in self.hidden):
            raise ValueError(f"hidden: expected shapes of widths 1 to 4096, got {self.hidden}")
        if any(value <= 0 for value in self.latency_cutoffs):
            raise ValueError(f"latency_cutoffs: expected numbers > 0, got {self.latency_cutoffs}")
        return self
