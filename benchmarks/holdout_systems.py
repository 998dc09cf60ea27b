"""The systems of the hold-out benchmark: settings on either set of digits, and the papers' numbers.

How settings were found is written in docs/benchmarks/holdout-digits.md. The papers' numbers are for
MNIST (Yoon et al., arXiv:2105.05735, mean of ten runs; MPDR: NeurIPS 2023, digit 9 alone).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True)
class System:
    """A row of the table: settings under names to choose from, and what a paper reports."""

    name: str
    candidates: Mapping[str, Document]
    paper: Mapping[int, float] = field(default_factory=dict)
    paper_mean: float | None = None

    @property
    def stem(self) -> str:
        return self.name.lower().replace(", ", "-").replace(" ", "-")


@dataclass(frozen=True)
class Protocol:
    """Systems of one set of digits, and which digits stand for new ones when settings are chosen.

    pairs : digits that are left out together; the first of each stands for a new digit when the
        held-out one is 5 to 9, the second when it is 0 to 4
    """

    systems: tuple[System, ...]
    digits: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...] = ((1, 9), (3, 8))

    def proxies(self, digit: int) -> list[tuple[tuple[int, int], int]]:
        """Pairs left out, and of each the digit that is judged; never the held-out one."""
        return [(pair, pair[1] if digit < 5 else pair[0]) for pair in self.pairs]


PAPER_OMI = dict(enumerate((0.989, 0.919, 0.992, 0.949, 0.949, 0.978, 0.938, 0.975, 0.929, 0.934)))
NETWORK = {"hidden": [256], "latent": 8}
PLAIN = {"batch_size": 128, "learning_rate": 2e-3, "steps": 1500, "validate_every": 100}


def _plain(**objective: Any) -> Document:
    """Without negatives: the weights of the best validation are kept."""
    return {"model": NETWORK, "objective": PLAIN | objective}


def _contrast(
    pretrain: int, steps: int, temperature: float, noise: float, **objective: Any
) -> Document:
    """With negatives: so many steps after pre-training, and the last weights are kept."""
    total = pretrain + steps
    fixed = {
        "batch_size": 128,
        "steps": total,
        "validate_every": total,
        "pretrain_steps": pretrain,
        "pretrain_learning_rate": 2e-3,
        "chain": {
            "steps": objective.pop("chain_steps", 10),
            "temperature": temperature,
            "noise": noise,
            "bounds": [-1, 1],
        },
    }
    return {"model": NETWORK, "objective": fixed | objective}


def _nae(negatives: str) -> dict[str, Document]:
    """gamma sets the level at which the energy of negatives rests, 1 / (2 gamma)."""
    found = {}
    for name, temperature, noise in (("cold", 0.002, 0.06), ("warm", 0.005, 0.1)):
        objective: dict[str, Any] = {"gamma": 7.0, "learning_rate": 1e-4}
        if negatives != "cd":
            objective["replay"] = {"size": 1000}
        if negatives == "omi":
            chain = {"steps": 5, "noise": 0.1, "temperature": temperature, "bounds": [-3, 3]}
            objective["latent_chain"] = chain
        found[name] = _contrast(
            1500, 1500, temperature, noise, name="nae", negatives=negatives, **objective
        )
    return found


def _mpdr(score: str, **chosen: Any) -> Document:
    noise = chosen.pop("noise")
    temperature = chosen.pop("temperature")
    latent = {"steps": 5, "noise": 0.05, "temperature": temperature, "spherical": True}
    return _contrast(
        600, 600, temperature, noise, name="mpdr", score=score, chain_steps=5,
        learning_rate=1e-3, latent_chain=latent, **chosen,
    )  # fmt: skip


def _wnae(noise: float, temperature: float) -> Document:
    chain = {"steps": 10, "noise": noise, "temperature": temperature, "bounds": [-1, 1]}
    fixed = {"batch_size": 128, "steps": 800, "validate_every": 50, "baseline_steps": 0}
    objective = fixed | {"name": "wnae", "learning_rate": 1e-3, "chain": chain}
    return {"model": NETWORK, "objective": objective}


SMALL = Protocol(
    systems=(
        System("AE", {"plain": _plain(name="ae")}, {1: 0.131, 9: 0.537}, 0.677),
        System("NAE-OMI", _nae("omi"), PAPER_OMI, 0.955),
        System(
            "DAE", {f"noise{n}": _plain(name="dae", noise=n) for n in (0.1, 0.3)}, paper_mean=0.731
        ),
        System(
            "WAE",
            {f"mmd{w}": _plain(name="wae", mmd_weight=w) for w in (0.01, 0.1)},
            paper_mean=0.805,
        ),
        System(
            "VAE",
            {f"noise{n}": _plain(name="vae", observation_noise=n) for n in (0.1, 0.3)},
            paper_mean=0.839,
        ),
        System("WNAE", {"cold": _wnae(0.1, 0.0005), "warm": _wnae(0.2, 0.005)}),
        System(
            "MPDR-R",
            {
                f"gamma{g}": _mpdr("reconstruction", gamma=g, temperature=0.0005, noise=0.03)
                for g in (5.0, 10.0)
            },
            {9: 0.971},
        ),
        System(
            "MPDR-S",
            {
                f"noise{n}": _mpdr("network", gamma=1.0, temperature=0.05, noise=n)
                for n in (0.05, 0.1)
            },
        ),
        System("NAE-CD", _nae("cd"), paper_mean=0.679),
        System("NAE-PCD", _nae("pcd"), paper_mean=0.682),
    ),
    digits=tuple(range(10)),
)


LARGE_NETWORK = {"hidden": [512], "latent": 128}
PRETRAINED = {"pretrain_steps": 1500, "pretrain_learning_rate": 1e-3, "batch_size": 64}
LARGE_CHAIN = {"noise": 0.08, "temperature": 2e-4, "bounds": [-1, 1]}


def _large(steps: int, **objective: Any) -> dict[str, Document]:
    """For 784 inputs: another network; of chains that settle nowhere the last weights are kept."""
    every = min(250, steps) if objective["name"] == "ae" else steps
    fixed = {"steps": steps, "validate_every": every}
    return {"one": {"model": LARGE_NETWORK, "objective": fixed | objective}}


def _large_wnae(learning_rate: float, temperature: float) -> Document:
    """The buffer is small, so that a chain goes on within some 16 steps."""
    objective = {
        "name": "wnae",
        "batch_size": 64,
        "steps": 700,
        "validate_every": 100,
        "learning_rate": learning_rate,
        "average": 0.99,
        "baseline_steps": 0,
        "replay": {"size": 1000},
        "chain": {"steps": 5, "noise": 0.06, "temperature": temperature, "bounds": [-1, 1]},
    }
    return {"model": LARGE_NETWORK, "objective": objective}


LARGE = Protocol(
    systems=(
        System(
            "AE",
            _large(5000, name="ae", batch_size=128, learning_rate=1e-3),
            {1: 0.131, 9: 0.537},
            0.677,
        ),
        System(  # what NAE-OMI begins from: how much of its gain is little training alone?
            "AE, 150 steps",
            _large(150, name="ae", batch_size=64, learning_rate=1e-3),
        ),
        System(
            "NAE-OMI",
            _large(
                3150,
                **PRETRAINED | {"pretrain_steps": 150},  # more, and it reconstructs any digit
                name="nae",
                learning_rate=3e-4,
                average=0.998,
                gamma=1.0,
                latent_penalty=1e-4,
                latent_start="shuffled",
                chain={"steps": 4, **LARGE_CHAIN, "temperature": 8e-5},
                latent_chain=None,
                divergence_sigmas=12.0,  # single batches of 64 go to 6
            ),
            PAPER_OMI,
            0.955,
        ),
        System(
            "MPDR-R",
            _large(
                3000,
                **PRETRAINED,
                name="mpdr",
                learning_rate=1e-4,
                gamma=5.0,
                chain={"steps": 5, **LARGE_CHAIN},
                latent_chain={"steps": 5, "noise": 0.05, "temperature": 2e-3, "spherical": True},
            ),
            {9: 0.971},
        ),
        System(
            "WNAE",
            {
                "warm": _large_wnae(learning_rate=1e-3, temperature=4e-5),
                "gentle": _large_wnae(learning_rate=5e-4, temperature=1e-4),
            },
        ),
    ),
    digits=(0, 3, 5),
    pairs=((2, 8),),
)
DATASETS = {"digits": SMALL, "mnist": LARGE}
