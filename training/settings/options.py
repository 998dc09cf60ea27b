"""Settings of how a training is run, whatever its objective and network."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from naetrigger.contracts.settings import Settings


class TrainingOptions(Settings):
    """Where and how a training computes, and what it keeps besides the teacher."""

    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """Where tensors live; auto: on a CUDA device where there is one. Small networks are faster on
    the CPU, where results do not depend on the machine either."""

    precision: Literal["float32", "bf16"] = "float32"
    """bf16: convolutional networks compute in bfloat16; weights, chains, energies and losses stay
    float32."""

    channels_last: bool = False
    """Convolutional networks keep their images with the channels last; often faster."""

    threads: int = Field(1, ge=1, le=1024)
    """Threads of torch; one is fastest for small networks, and part of what makes runs equal."""

    trajectories: int = Field(0, ge=0, le=65536)
    """Chains of the finished teacher that are kept step by step in trajectories.h5; 0: none."""


class EnsembleSettings(Settings):
    """The same training several times, each with a seed of its own."""

    members: int = Field(1, ge=1, le=1000)
    """Trainings with seeds seed, seed + 1, ...; the first alone goes on to student and firmware,
    the others show the report how far the result depends on the seed."""
