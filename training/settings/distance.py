"""Settings of objectives that score by distances from the data's means, in units of its spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from naetrigger.training.settings.model import ModelSettings
from naetrigger.training.settings.objective import ObjectiveBase

_LEAST = "the least of several distances has no form in hardware yet"


class _Distance(ObjectiveBase):
    without: ClassVar[Mapping[str, tuple[str, ...]]] = {"latent": ("score",)}
    passes_over: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "inputs": tuple(ModelSettings.model_fields)
    }
    instead = "the distance is of the inputs themselves, without a network"

    score: Literal["latent", "inputs"] = "latent"
    """latent: of the latents of an autoencoder that is trained first. inputs: of the inputs
    themselves, in closed form: nothing is trained, and `steps` is 1 where nothing else is said."""

    @property
    def needs_model(self) -> bool:
        return self.score != "inputs"

    @model_validator(mode="before")
    @classmethod
    def _closed_form(cls, values: Any) -> Any:
        match values:
            case {"score": "inputs"} if "steps" not in values:
                return {**values, "steps": 1}
        return values


class MahalanobisObjective(_Distance):
    """Mahalanobis distance of latents or inputs from the background's mean."""

    source = "arXiv:1807.03888"

    offers: ClassVar[Mapping[str, str]] = {"latent": "", "inputs": ""}

    name: Literal["mahalanobis"] = "mahalanobis"
    """Which objective this is."""


class RelativeMahalanobisObjective(_Distance):
    """Distance from the nearest class, less that from all classes together."""

    source = "arXiv:2106.09022"

    offers: ClassVar[Mapping[str, str]] = {"latent": _LEAST, "inputs": _LEAST}

    name: Literal["relative_mahalanobis"] = "relative_mahalanobis"
    """Which objective this is."""

    labels: str = Field(min_length=1)
    """Context column of the background that holds each event's class, as a number."""

    classes: int = Field(ge=2, le=1000)
    """How many classes there are; the training events must have as many different labels."""

    class_weight: float = Field(0.1, ge=0, allow_inf_nan=False)
    """latent: factor in the loss of the cross entropy of a linear classifier of the latent."""
