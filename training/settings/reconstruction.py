"""Settings of objectives that train an autoencoder on data alone, without negatives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from naetrigger.training.settings.objective import ObjectiveBase


class AeObjective(ObjectiveBase):
    """Plain autoencoder: minimise the mean energy of the data."""

    name: Literal["ae"] = "ae"
    """Which objective this is."""

    smoothing: int = Field(1, ge=1)
    """Validations averaged; the validation energy of a plain autoencoder hardly fluctuates."""
