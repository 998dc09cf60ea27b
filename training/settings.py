"""Settings of the training stage: the model, the chains, the objective. Light: pydantic alone.

Numbers are the published ones where a paper gives one (docs/training.md names it); inputs are
taken to be standardised, so lengths (noise, bounds) are in standard deviations.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from naetrigger.contracts.settings import Settings

Width = Annotated[int, Field(ge=1, le=65536)]
Bounds = tuple[float, float]


class ModelSettings(Settings):
    """A fully connected autoencoder with a linear latent layer and a linear output."""

    kind: Literal["mlp"] = "mlp"
    """The family of networks; a name in `naetrigger.training.models.MODELS`."""

    hidden: tuple[Width, ...] = (32, 32)
    """Widths of the encoder's hidden layers, from the input to the latent."""

    latent: Width = 3
    """Width of the latent layer."""

    decoder_hidden: tuple[Width, ...] | None = None
    """Widths of the decoder's hidden layers, from the latent to the output; none: mirrored."""

    activation: Literal["relu", "leaky_relu", "softplus", "tanh"] = "relu"
    """Activation of the hidden layers; hardware wants relu."""

    score: Literal["squared_error", "absolute_error"] = "squared_error"
    """The anomaly score, which is also the energy E(x) that training shapes."""


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

    bounds: Bounds = (-4.0, 4.0)
    """The box, the same in every coordinate; uniform starts are drawn from it too."""

    boundary: Literal["clip", "reject", "none"] = "clip"
    """What a step out of the box does: stop at its face, not happen, or go ahead."""

    gradient_clip: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Greatest norm of grad E(x), sample by sample; none: as it comes."""

    metropolis: bool = False
    """Accept or refuse each step so that exp(-E/T) is kept exactly (Metropolis-Hastings)."""

    spherical: bool = False
    """Walk on the unit sphere: tangent steps, brought back to length one."""

    @property
    def drift_step(self) -> float:
        """The step size in use."""
        return self.noise**2 / 2 if self.step_size is None else self.step_size

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        low, high = self.bounds
        if not low < high or abs(low) == float("inf") or abs(high) == float("inf"):
            raise ValueError(f"bounds must be finite with low < high, got ({low}, {high})")
        if self.noise == 0 and (self.step_size is None or self.metropolis):
            raise ValueError("noise = 0 needs a step_size and goes without metropolis")
        if self.metropolis and self.boundary == "clip":
            raise ValueError(
                "metropolis with boundary 'clip' does not keep the target density at the faces; "
                "use boundary 'reject' (density cut off at the box) or 'none'"
            )
        if self.spherical and self.boundary != "none" and not (low <= -1 and high >= 1):
            raise ValueError("a spherical chain needs bounds that hold the unit sphere, or 'none'")
        return self


class Replay(Settings):
    """A buffer of past samples from which chains go on (persistent contrastive divergence)."""

    size: int = Field(10_000, ge=1)
    """Samples kept; the oldest make room."""

    ratio: float = Field(0.95, ge=0, le=1)
    """Share of chains that go on from the buffer; the rest start afresh."""

    start: Literal["uniform", "gaussian"] = "uniform"
    """Fresh starts: uniform in the chain's box, or standard normal, cut at the box."""


class _Common(Settings):
    """What every objective shares."""

    steps: int = Field(3000, ge=1)
    """Optimiser steps at most."""

    batch_size: int = Field(512, ge=1)
    """Events a step, drawn with replacement."""

    learning_rate: float = Field(1e-3, gt=0, allow_inf_nan=False)
    """Step of AdamW."""

    weight_decay: float = Field(0.0, ge=0, allow_inf_nan=False)
    """Decoupled weight decay of AdamW."""

    use_weights: bool = False
    """Draw events with probability proportional to their weight; otherwise all alike."""

    validate_every: int = Field(50, ge=1)
    """Steps between validations."""

    validation_size: int = Field(1024, ge=1)
    """Validation events in use, the same ones every time."""

    smoothing: int = Field(5, ge=1)
    """Validations averaged into the value that chooses the weights."""

    patience: int = Field(20, ge=1)
    """Validations without a new best value after which training stops."""

    checkpoint_every: int = Field(200, ge=1)
    """Steps between checkpoints."""

    curve_every: int = Field(10, ge=1)
    """Steps between the rows of curves.csv; validations have a row of their own."""

    baseline_steps: int = Field(0, ge=0)
    """Steps of a plain autoencoder of the same shape, trained beside as a baseline; 0: none."""


