"""Settings of the network: its family, its widths, its score."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from naetrigger.contracts.settings import Settings

MAX_LAYERS = 64

Width = Annotated[int, Field(ge=1, le=65536)]
Widths = Annotated[tuple[Width, ...], Field(max_length=MAX_LAYERS)]


class ModelSettings(Settings):
    """An autoencoder with a linear latent layer and a linear output."""

    kind: Literal["mlp", "conv"] = "mlp"
    """The family of networks; a name in `naetrigger.training.models.MODELS`."""

    hidden: Widths = (32, 32)
    """Widths of the encoder's hidden layers, from the input to the latent; conv: channels."""

    image: tuple[int, int] | None = None
    """conv: rows and columns of the image, inputs being its rows in turn; none: it is square."""

    latent: Width = 3
    """Width of the latent layer."""

    decoder_hidden: Widths | None = None
    """Widths of the decoder's hidden layers, from the latent to the output; none: mirrored."""

    activation: Literal["relu", "leaky_relu", "prelu", "softplus", "tanh"] = "relu"
    """Activation of the hidden layers; hardware wants relu. prelu learns one slope a layer."""

    score: Literal["squared_error", "absolute_error"] = "squared_error"
    """The anomaly score, which is also the energy E(x) that training shapes."""

    spherical: bool = False
    """Latents are brought to length one, so that they live on the unit sphere."""

    spectral_norm: bool = False
    """Every weight matrix is divided by its greatest singular value while training; the teacher's
    file holds the quotients."""

    batch_norm: bool = False
    """Outputs of hidden layers are normalised while training (mlp; conv: of convolutions); the
    teacher's file holds plain layers that do the same."""

    @model_validator(mode="after")
    def _one_norm(self) -> Self:
        if self.batch_norm and self.spectral_norm:
            raise ValueError(
                "batch_norm undoes what spectral_norm does: it scales each output; choose one"
            )
        return self

    @model_validator(mode="after")
    def _image_is_used(self) -> Self:
        if self.image is not None and self.kind != "conv":
            raise ValueError(
                f"image: is for kind: conv, and kind is {self.kind}; leave image out, or set kind"
            )
        return self

    def obstacle(self, mode: str) -> str:
        """Why a student of `mode` cannot be made from this network; "": it can."""
        if mode == "quantize" and self.kind != "mlp":
            return f"a model.kind '{self.kind}' has no form in hardware yet"
        if mode == "quantize" and self.spherical:
            return "model.spherical divides by the latent's length, for which there is no hardware"
        if mode == "quantize" and self.activation != "relu":
            return f"hardware has no model.activation '{self.activation}'"
        return ""
