"""Settings of objectives that compare data with negatives drawn by chains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from naetrigger.training.settings.chains import Langevin, Replay, require_fixed_temperature
from naetrigger.training.settings.model import ModelSettings
from naetrigger.training.settings.objective import ObjectiveBase

SCALAR = "the energy is a network's only output, not an autoencoder's error"
PROPOSES = "the latent chain only finds where the visible one starts: no loss depends on its T"
FREE_SCALE = "a scalar network learns any scale of E itself, and E/T is all that counts"


class ContrastBase(ObjectiveBase):
    """What objectives share that lower E of data and raise it at negatives, E+ - E-."""

    learning_rate: float = Field(1e-4, gt=0, allow_inf_nan=False)
    """Step of AdamW (after pre-training, if there is one)."""

    gamma: float = Field(1.0, ge=0, allow_inf_nan=False)
    """The brake: gamma * mean(E-**2) is added to the loss, which has no lower bound without;
    for scalar networks gamma * mean(E+**2) as well."""

    chain: Langevin = Langevin()
    """The chain in the space of the inputs."""

    divergence_window: int = Field(1000, ge=10)
    """Steps over which mean and spread of E- are taken for the divergence stop."""

    divergence_sigmas: float = Field(6.0, gt=0)
    """E- beyond the window's mean by this many standard deviations stops training."""


class NaeObjective(ContrastBase):
    """Normalized autoencoder: E+ - E- with a brake on E-."""

    source = "arXiv:2105.05735"

    name: Literal["nae"] = "nae"
    """Which objective this is."""

    steps: int = Field(4000, ge=1)
    """Optimiser steps at most, pre-training included."""

    negatives: Literal["cd", "pcd", "omi"] = "omi"
    """Where chains start: at the data, in the replay buffer, or on the decoder's manifold."""

    pretrain_steps: int = Field(2000, ge=0)
    """First steps, as a plain autoencoder."""

    pretrain_learning_rate: float = Field(1e-3, gt=0, allow_inf_nan=False)
    """Step of AdamW while pre-training."""

    latent_penalty: float = Field(1e-3, ge=0, allow_inf_nan=False)
    """Factor of mean |encode(x)|**2 in the loss, which keeps latents inside the latent box."""

    gamma_data: float = Field(0.0, ge=0, allow_inf_nan=False)
    """gamma_data * mean(E+**2) is added to the loss after pre-training, so that the events that are
    reconstructed worst weigh most, and the energies of data keep together."""

    latent_chain: Langevin | None = Langevin(noise=0.1)
    """The chain in the latent space (omi), on the energy of decoded points; none, with shuffled
    starts: these are decoded as they are."""

    latent_start: Literal["replay", "shuffled"] = "replay"
    """Where latent chains start (omi): in the buffer, or at latents of the batch in which each
    coordinate is shuffled over its events; what these decode to is brought into `chain`'s box."""

    replay: Replay = Replay()
    """The buffer: of samples (pcd) or of latents (omi)."""

    def unused(self, model: ModelSettings) -> str:
        """Besides: latent chains walk where the network's latents are, on the sphere or not."""
        chain = self.latent_chain if self.negatives == "omi" else None
        if chain is not None and chain.spherical != model.spherical:
            return (
                f"objective.latent_chain.spherical: {str(chain.spherical).lower()}, while "
                f"model.spherical is {str(model.spherical).lower()}: latent chains would walk "
                "where the encoder puts no event; make both the same"
            )
        return super().unused(model)

    @model_validator(mode="after")
    def _latent_temperature(self) -> Self:
        if self.latent_chain is not None:
            require_fixed_temperature(self.latent_chain, "latent_chain", PROPOSES)
        elif self.latent_start == "replay":
            raise ValueError(
                "latent_chain: none needs latent_start: shuffled, as latents in a replay buffer "
                "come from chains"
            )
        return self

    @model_validator(mode="after")
    def _latents_and_buffer_are_used(self) -> Self:
        default = {name: field.default for name, field in type(self).model_fields.items()}
        if self.negatives != "omi" and self.latent_chain != default["latent_chain"]:
            raise ValueError(
                f"latent_chain: is for negatives: omi, got negatives: {self.negatives}; leave it "
                "out"
            )
        buffered = self.negatives == "pcd" or (
            self.negatives == "omi" and self.latent_start == "replay"
        )
        if not buffered and self.replay != default["replay"]:
            raise ValueError(
                "replay: is for negatives: pcd, or omi with latent_start: replay, got negatives: "
                f"{self.negatives} with latent_start: {self.latent_start}; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _latent_start(self) -> Self:
        if self.latent_start != "replay" and self.negatives != "omi":
            raise ValueError(
                f"latent_start: {self.latent_start} is for negatives: omi, which alone have latent "
                f"chains; got negatives: {self.negatives}"
            )
        return self


class WnaeObjective(ObjectiveBase):
    """Wasserstein normalized autoencoder: W2^2 of data and samples."""

    source = "CMS-PAS-MLG-24-002"

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


class IgebmObjective(ContrastBase):
    """Scalar energy network with a replay buffer."""

    source = "arXiv:1903.08689"

    offers: ClassVar[Mapping[str, str]] = {"network": SCALAR}
    without: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "network": ("kind", "spherical", "score", "decoder_hidden")
    }
    passes_over: ClassVar[Mapping[str, tuple[str, ...]]] = {"network": ("latent",)}
    instead = "its network has the energy alone as output"

    name: Literal["igebm"] = "igebm"
    """Which objective this is."""

    replay: Replay = Replay()
    """The buffer in which chains go on from step to step."""

    @model_validator(mode="after")
    def _free_scale(self) -> Self:
        require_fixed_temperature(self.chain, "chain", FREE_SCALE)
        return self


