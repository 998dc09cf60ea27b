"""Trajectories on request: of every objective with chains, and what curves say of them."""

from __future__ import annotations

import csv
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from naetrigger.contracts.errors import InputError
from naetrigger.training.loop import train
from naetrigger.training.settings import ObjectiveSettings, TrainingSettings
from naetrigger.training.teacher import load_teacher

from .conftest import SMALL_MODEL, SMALL_OBJECTIVES, surface

WITH_CHAINS = [name for name, o in SMALL_OBJECTIVES.items() if hasattr(o, "chain")]


def trained(folder: Path, objective: ObjectiveSettings, trajectories: int = 5) -> None:
    short = objective.model_copy(update={"steps": 9, "baseline_steps": 0})  # 7 of them may pretrain
    settings = TrainingSettings(
        model=SMALL_MODEL, objective=short, seed=3, trajectories=trajectories
    )
    train(settings, surface(200, 1), surface(60, 2), folder)


@pytest.mark.parametrize("name", WITH_CHAINS)
def test_chains_of_the_teacher_are_kept(tmp_path: Path, name: str) -> None:
    objective = SMALL_OBJECTIVES[name]
    trained(tmp_path / "a", objective)
    trained(tmp_path / "b", objective)
    trained(tmp_path / "without", objective, 0)
    weights = {(tmp_path / f / "teacher.safetensors").read_bytes() for f in ("a", "without")}
    assert len(weights) == 1
    assert not (tmp_path / "without" / "trajectories.h5").exists()
    path = tmp_path / "a" / "trajectories.h5"
    assert path.read_bytes() == (tmp_path / "b" / "trajectories.h5").read_bytes()
    with h5py.File(path) as file:
        assert file.attrs["format"] == "naetrigger-trajectories"
        assert list(file.attrs["columns"]) == ["x0", "x1", "x2", "x3"]
        steps = objective.chain.steps
        assert file["chain/positions"].shape == (steps + 1, 5, 4)
        assert file["chain/accepted"].shape == (steps, 5)
        latents = ("latent_chain" in file) and file["latent_chain/positions"].shape[1]
        assert latents == (5 if name == "nae-omi" or name.startswith("mpdr") else False)
        points, energies = file["chain/positions"][()], file["chain/energies"][()]
    if name in ("wnae", "igebm", "nae-cd", "nae-pcd", "nae-omi"):  # the others hold samples back
        model = load_teacher(tmp_path / "a")
        scores = model.scores(torch.from_numpy(points.reshape(-1, 4))).numpy()
        np.testing.assert_allclose(energies.ravel(), scores, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", WITH_CHAINS)
def test_every_chain_is_monitored(tmp_path: Path, name: str) -> None:
    """With Metropolis all of these stand in the curves of every energy-based objective."""
    objective = SMALL_OBJECTIVES[name]
    chain = objective.chain.model_copy(update={"metropolis": True, "boundary": "none"})
    trained(tmp_path, objective.model_copy(update={"chain": chain}), 0)
    with (tmp_path / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    judged = rows[-1]  # the last step is validated
    wasserstein = "distance" if name.startswith("nae") else "validation"
    for column in (
        "positive_energy",
        "negative_energy",
        "feature_distance",
        "acceptance",
        wasserstein,
    ):
        assert judged[column], column
    assert 0 < float(judged["acceptance"]) <= 1


def test_an_objective_without_chains_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"training\.trajectories: objective 'ae' has no chains"):
        trained(tmp_path, SMALL_OBJECTIVES["ae"])