class AeObjective(_Common):
    """Plain autoencoder: minimise the mean energy of the data."""

    name: Literal["ae"] = "ae"
    """Which objective this is."""

    smoothing: int = Field(1, ge=1)
    """Validations averaged; the validation energy of a plain autoencoder hardly fluctuates."""


class NaeObjective(_Common):
    """Normalized autoencoder (Yoon et al., arXiv:2105.05735): E+ - E- with a brake on E-."""

    name: Literal["nae"] = "nae"
    """Which objective this is."""

    steps: int = Field(4000, ge=1)
    """Optimiser steps at most, pre-training included."""

    learning_rate: float = Field(1e-4, gt=0, allow_inf_nan=False)
    """Step of AdamW after pre-training."""

    negatives: Literal["cd", "pcd", "omi"] = "omi"
    """Where chains start: at the data, in the replay buffer, or on the decoder's manifold."""

    pretrain_steps: int = Field(2000, ge=0)
    """First steps, as a plain autoencoder."""

    pretrain_learning_rate: float = Field(1e-3, gt=0, allow_inf_nan=False)
    """Step of AdamW while pre-training."""

    gamma: float = Field(1.0, ge=0, allow_inf_nan=False)
    """The brake: gamma * mean(E-**2) is added to the loss, which has no lower bound without."""

    latent_penalty: float = Field(1e-3, ge=0, allow_inf_nan=False)
    """Factor of mean |encode(x)|**2 in the loss, which keeps latents inside the latent box."""

    chain: Langevin = Langevin()
    """The chain in the space of the inputs."""

    latent_chain: Langevin = Langevin(noise=0.1)
    """The chain in the latent space (omi), on the energy of decoded points."""

    replay: Replay = Replay()
    """The buffer: of samples (pcd) or of latents (omi)."""

    divergence_window: int = Field(1000, ge=10)
    """Steps over which mean and spread of E- are taken for the divergence stop."""

    divergence_sigmas: float = Field(6.0, gt=0)
    """E- beyond the window's mean by this many standard deviations stops training."""


class WnaeObjective(_Common):
    """Wasserstein normalized autoencoder (CMS-PAS-MLG-24-002): W2^2 of data and samples."""

    name: Literal["wnae"] = "wnae"
    """Which objective this is."""

    steps: int = Field(2000, ge=1)
    """Optimiser steps at most; the stopping rule usually comes first."""

    chain: Langevin = Langevin()
    """The chain whose samples are compared with the data; the gradient flows through it."""

    replay: Replay = Replay()
    """The buffer in which chains go on from step to step."""

    baseline_steps: int = Field(2000, ge=0)
    """Steps of a plain autoencoder of the same shape, trained beside as a baseline; 0: none."""


ObjectiveSettings = Annotated[
    AeObjective | NaeObjective | WnaeObjective, Field(discriminator="name")
]


class TrainingSettings(Settings):
    """All of a training."""

    model: ModelSettings = ModelSettings()
    """The network."""

    objective: ObjectiveSettings = WnaeObjective()
    """What it is trained for."""

    seed: int = Field(0, ge=0, lt=2**63)
    """Seed of everything random."""

    threads: int = Field(1, ge=1)
    """Threads of torch; one is fastest for small networks, and part of what makes runs equal."""
