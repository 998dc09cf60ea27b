"""The systems of `density_2d.py`: one network and one objective each, the same for every set.

Autoencoders have the widths 2-64-64-3-64-64-2: a latent wider than the input, so that nothing
but the training keeps a network from copying every point. `AE, 1 latent` and `DAGMM` have a
bottleneck instead. Chains are alike wherever there are some.
"""

from __future__ import annotations

from collections.abc import Callable

from naetrigger.training.settings import (
    AeObjective,
    AnyObjective,
    DaeObjective,
    DagmmObjective,
    FlowObjective,
    IgebmObjective,
    Langevin,
    MahalanobisObjective,
    ModelSettings,
    MpdrObjective,
    NaeObjective,
    RecoveryObjective,
    TrainingSettings,
    VaeObjective,
    WaeObjective,
    WnaeObjective,
)

BATCH = 256
TEMPERATURE = 0.02  # E = |x - f(x)|^2 / 2 of a perfect projection is then as wide as the data: 0.14
CHAIN = Langevin(steps=10, noise=0.1, temperature=TEMPERATURE, bounds=(-3, 3))
LATENT_CHAIN = CHAIN.model_copy(update={"steps": 5, "noise": 0.2})
SPHERE_CHAIN = LATENT_CHAIN.model_copy(update={"steps": 3, "noise": 0.1, "spherical": True})
WIDE = ModelSettings(hidden=(64, 64), latent=3)
FLAT = ModelSettings(hidden=(64, 64), latent=2)
NARROW = ModelSettings(hidden=(64, 64), latent=1)

Schedule = dict[str, int]
Recipe = tuple[ModelSettings, Callable[[Schedule], AnyObjective]]


def _nae(negatives: str) -> Callable[[Schedule], AnyObjective]:
    def objective(schedule: Schedule) -> AnyObjective:
        return NaeObjective.model_validate(
            {
                **schedule,
                "negatives": negatives,
                "chain": CHAIN,
                **({"latent_chain": LATENT_CHAIN} if negatives == "omi" else {}),
                "pretrain_steps": schedule["steps"] // 4,
                "learning_rate": 1e-3,
            }
        )

    return objective


def _mpdr(score: str) -> Callable[[Schedule], AnyObjective]:
    def objective(schedule: Schedule) -> AnyObjective:
        return MpdrObjective.model_validate(
            {
                **schedule,
                "score": score,
                "chain": CHAIN,
                "latent_chain": SPHERE_CHAIN,
                "pretrain_steps": schedule["steps"] // 4,
                "learning_rate": 1e-3,
            }
        )

    return objective


CHEAP, CHAINED = 1.5, 1.0
"""Steps of systems without and with chains, in units of the benchmark's `--steps`."""

SYSTEMS: dict[str, tuple[float, Recipe]] = {
    "AE": (CHEAP, (WIDE, lambda s: AeObjective(**s))),
    "AE, 1 latent": (CHEAP, (NARROW, lambda s: AeObjective(**s))),
    "DAE": (CHEAP, (WIDE, lambda s: DaeObjective(**s, noise=0.3))),
    "WAE": (CHEAP, (WIDE, lambda s: WaeObjective(**s))),
    "VAE(R)": (CHEAP, (WIDE, lambda s: VaeObjective(**s, observation_noise=0.15))),
    "VAE(L)": (
        CHEAP,
        (WIDE, lambda s: VaeObjective(**s, observation_noise=0.15, score="likelihood")),
    ),
    "MD": (CHEAP, (FLAT, lambda s: MahalanobisObjective(**s))),
    "MD(inputs)": (
        CHEAP,
        (FLAT, lambda s: MahalanobisObjective(**(s | {"steps": 1}), score="inputs")),
    ),
    "DAGMM": (CHEAP, (NARROW, lambda s: DagmmObjective(**s, components=8))),
    "flow": (CHAINED, (WIDE, lambda s: FlowObjective(**s, transforms=4))),
    "NAE-CD": (CHAINED, (WIDE, _nae("cd"))),
    "NAE-PCD": (CHAINED, (WIDE, _nae("pcd"))),
    "NAE-OMI": (CHAINED, (WIDE, _nae("omi"))),
    "WNAE": (CHAINED, (WIDE, lambda s: WnaeObjective(**s, learning_rate=1e-3, chain=CHAIN))),
    "MPDR-R": (CHAINED, (WIDE, _mpdr("reconstruction"))),
    "MPDR-S": (CHAINED, (WIDE, _mpdr("network"))),
    "recovery": (
        CHAINED,
        (WIDE, lambda s: RecoveryObjective(**s, learning_rate=1e-3, chain=CHAIN)),
    ),
    "IGEBM": (CHAINED, (WIDE, lambda s: IgebmObjective(**s, learning_rate=1e-3, chain=CHAIN))),
}


def settings_of(system: str, steps: int, seed: int) -> TrainingSettings:
    """All of one training; `steps` is that of systems with chains."""
    factor, (model, objective) = SYSTEMS[system]
    n = max(int(factor * steps), 1)
    schedule = {
        "steps": n,
        "batch_size": BATCH,
        "validate_every": max(n // 20, 1),
        "validation_size": 512,
        "smoothing": 3,
        "patience": 1000,  # all steps: the sets are easy to learn by heart, and cheap
        "checkpoint_every": 250,
        "curve_every": 50,
        "baseline_steps": 0,
    }
    return TrainingSettings(model=model, objective=objective(schedule), seed=seed)


def temperature_of(settings: TrainingSettings) -> float | None:
    """T of exp(-E/T) as it was trained; None where training knows no density."""
    if settings.objective.offered == "likelihood" and settings.objective.name != "dagmm":
        return 1.0  # the energy is minus a log density (or its bound) in the plane itself
    chain = getattr(settings.objective, "chain", None)
    return None if chain is None else float(chain.temperature)


def stem(toy: str, system: str, seed: int) -> str:
    """What the files of one training are called."""
    plain = "".join(c if c.isalnum() else "_" for c in f"{toy}-{system}".lower())
    return f"{plain}-{seed}"