class RecoveryObjective(ContrastBase):
    """Recovery likelihood with Gaussian noise."""

    source = "arXiv:2012.08125"

    name: Literal["recovery"] = "recovery"
    """Which objective this is."""

    perturbation: float = Field(0.5, gt=0, allow_inf_nan=False)
    """Standard deviation of the noise from which events are recovered."""


class MpdrObjective(ContrastBase):
    """Manifold projection-diffusion recovery."""

    source = "Yoon et al., NeurIPS 2023"

    offers: ClassVar[Mapping[str, str]] = {"reconstruction": "", "network": SCALAR}
    without: ClassVar[Mapping[str, tuple[str, ...]]] = {"network": ("kind", "spherical")}

    name: Literal["mpdr"] = "mpdr"
    """Which objective this is."""

    score: Literal["reconstruction", "network"] = "reconstruction"
    """reconstruction (MPDR-R): the energy is an autoencoder's. network (MPDR-S): a scalar's."""

    steps: int = Field(4000, ge=1)
    """Optimiser steps at most, pre-training included."""

    pretrain_steps: int = Field(2000, ge=0)
    """First steps, in which the autoencoder of the manifold alone is trained."""

    pretrain_learning_rate: float = Field(1e-3, gt=0, allow_inf_nan=False)
    """Step of AdamW while pre-training."""

    manifold_latent: int | None = Field(None, ge=2, le=65536)
    """Latent width of the manifold's autoencoder, on the sphere; none: model.latent + 1."""

    perturbation: tuple[PositiveFloat, PositiveFloat] = (0.05, 0.3)
    """Least and greatest noise on the latents, drawn event by event."""

    recovery_weight: float = Field(1e-4, ge=0, allow_inf_nan=False)
    """Factor of |encode(y) - z|**2 / (2 noise**2), which ties recovered points to their event."""

    latent_chain: Langevin = Langevin(steps=5, noise=0.05, spherical=True)
    """The chain on the manifold's sphere, on the energy of decoded points."""

    latent_penalty: float = Field(1e-4, ge=0, allow_inf_nan=False)
    """Factor of mean |encode(x)|**2 of the energy's own autoencoder in the loss."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        low, high = self.perturbation
        if not low <= high < float("inf"):
            raise ValueError(f"perturbation must be finite with low <= high, got {low}, {high}")
        if not self.latent_chain.spherical:
            raise ValueError("latent_chain.spherical must be true: latents are on a sphere")
        require_fixed_temperature(self.latent_chain, "latent_chain", PROPOSES)
        if self.score == "network":
            require_fixed_temperature(self.chain, "chain", FREE_SCALE)
        return self
