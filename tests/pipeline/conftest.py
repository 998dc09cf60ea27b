"""The smallest recipe and one finished run of it, made once for all test processes."""

from __future__ import annotations

import fcntl
from pathlib import Path

import numpy as np
import pytest

from naetrigger.pipeline.cli import run_command_line
from tests.quick_compiler import quick_compiler

N = 200_000
RECIPE = """
name: tiny
description: The smallest whole run, for tests.
seed: 5
data:
  source: background.csv
  signals: {noise: signal.csv}
  split: {train: 0.5, validation: 0.2, test: 0.3}
  max_background: 1600  # of many, so that reading takes long enough to be interrupted
model: {hidden: [6], latent: 2}
objective:
  name: wnae
  steps: 60
  batch_size: 64
  validate_every: 10
  validation_size: 128
  checkpoint_every: 10
  curve_every: 5
  baseline_steps: 40
student:
  epochs: 2
  points: {noise_count: 400, uniform_count: 100}
firmware:
  vectors: 1000
  compiler: {compiler}
  synthesis: none
validation:
  bootstrap_replicas: 20
  background_efficiencies: [0.1]
  limits: {student_auc_loss: 1, student_spearman: -1, saturated_fraction: 1}
"""


def write_inputs(folder: Path) -> Path:
    """Background near a plane in four dimensions, a signal off it; the recipe's path."""
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(2, 4))
    background = rng.normal(size=(N, 2)) @ plane + 0.1 * rng.normal(size=(N, 4))
    signal = 1.5 * rng.normal(size=(200, 4))
    for name, table in (("background", background), ("signal", signal)):
        np.savetxt(
            folder / f"{name}.csv", table, fmt="%.3f", delimiter=",", header="a,b,c,d", comments=""
        )
    compiler = quick_compiler(folder)
    (folder / "tiny.yaml").write_text(RECIPE.replace("{compiler}", str(compiler)))
    return folder / "tiny.yaml"


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """One folder for all workers of a parallel test run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def finished_run(shared_folder: Path) -> Path:
    """The finished run of the tiny recipe; read it, copy it, do not change it."""
    root = shared_folder / "run"
    with (shared_folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "validation").exists():
            recipe = write_inputs(shared_folder)
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(shared_folder)
                assert run_command_line(["run", str(recipe), "--out", str(root), "--quiet"]) == 0
    return root


@pytest.fixture
def tiny_recipe(finished_run: Path) -> Path:
    """The recipe of `finished_run`, beside its input files."""
    return finished_run.parent / "tiny.yaml"
