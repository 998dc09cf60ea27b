"""Small data on a curved surface, as backgrounds are, and settings that train in a moment."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from naetrigger.training.settings import (
    AeObjective,
    DaeObjective,
    DagmmObjective,
    FlowObjective,
    GlowObjective,
    IgebmObjective,
    KernelAeObjective,
    Langevin,
    MahalanobisObjective,
    ModelSettings,
    MpdrObjective,
    NaeObjective,
    ObjectiveSettings,
    PixelCnnObjective,
    RecoveryObjective,
    RelativeMahalanobisObjective,
    Replay,
    VaeObjective,
    WaeObjective,
    WnaeObjective,
)

N_INPUTS = 4
SMALL_MODEL = ModelSettings(hidden=(8,), latent=2)
_CHAIN = Langevin(steps=3)
_COMMON = {
    "steps": 24,
    "batch_size": 16,
    "validate_every": 4,
    "validation_size": 20,
    "smoothing": 2,
    "checkpoint_every": 5,
    "curve_every": 3,
}
_CLASSES = {"labels": "kind", "classes": 3}
SMALL_OBJECTIVES: dict[str, ObjectiveSettings] = {
    "ae": AeObjective(**_COMMON),
    "dae": DaeObjective(**_COMMON),
    "wae": WaeObjective(**_COMMON),
    "vae-reconstruction": VaeObjective(**_COMMON),
    "vae-likelihood": VaeObjective(**_COMMON, score="likelihood", score_latents=4),
    "kernel_ae-reconstruction": KernelAeObjective(**_COMMON),
    "kernel_ae-smeared": KernelAeObjective(**_COMMON, score="smeared"),
    "mahalanobis-latent": MahalanobisObjective(**_COMMON),
    "mahalanobis-inputs": MahalanobisObjective(**_COMMON, score="inputs"),
    "relative_mahalanobis-latent": RelativeMahalanobisObjective(**_COMMON, **_CLASSES),
    "relative_mahalanobis-inputs": RelativeMahalanobisObjective(
        **_COMMON, **_CLASSES, score="inputs"
    ),
    "dagmm": DagmmObjective(**_COMMON, components=2),
    "wnae": WnaeObjective(**_COMMON, chain=_CHAIN, replay=Replay(size=50), baseline_steps=8),
    "flow": FlowObjective(**_COMMON, transforms=2),
    "glow": GlowObjective(**_COMMON, couplings=2, filters=4),
    "pixelcnn": PixelCnnObjective(
        **_COMMON,
        levels=5,
        range=(-3, 3),
        off_grid="round",
        filters=2,
        blocks=1,
        halvings=0,
        mixtures=2,
    ),
    "recovery": RecoveryObjective(**_COMMON, chain=_CHAIN, divergence_window=10),
    "igebm": IgebmObjective(**_COMMON, chain=_CHAIN, replay=Replay(size=50), divergence_window=10),
    **{
        f"mpdr-{score}": MpdrObjective(
            **_COMMON, score=score, pretrain_steps=7, chain=_CHAIN, divergence_window=10
        )
        for score in ("reconstruction", "network")
    },
    **{
        f"nae-{negatives}": NaeObjective(
            **_COMMON,
            negatives=negatives,
            pretrain_steps=7,
            chain=_CHAIN,
            divergence_window=10,
            **used,
        )
        for negatives, used in (
            ("cd", {}),
            ("pcd", {"replay": Replay(size=50)}),
            ("omi", {"replay": Replay(size=50), "latent_chain": _CHAIN}),
        )
    },
}


RECONSTRUCTION_ONLY = (
    "ae",
    "dae",
    "wae",
    "vae-reconstruction",
    "kernel_ae-reconstruction",
    "kernel_ae-smeared",
)
"""Those that give the data a low energy and nothing else a high one."""


def surface(n: int, seed: int) -> npt.NDArray[np.float32]:
    """(n, N_INPUTS) standardised points near a two-dimensional surface."""
    rng = np.random.default_rng(seed)
    t = rng.normal(size=(n, 2))
    directions = np.array([[1.0, 0.5, -0.7, 0.2], [0.1, -0.9, 0.4, 1.1]])
    x = np.tanh(t @ directions) + 0.05 * rng.normal(size=(n, N_INPUTS))
    return ((x - x.mean(0)) / x.std(0)).astype(np.float32)


def classes_of(x: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """Three classes, 0, 1 and 2, of points (n, N_INPUTS)."""
    return np.digitize(x[:, 0], [-0.5, 0.5])


def labels(objective: ObjectiveSettings, n_train: int, n_validation: int) -> dict[str, object]:
    """Further arguments of `train` on surface(n_train, 1) and surface(n_validation, 2)."""
    if getattr(objective, "labels", None) is None:
        return {}
    sizes = {"train_labels": n_train, "validation_labels": n_validation}
    return {
        name: classes_of(surface(n, seed)).astype(np.float64)
        for seed, (name, n) in enumerate(sizes.items(), start=1)
    }


@pytest.fixture
def train_inputs() -> npt.NDArray[np.float32]:
    return surface(200, 1)


@pytest.fixture
def validation_inputs() -> npt.NDArray[np.float32]:
    return surface(60, 2)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(20240)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(params=list(SMALL_OBJECTIVES))
def objective(request: pytest.FixtureRequest) -> ObjectiveSettings:
    return SMALL_OBJECTIVES[request.param]


@pytest.fixture
def small_model() -> ModelSettings:
    return SMALL_MODEL


@pytest.fixture
def small_objectives() -> dict[str, ObjectiveSettings]:
    return SMALL_OBJECTIVES


@pytest.fixture
def reconstruction_only() -> tuple[str, ...]:
    return RECONSTRUCTION_ONLY
