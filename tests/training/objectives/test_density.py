"""Every objective that knows a density ranks the points of a correlated Gaussian as that does.

Two dimensions; four for the flow of images, which needs 2 x 2 pixels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from naetrigger.training.loop import train
from naetrigger.training.settings import (
    FlowObjective,
    GlowObjective,
    IgebmObjective,
    Langevin,
    MahalanobisObjective,
    ModelSettings,
    MpdrObjective,
    NaeObjective,
    ObjectiveSettings,
    PixelCnnObjective,
    RecoveryObjective,
    Replay,
    TrainingSettings,
    VaeObjective,
    WnaeObjective,
)

LEVEL = 0.25  # distance of two gray levels
CHAIN = Langevin(steps=8, noise=0.3, temperature=0.3)
SPHERE = Langevin(steps=4, noise=0.1, temperature=0.3, spherical=True)
COMMON = {
    "steps": 250,
    "batch_size": 128,
    "validate_every": 50,
    "validation_size": 256,
    "learning_rate": 4e-3,
}
CONTRAST = {**COMMON, "chain": CHAIN, "gamma": 0.02}
BUFFER = Replay(size=2000)
MANIFOLD = {
    "pretrain_steps": 80,
    "pretrain_learning_rate": 4e-3,
    "latent_chain": SPHERE,
    "perturbation": (0.1, 1.0),
}
DENSITIES: dict[str, ObjectiveSettings] = {
    "nae-cd": NaeObjective(**CONTRAST, negatives="cd", pretrain_steps=50),
    "nae-pcd": NaeObjective(**CONTRAST, negatives="pcd", pretrain_steps=50, replay=BUFFER),
    "nae-omi": NaeObjective(
        **CONTRAST, negatives="omi", pretrain_steps=50, replay=BUFFER, latent_chain=CHAIN
    ),
    "wnae": WnaeObjective(
        **{**COMMON, "learning_rate": 3e-3},
        chain=CHAIN.model_copy(update={"steps": 10}),
        replay=BUFFER,
        baseline_steps=0,
    ),
    "mpdr-reconstruction": MpdrObjective(**CONTRAST, **MANIFOLD),
    "mpdr-network": MpdrObjective(**CONTRAST, **MANIFOLD, score="network"),
    "recovery": RecoveryObjective(**CONTRAST, perturbation=0.7),
    "igebm": IgebmObjective(**CONTRAST, replay=BUFFER),
    "flow": FlowObjective(**COMMON, transforms=2),
    "glow": GlowObjective(**COMMON, couplings=3, filters=8),
    "pixelcnn": PixelCnnObjective(
        **{**COMMON, "batch_size": 64, "learning_rate": 8e-3, "steps": 150},
        image=(1, 2),
        levels=33,
        range=(-4, 4),
        off_grid="round",
        filters=4,
        mixtures=2,
    ),
    "mahalanobis-latent": MahalanobisObjective(**COMMON),
    "mahalanobis-inputs": MahalanobisObjective(**COMMON, score="inputs"),
    "vae-likelihood": VaeObjective(**COMMON, score="likelihood", observation_noise=0.5),
}


NO_DENSITY = {
    "dagmm": "the density of latents and of errors over |x|, under which zero is no likely event",
    "relative_mahalanobis-latent": "a ratio of densities",
    "relative_mahalanobis-inputs": "a ratio of densities",
}


def covariance(n_inputs: int) -> np.ndarray:
    """Ones, and 0.6 to the power of the distance beside them."""
    place = np.arange(n_inputs)
    return 0.6 ** np.abs(place[:, None] - place)


def gaussian(n: int, seed: int, n_inputs: int, widen: float = 1.0) -> np.ndarray:
    root = np.linalg.cholesky(covariance(n_inputs))
    noise = np.random.default_rng(seed).normal(size=(n, n_inputs))
    return (widen * noise @ root.T).astype(np.float32)


@pytest.mark.parametrize("name", DENSITIES)
def test_energies_rank_as_the_density(name: str, tmp_path: Path) -> None:
    settings = TrainingSettings(
        model=ModelSettings(hidden=(32, 32), latent=2), objective=DENSITIES[name], seed=1
    )
    n = 4 if name == "glow" else 2
    model = train(settings, gaussian(4000, 1, n), gaussian(1000, 2, n), tmp_path).teacher.model
    x = gaussian(1000, 3, n, widen=1.5)
    if name == "pixelcnn":
        x = np.clip(np.round(x / LEVEL) * LEVEL, -4, 4)
    distance = np.einsum("ni,ij,nj->n", x, np.linalg.inv(covariance(n)), x)
    energies = model.scores(torch.from_numpy(x)).numpy()
    assert spearmanr(energies, distance).statistic >= 0.95


def test_every_score_is_held_to_a_law(
    small_objectives: dict[str, ObjectiveSettings], reconstruction_only: tuple[str, ...]
) -> None:
    """It ranks as a density does, or shows the failure of all that only reconstruct."""
    held = [*DENSITIES, *NO_DENSITY, *reconstruction_only]
    assert sorted(held) == sorted(small_objectives)
