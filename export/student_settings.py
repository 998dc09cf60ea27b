"""Settings of the student: its shape, its bit widths, and how it is trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from naetrigger.contracts.settings import Settings

MAX_LAYERS = 16


class LayerBits(Settings):
    """Formats of one layer where they differ from the rest; absent means as the rest."""

    weight: int | None = Field(default=None, ge=2, le=24)
    """Bits of a weight, sign included."""
    weight_integer: int | None = Field(default=None, ge=1, le=16)
    """Integer bits of a weight, sign included."""
    bias: int | None = Field(default=None, ge=2, le=24)
    """Bits of a bias, sign included."""
    bias_integer: int | None = Field(default=None, ge=1, le=16)
    """Integer bits of a bias, sign included."""
    activation: int | None = Field(default=None, ge=2, le=24)
    """Bits of the layer's outputs."""
    activation_integer: int | None = Field(default=None, ge=0, le=16)
    """Integer bits of the layer's outputs (sign included where they have one)."""


class Points(Settings):
    """Points around the background at which the student meets the teacher; no signal among them.

    Each kind has its share of weight relative to the background's; 0 leaves it out. Defaults by
    scan, see docs/student.md.
    """

    noise_widths: tuple[float, ...] = (0.25, 0.5, 1.0)
    """Background smeared by a Gaussian of one of these widths, in units of each input's spread."""
    noise_count: int = Field(default=12_000, ge=0, le=10_000_000)
    """Number of smeared points."""
    noise_share: float = Field(default=0.5, ge=0, le=100)
    """Weight of all smeared points together."""
    langevin_share: float = Field(default=0.2, ge=0, le=100)
    """Weight of the teacher's own negative samples, where they are given."""
    uniform_share: float = Field(default=0.05, ge=0, le=100)
    """Weight of points uniform over the box that the background spans, somewhat widened."""
    uniform_count: int = Field(default=2000, ge=0, le=1_000_000)
    """Number of uniform points."""
    regions_count: int = Field(default=0, ge=0, le=10_000_000)
    """With inputs made of calorimeter regions and not the teacher's: background events turned in
    phi and mirrored in eta, a few cells of every other one raised."""
    regions_share: float = Field(default=2.0, ge=0, le=100)
    """Weight of these points together."""

    @model_validator(mode="after")
    def _widths_are_positive(self) -> Points:
        if any(not 0 < width <= 100 for width in self.noise_widths):
            raise ValueError(f"noise_widths must be > 0 and <= 100, got {self.noise_widths}")
        return self


class Loss(Settings):
    """What the student is trained to; the formula is in docs/student.md. Defaults by scan."""

    vector: float = Field(default=0.1, ge=0, le=1000)
    """Weight of the distance to the teacher's reconstruction (or latent)."""
    score: float = Field(default=1.0, ge=0, le=1000)
    """Weight of the squared difference of log scores."""
    score_floor: float = Field(default=0.1, gt=0, le=10)
    """Added to both scores inside the logarithm, in units of the median background score."""


class Pruning(Settings):
    """Small weights become zeros while the student is trained with quantizers, and stay zeros."""

    sparsity: float = Field(default=0.0, ge=0, le=0.99)
    """Fraction of each layer's weights that end as zeros, the smallest first; 0: none."""
    begin: float = Field(default=0.1, ge=0, le=1)
    """Where in `epochs` the first weights go."""
    end: float = Field(default=0.5, ge=0, le=1)
    """Where the last weights have gone: sparsity * (1 - (1 - t)^3) in between (Zhu and Gupta,
    arXiv:1710.01878). Only epochs behind it are kept."""

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Pruning:
        if not self.begin <= self.end < 1:
            raise ValueError(f"begin <= end < 1, got {self.begin} and {self.end}")
        return self


class StudentSettings(Settings):
    """The compact fixed-point network that goes into the firmware."""

    mode: Literal["quantize", "distil", "regress"] = "quantize"
    """quantize: the teacher's shape and weights, trained on with quantizers. distil: a smaller
    encoder and decoder, trained to the teacher. regress: a small network for the score alone."""
    hidden: tuple[int, ...] = Field(default=(20,), max_length=MAX_LAYERS)
    """Widths of the hidden layers of the encoder (mirrored in the decoder) or of the regression;
    not used by quantize."""
    latent: int | None = Field(default=None, ge=1, le=4096)
    """Latent size for distil; absent: the teacher's."""

    rounding: Literal["half_even", "half_up"] = "half_even"
    """Rounding of every edge and of the score. half_up needs fewer LUTs and a stage less; the
    student is trained with the one it will have."""
    pruning: Pruning = Pruning()
    """Weights that become zeros while the student is trained with quantizers."""

    weight_bits: int = Field(default=8, ge=2, le=24)
    """Bits of every weight, sign included; integer bits follow the weights' range."""
    bias_bits: int = Field(default=10, ge=2, le=24)
    """Bits of every bias, sign included."""
    activation_bits: int = Field(default=8, ge=2, le=24)
    """Bits behind every ReLU (unsigned); integer bits follow the range on background."""
    latent_bits: int = Field(default=10, ge=2, le=24)
    """Bits of every latent, sign included."""
    reconstruction_bits: int | None = Field(default=None, ge=2, le=24)
    """Bits of the reconstruction; absent: as fine as the inputs, as wide as it gets on
    background, so that small residuals are resolved."""
    score_bits: int = Field(default=16, ge=2, le=32)
    """Bits of the score at most (unsigned); fewer where it has no more."""
    score_headroom: float = Field(default=8.0, gt=0, le=1e6)
    """The score saturates at not less than this times the largest background score."""
    layers: dict[str, LayerBits] = Field(default_factory=dict)
    """Formats of single layers by name: encoder_0, encoder_1, ..., decoder_0, ...; regress:
    dense_0, dense_1, ..."""

    points: Points = Points()
    """What the student learns from beside the background."""
    loss: Loss = Loss()
    """How far the student is from its teacher; what training makes small."""
    float_epochs: int = Field(default=30, ge=0, le=100_000)
    """Passes without quantizers before the formats are chosen; not used by quantize."""
    epochs: int = Field(default=40, ge=0, le=100_000)
    """Passes over background and points with quantizers; 0 rounds the weights and no more."""
    batch_size: int = Field(default=256, ge=1, le=1_000_000)
    """Background events and points in a step."""
    float_learning_rate: float = Field(default=1e-2, gt=0, le=1)
    """Adam's step without quantizers, falling to zero along a cosine."""
    learning_rate: float = Field(default=5e-3, gt=0, le=1)
    """Adam's step with quantizers, falling to zero along a cosine."""

    @model_validator(mode="after")
    def _fits_together(self) -> StudentSettings:
        if any(not 1 <= width <= 4096 for width in self.hidden):
            raise ValueError(f"hidden widths must be 1 to 4096, got {list(self.hidden)}")
        if self.loss.vector == 0 and self.loss.score == 0:
            raise ValueError("loss.vector and loss.score are both 0: nothing to train to")
        if self.pruning.sparsity and not self.epochs:
            raise ValueError("pruning.sparsity: nothing is pruned in 0 epochs; raise epochs")
        for name, bits in self.layers.items():
            for part, default in (
                ("weight", self.weight_bits),
                ("bias", self.bias_bits),
            ):
                width = getattr(bits, part) or default
                integer = getattr(bits, f"{part}_integer")
                if integer is not None and integer > width:
                    raise ValueError(
                        f"layers.{name}.{part}_integer: {integer} integer bits do not fit {width}"
                    )
        return self
