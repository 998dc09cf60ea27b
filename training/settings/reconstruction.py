"""Settings of objectives that train on data alone, without negatives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from naetrigger.training.settings.model import Width
from naetrigger.training.settings.objective import ObjectiveBase


class AeObjective(ObjectiveBase):
    """Plain autoencoder: minimise the mean energy of the data."""

    source = "arXiv:1808.08979"

    name: Literal["ae"] = "ae"
    """Which objective this is."""

    smoothing: int = Field(1, ge=1)
    """Validations averaged; the validation energy of a plain autoencoder hardly fluctuates."""


class DaeObjective(ObjectiveBase):
    """Denoising autoencoder: reconstruct events from noisy copies."""

    source = "Vincent et al., ICML 2008"

    name: Literal["dae"] = "dae"
    """Which objective this is."""

    noise: float = Field(0.3, gt=0, allow_inf_nan=False)
    """Standard deviation of the Gaussian noise on the inputs."""


class WaeObjective(ObjectiveBase):
    """Wasserstein autoencoder: reconstruction, and MMD to a prior."""

    source = "arXiv:1711.01558"

    name: Literal["wae"] = "wae"
    """Which objective this is."""

    mmd_weight: float = Field(1.0, ge=0, allow_inf_nan=False)
    """Factor of the squared maximum mean discrepancy of latents and prior in the loss."""


class VaeObjective(ObjectiveBase):
    """Variational autoencoder: the evidence lower bound."""

    source = "arXiv:1312.6114"

    offers: ClassVar[Mapping[str, str]] = {
        "reconstruction": "",
        "likelihood": "the bound on the likelihood needs exponentials and several latents",
    }

    without: ClassVar[Mapping[str, tuple[str, ...]]] = {"likelihood": ("score",)}

    name: Literal["vae"] = "vae"
    """Which objective this is."""

    score: Literal["reconstruction", "likelihood"] = "reconstruction"
    """reconstruction: the error from the mean latent, model.score. likelihood: minus the bound."""

    observation_noise: float = Field(0.3, gt=0, allow_inf_nan=False)
    """Standard deviation of the decoder's Gaussian, the same for every input."""

    score_latents: int = Field(16, ge=2, multiple_of=2)
    """Latents that the likelihood score averages over, in pairs of opposite noise."""


class KernelAeObjective(ObjectiveBase):
    """Autoencoder with a smeared loss for images."""

    source = "arXiv:2104.09051"

    offers: ClassVar[Mapping[str, str]] = {
        "reconstruction": "",
        "smeared": "the smeared error has no form in hardware yet",
    }

    without: ClassVar[Mapping[str, tuple[str, ...]]] = {"smeared": ("score",)}

    name: Literal["kernel_ae"] = "kernel_ae"
    """Which objective this is."""

    score: Literal["reconstruction", "smeared"] = "reconstruction"
    """reconstruction: the plain error, model.score. smeared: the error as it is trained."""

    width: float = Field(1.0, gt=0, le=100, allow_inf_nan=False)
    """Standard deviation of the Gaussian that smears the residual image, in pixels."""

    image: tuple[int, int] | None = None
    """Rows and columns of the image, inputs being its rows in turn; none: it is square."""


class DagmmObjective(ObjectiveBase):
    """Deep autoencoding Gaussian mixture: latent and errors in a mixture."""

    source = "Zong et al., ICLR 2018"

    offers: ClassVar[Mapping[str, str]] = {
        "likelihood": "the mixture's likelihood needs logarithms and exponentials"
    }

    without: ClassVar[Mapping[str, tuple[str, ...]]] = {"likelihood": ("score",)}

    name: Literal["dagmm"] = "dagmm"
    """Which objective this is."""

    components: int = Field(4, ge=1, le=256)
    """Gaussians of the mixture."""

    estimation_hidden: tuple[Width, ...] = (10,)
    """Widths of the network that gives each event its membership in the Gaussians."""

    energy_weight: float = Field(0.1, ge=0, allow_inf_nan=False)
    """Factor of the mixture's energy in the loss (lambda_1)."""

    variance_weight: float = Field(0.005, ge=0, allow_inf_nan=False)
    """Factor of the sum of inverse variances in the loss (lambda_2)."""

    ridge: float = Field(1e-3, gt=0, allow_inf_nan=False)
    """Added to every variance of the mixture, which keeps covariances invertible."""
