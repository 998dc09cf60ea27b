"""The systems of `jet_images.py`: how the pixels are prepared, and what is trained on them.

Images of 40 x 40 are remapped (arXiv:2104.09051), smeared (arXiv:2206.14225) and summed in blocks;
one number then scales all pixels alike, so that pixels differ in size as they do in the jets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.events import Events
from naetrigger.firmware_configs.offline_steps import (
    BlockSum,
    Gaussian,
    Remap,
    Step,
    columns_after,
)
from naetrigger.training.settings import (
    AeObjective,
    AnyObjective,
    KernelAeObjective,
    Langevin,
    MahalanobisObjective,
    ModelSettings,
    NaeObjective,
    TrainingSettings,
)

SIDE = 40
CHUNK = 2500  # rows prepared at a time
Images = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Preparation:
    """power : of the remapping; sigma : of the Gaussian filter, in pixels of the 40 x 40 image."""

    power: float = 1.0
    sigma: float = 0.0

    def steps(self, block: int) -> tuple[Step, ...]:
        """The offline steps; `block` pixels a side are summed."""
        steps: list[Step] = []
        if self.power != 1:
            steps.append(Remap(power=self.power))
        if self.sigma:
            steps.append(Gaussian(shape=(SIDE, SIDE), sigma=self.sigma))
        if block > 1:
            steps.append(BlockSum(shape=(SIDE, SIDE), block=(block, block)))
        return tuple(steps)

    def images(self, events: Events, block: int) -> Images:
        """Pixels (N, (40 / block)^2), row by row, still unscaled."""
        steps = self.steps(block)
        names = columns_after(events.columns, steps)
        parts = []
        for first in range(0, len(events), CHUNK):
            rows = events.values[first : first + CHUNK].astype(np.float64).T
            table = dict(zip(events.columns, rows, strict=True))
            for step in steps:
                table = step.apply(table, {})
            parts.append(np.stack([table[name] for name in names], axis=1).astype(np.float32))
        return np.concatenate(parts)


@dataclass(frozen=True)
class System:
    """kind : 'ae', 'kernel_ae', 'mahalanobis', 'nae', or a baseline: 'pca', 'gaussian', 'lit'."""

    kind: str
    preparation: Preparation = Preparation()
    latent: int = 16


SYSTEMS: dict[str, System] = {
    "lit pixels": System("lit"),  # the more, the more anomalous: complexity and nothing else
    "PCA, 16": System("pca"),
    "PCA, 16, power 1/2, sigma 1": System("pca", Preparation(0.5, 1.0)),
    "PCA, 3, power 1/2, sigma 1": System("pca", Preparation(0.5, 1.0), latent=3),
    "MD of pixels": System("gaussian"),
    "MD of AE latents": System("mahalanobis"),
    "AE": System("ae"),
    "AE, power 1/2": System("ae", Preparation(power=0.5)),
    "AE, power 1/4": System("ae", Preparation(power=0.25)),
    "kernel AE": System("kernel_ae"),
    "improved AE, power 1/2": System("kernel_ae", Preparation(power=0.5)),
    "improved AE, power 1/4": System("kernel_ae", Preparation(power=0.25)),
    "improved AE, power 1/8": System("kernel_ae", Preparation(power=0.125)),
    "improved AE, power 1/2, 3 on the sphere": System("kernel_ae", Preparation(0.5), latent=3),
    "AE, power 1/2, sigma 1": System("ae", Preparation(0.5, 1.0)),
    "AE, power 1/2, sigma 1, 3 on the sphere": System("ae", Preparation(0.5, 1.0), latent=3),
    "NAE, sigma 0": System("nae", Preparation(0.5, 0.0), latent=3),
    "NAE, sigma 1": System("nae", Preparation(0.5, 1.0), latent=3),
    "NAE, sigma 2": System("nae", Preparation(0.5, 2.0), latent=3),
}


def settings_of(
    system: System, steps: int, seed: int, n_pixels: int, highest: float, residual: float
) -> TrainingSettings:
    """All of one training; `steps` are those of plain autoencoders.

    highest : the greatest pixel, where the chains' box ends
    residual : mean squared error that three principal components leave of validation images
    """
    schedule: dict[str, Any] = {
        "steps": steps,
        "batch_size": 128,
        "validate_every": max(steps // 20, 1),
        "validation_size": 500,
        "patience": 1000,
        "checkpoint_every": 100,
        "curve_every": 20,
    }
    sphere = system.latent == 3
    model = ModelSettings(hidden=(64,), latent=system.latent, activation="prelu", spherical=sphere)
    objective: AnyObjective
    if system.kind == "nae":
        objective = _nae(schedule, n_pixels, highest, residual)
    elif system.kind == "kernel_ae":
        objective = KernelAeObjective(**schedule, smoothing=1, score="smeared", width=1.0)
    elif system.kind == "mahalanobis":
        objective = MahalanobisObjective(**schedule, smoothing=1)
    else:
        objective = AeObjective(**schedule)
    return TrainingSettings(model=model, objective=objective, seed=seed)


def _nae(schedule: dict[str, Any], n_pixels: int, highest: float, residual: float) -> NaeObjective:
    """The last third of the steps with negatives, each of which costs as much as five without.

    T = 2 residual / D is where exp(-E/T) over D pixels has the mean energy `residual`, that of
    data, if nothing clips it: hence the wide box. noise^2 = 0.4 residual takes a fifth of the
    residual away in a step, so that eight steps forget where they began (0.8^16 = 3% of it).
    Latents, of which there are three, walk at a temperature of their own.
    """
    steps = schedule["steps"]
    latent = Langevin(steps=5, noise=0.1, temperature=0.05 * residual, spherical=True)
    visible = Langevin(
        steps=8,
        noise=(0.4 * residual) ** 0.5,
        temperature=2 * residual / n_pixels,
        bounds=(-highest, highest),
    )
    return NaeObjective.model_validate(
        {
            **schedule,
            "pretrain_steps": steps - steps // 3,
            "validate_every": max(steps // 60, 1),
            "learning_rate": 5e-4,
            "gamma": 1.0,
            "latent_penalty": 0.0,
            "latent_chain": latent,
            "chain": visible,
        }
    )
