"""Settings of objectives that compare data with negatives drawn by chains."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from naetrigger.training.settings.chains import Langevin, Replay
from naetrigger.training.settings.objective import ObjectiveBase


class NaeObjective(ObjectiveBase):
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


class WnaeObjective(ObjectiveBase):
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
