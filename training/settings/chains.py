"""Settings of Langevin chains and of the buffers they go on in.

Inputs are taken to be standardised, so lengths (noise, bounds) are in standard deviations.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from naetrigger.contracts.settings import Settings

Bounds = tuple[float, float]


class Langevin(Settings):
    """A Langevin chain: x <- x - step_size * grad E(x) / temperature + noise * eps."""

    steps: int = Field(10, ge=1)
    """Steps of the chain."""

    step_size: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Step of the drift; none: noise**2 / 2, for which exp(-E/T) is the target density."""

    noise: float = Field(0.2, ge=0, allow_inf_nan=False)
    """Standard deviation of the noise added in each step."""

    temperature: float = Field(0.05, gt=0, allow_inf_nan=False)
    """T in exp(-E/T)."""

    temperature_learning_rate: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Step of AdamW for log T, which then starts at `temperature` and is learned; none: T stays."""

    final_noise: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Noise of the last step, reached by equal factors from `noise`; none: it stays."""

    final_temperature: float | None = Field(None, gt=0, allow_inf_nan=False)
    """T of the last step, reached by equal factors from `temperature`; none: it stays."""

    bounds: Bounds = (-4.0, 4.0)
    """The box, the same in every coordinate; uniform starts are drawn from it too."""

    boundary: Literal["clip", "reject", "none"] = "clip"
    """What a step out of the box does: stop at its face, not happen, or go ahead."""

    gradient_clip: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Greatest norm of grad E(x), sample by sample; none: as it comes."""

    gradient_clip_rows: int = Field(1, ge=1)
    """Rows of an image, inputs being its rows in turn, that gradient_clip cuts one by one."""

    metropolis: bool = False
    """Accept or refuse each step so that exp(-E/T) is kept exactly (Metropolis-Hastings)."""

    spherical: bool = False
    """Walk on the unit sphere: tangent steps, brought back to length one."""

    @property
    def drift_step(self) -> float:
        """The step size in use."""
        return self.noise**2 / 2 if self.step_size is None else self.step_size

    @property
    def annealed(self) -> bool:
        """Whether noise or temperature change along the chain."""
        return self.final_noise is not None or self.final_temperature is not None

    def at(self, step: int) -> Langevin:
        """The settings of one step, counted from 0."""
        if not self.annealed:
            return self
        share = step / max(self.steps - 1, 1)
        ends = {"noise": self.final_noise, "temperature": self.final_temperature}
        now = {
            name: getattr(self, name) * (end / getattr(self, name)) ** share
            for name, end in ends.items()
            if end is not None
        }
        return self.model_copy(update={"final_noise": None, "final_temperature": None, **now})

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        low, high = self.bounds
        if not low < high or abs(low) == float("inf") or abs(high) == float("inf"):
            raise ValueError(f"bounds must be finite with low < high, got ({low}, {high})")
        if self.noise == 0 and (self.step_size is None or self.metropolis):
            raise ValueError("noise = 0 needs a step_size and goes without metropolis")
        if self.noise == 0 and self.final_noise is not None:
            raise ValueError("final_noise is reached by factors, so noise must be > 0")
        if self.temperature_learning_rate is not None and (
            self.final_temperature is not None or self.gradient_clip is not None
        ):
            raise ValueError(
                "temperature_learning_rate goes without final_temperature, and without "
                "gradient_clip, which would cut the drift whatever T is"
            )
        if self.gradient_clip_rows != 1 and self.gradient_clip is None:
            raise ValueError(
                f"gradient_clip_rows: {self.gradient_clip_rows} rows have no effect without a "
                "gradient_clip, the greatest norm of each; set it, or leave gradient_clip_rows out"
            )
        if self.metropolis and self.annealed:
            raise ValueError("metropolis keeps one density: leave out final_noise and temperature")
        if self.metropolis and self.boundary == "clip":
            raise ValueError(
                "metropolis with boundary 'clip' does not keep the target density at the faces; "
                "use boundary 'reject' (density cut off at the box) or 'none'"
            )
        if self.spherical and self.boundary != "none" and not (low <= -1 and high >= 1):
            raise ValueError("a spherical chain needs bounds that hold the unit sphere, or 'none'")
        return self


def require_fixed_temperature(chain: Langevin, name: str, why: str) -> None:
    """ValueError if the temperature of a chain is to be learned where that means nothing."""
    if chain.temperature_learning_rate is not None:
        raise ValueError(f"{name}.temperature_learning_rate: must be null, because {why}")


class Replay(Settings):
    """A buffer of past samples from which chains go on (persistent contrastive divergence)."""

    size: int = Field(10_000, ge=1)
    """Samples kept; the oldest make room."""

    ratio: float = Field(0.95, ge=0, le=1)
    """Share of chains that go on from the buffer; the rest start afresh."""

    start: Literal["uniform", "gaussian"] = "uniform"
    """Fresh starts: uniform in the chain's box, or standard normal, cut at the box."""
