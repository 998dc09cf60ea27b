"""Settings that every objective shares, and what each says of its scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from naetrigger.contracts.settings import Settings
from naetrigger.training.settings.model import ModelSettings


class ObjectiveBase(Settings):
    """What every objective shares.

    A new one states in `offers` which scores it has, each with the reason why that score cannot
    go to hardware as it is ("": it can); the first is taken where there is no choice.
    """

    offers: ClassVar[Mapping[str, str]] = {"reconstruction": ""}

    without: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """By score: the settings of `model` that its network does not have, which are refused; `hidden`
    and `latent` are not among them, as every recipe states these."""

    passes_over: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """By score: the settings of `model` that recipes may state though its network does without."""

    instead: ClassVar[str] = ""
    """What that network has instead of them."""

    source: ClassVar[str]
    """Where it comes from."""

    name: str
    """Which objective this is."""

    steps: int = Field(3000, ge=1)
    """Optimiser steps at most."""

    batch_size: int = Field(512, ge=1, le=10_000_000)
    """Events a step, drawn with replacement."""

    learning_rate: float = Field(1e-3, gt=0, allow_inf_nan=False)
    """Step of AdamW."""

    weight_decay: float = Field(0.0, ge=0, allow_inf_nan=False)
    """Decoupled weight decay of AdamW."""

    average: float = Field(0.0, ge=0, lt=1)
    """Decay a step of a moving average of the weights, which then are what is validated and kept;
    0: the weights of one step."""

    use_weights: bool = False
    """Draw events with probability proportional to their weight; otherwise all alike."""

    validate_every: int = Field(50, ge=1)
    """Steps between validations."""

    validation_size: int = Field(1024, ge=1)
    """Validation events in use, the same ones every time."""

    smoothing: int = Field(5, ge=1)
    """Validations averaged into the value that chooses the weights; until there are so many, the
    newest weights are kept."""

    patience: int = Field(20, ge=1)
    """Validations without a new best value after which training stops; the first `smoothing` do not
    count."""

    checkpoint_every: int = Field(200, ge=1)
    """Steps between checkpoints."""

    curve_every: int = Field(10, ge=1)
    """Steps between the rows of curves.csv; validations have a row of their own."""

    baseline_steps: int = Field(0, ge=0)
    """Steps of a plain autoencoder of the same shape, trained beside as a baseline; 0: none."""

    @property
    def offered(self) -> str:
        """Which of `offers` this recipe takes."""
        return str(getattr(self, "score", next(iter(self.offers))))

    @property
    def needs_model(self) -> bool:
        """Whether the network that scores is made from `model` at all."""
        return True

    def unused(self, model: ModelSettings) -> str:
        """What of `model` the network that scores leaves unused or cannot have; "": nothing."""
        if self.average and model.batch_norm:
            return (
                "objective.average: averaged weights would need running means of their own; leave "
                "out objective.average, or model.batch_norm"
            )
        for name in self.without.get(self.offered, ()):
            value, default = getattr(model, name), type(model).model_fields[name].default
            if value != default:
                return (
                    f"model.{name}: {str(value).lower()} has no effect, as the network of "
                    f"objective {self.name} ({self.offered}) has no such thing; leave it out "
                    f"(the default is {str(default).lower()}), or choose another objective.name"
                )
        return ""

    def passed_over(self, model: ModelSettings) -> str:
        """What is stated of `model` and not used, for the user to know; "": nothing."""
        keys = self.passes_over.get(self.offered, ())
        stated = [f"model.{key}" for key in keys if key in model.model_fields_set]
        if not stated:
            return ""
        but = " but for its baseline (objective.baseline_steps)" if self.baseline_steps else ""
        return (
            f"{', '.join(stated)}: not used by objective {self.name} ({self.offered}){but}: "
            f"{self.instead}"
        )

    @property
    def obstacle(self) -> str:
        """Why a student cannot have the teacher's score in its own graph; "": it can."""
        return self.offers[self.offered]
