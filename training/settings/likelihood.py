"""Settings of objectives that maximise a likelihood known exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from naetrigger.training.settings.objective import ObjectiveBase

_NO_AUTOENCODER = ("kind", "spherical", "spectral_norm", "batch_norm", "score", "decoder_hidden")
_OWN_NETWORK = {"likelihood": _NO_AUTOENCODER}
_OWN_SIZE = {"likelihood": ("hidden", "latent")}


class FlowObjective(ObjectiveBase):
    """Normalizing flow of vectors by maximum likelihood."""

    source = "arXiv:1705.07057"

    offers: ClassVar[Mapping[str, str]] = {
        "likelihood": "the flow's likelihood needs exponentials and a network a step"
    }

    without = _OWN_NETWORK
    passes_over: ClassVar[Mapping[str, tuple[str, ...]]] = {"likelihood": ("latent",)}
    instead = "a flow has as many latents as inputs"

    name: Literal["flow"] = "flow"
    """Which objective this is."""

    transforms: int = Field(6, ge=1, le=64)
    """Autoregressive maps in a row; their networks have the widths model.hidden, which should be
    no smaller than the number of inputs: narrower ones know only some of them."""

    maps: Literal["affine", "spline"] = "affine"
    """Each input is scaled and shifted, or goes through a spline: closer, four times the work."""


class GlowObjective(ObjectiveBase):
    """Normalizing flow of images by maximum likelihood."""

    source = "arXiv:1807.03039"

    offers: ClassVar[Mapping[str, str]] = {
        "likelihood": "the flow's likelihood needs exponentials and several networks a scale"
    }

    without = _OWN_NETWORK
    passes_over = _OWN_SIZE
    instead = "objective.filters, objective.couplings and objective.halvings make its size"

    name: Literal["glow"] = "glow"
    """Which objective this is."""

    batch_size: int = Field(128, ge=1, le=10_000_000)
    """Events a step, drawn with replacement."""

    image: tuple[int, int] | None = None
    """Rows and columns of the image, inputs being its rows in turn; none: it is square."""

    halvings: int | None = Field(None, ge=1, le=10)
    """Scales: each halves rows and columns; none: as many as the image allows, at most three."""

    couplings: int = Field(4, ge=1, le=64)
    """Steps a scale, of an invertible 1x1 convolution and a coupling each."""

    filters: int = Field(32, ge=1, le=4096)
    """Channels of the couplings' convolutions; their activation is model.activation."""

    dequantization: float = Field(0.125, ge=0, allow_inf_nan=False)
    """Width of the uniform noise on inputs while training, without which the density of gray levels
    grows without bound; as it stands, the step of 16 levels from -1 to 1."""


class PixelCnnObjective(ObjectiveBase):
    """Likelihood of gray images, pixel by pixel."""

    source = "arXiv:1701.05517"

    offers: ClassVar[Mapping[str, str]] = {
        "likelihood": "the likelihood of an image needs exponentials and a network for each pixel"
    }

    without: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "likelihood": (*_NO_AUTOENCODER, "activation")
    }
    passes_over = _OWN_SIZE
    instead = "objective.filters, objective.blocks and objective.halvings make its size"

    name: Literal["pixelcnn"] = "pixelcnn"
    """Which objective this is."""

    batch_size: int = Field(128, ge=1, le=10_000_000)
    """Events a step, drawn with replacement."""

    image: tuple[int, int] | None = None
    """Rows and columns of the image, inputs being its rows in turn; none: it is square."""

    levels: int = Field(17, ge=2, le=65536)
    """Gray levels; 17 and the range (-1, 1) are those of the input spec images-64."""

    range: tuple[float, float] = (-1.0, 1.0)
    """Inputs of level 0 and of the highest one; the others lie between at equal distances."""

    off_grid: Literal["refuse", "round"] = "refuse"
    """Training with inputs that are no gray level: refused, or rounded to the nearest one."""

    filters: int = Field(16, ge=1, le=4096)
    """Channels of both streams."""

    blocks: int = Field(1, ge=1, le=64)
    """Residual blocks of each stream, on each scale, going down; one more going up."""

    halvings: int | None = Field(None, ge=0, le=10)
    """Times that rows and columns are halved on the way down; none: as often as the image allows,
    at most twice."""

    mixtures: int = Field(5, ge=1, le=256)
    """Logistic distributions that each pixel's level is a mixture of."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        low, high = self.range
        if not -float("inf") < low < high < float("inf"):
            raise ValueError(f"range must be finite with low < high, got ({low}, {high})")
        return self
