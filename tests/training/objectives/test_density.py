"""Objectives with a density rank the points of a two-dimensional Gaussian as its density does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from naetrigger.training.loop import train
from naetrigger.training.settings import (
    FlowObjective,
    IgebmObjective,
    Langevin,
    ModelSettings,
    MpdrObjective,
    NaeObjective,
    ObjectiveSettings,
    RecoveryObjective,
    Replay,
    TrainingSettings,
    VaeObjective,
    WnaeObjective,
)

COVARIANCE = np.array([[1.0, 0.6], [0.6, 1.0]])
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
    "flow": FlowObjective(**COMMON, couplings=3),
    "vae-likelihood": VaeObjective(**COMMON, score="likelihood", observation_noise=0.5),
}


def gaussian(n: int, seed: int, widen: float = 1.0) -> np.ndarray:
    root = np.linalg.cholesky(COVARIANCE)
    noise = np.random.default_rng(seed).normal(size=(n, 2))
    return (widen * noise @ root.T).astype(np.float32)


@pytest.mark.parametrize("name", DENSITIES)
def test_energies_rank_as_the_density(name: str, tmp_path: Path) -> None:
    settings = TrainingSettings(
        model=ModelSettings(hidden=(32, 32), latent=2), objective=DENSITIES[name], seed=1
    )
    model = train(settings, gaussian(4000, 1), gaussian(1000, 2), tmp_path).teacher.model
    x = gaussian(1000, 3, widen=1.5)
    distance = np.einsum("ni,ij,nj->n", x, np.linalg.inv(COVARIANCE), x)
    energies = model.scores(torch.from_numpy(x)).numpy()
    assert spearmanr(energies, distance).statistic >= 0.95
