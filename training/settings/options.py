"""Settings of how a training is run, whatever its objective and network."""

from __future__ import annotations

from pydantic import Field

from naetrigger.contracts.settings import Settings


class EnsembleSettings(Settings):
    """The same training several times, each with a seed of its own."""

    members: int = Field(1, ge=1, le=1000)
    """Trainings with seeds seed, seed + 1, ...; the first alone goes on to student and firmware,
    the others show the report how far the result depends on the seed."""
