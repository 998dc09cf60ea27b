"""Two processes on one run, as torchrun starts them: one run folder, written by the first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from naetrigger.contracts.manifest import read_manifest, verify
from naetrigger.training.teacher import load_teacher, read_description

RECIPE = """
name: shared
seed: 2
data: {source: background.csv}
model: {hidden: [6], latent: 2}
objective:
  name: wnae
  steps: 12
  batch_size: 32
  validate_every: 4
  validation_size: 40
  checkpoint_every: 5
  baseline_steps: 0
  replay: {size: 60}
ensemble: {members: 2}
"""


def torchrun(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    paths = os.pathsep.join(filter(None, sys.path))
    return subprocess.run(
        [*command, "-m", "naetrigger.pipeline.cli", "train", "shared.yaml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_train_under_torchrun(tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(400, 3))
    np.savetxt(
        tmp_path / "background.csv", x, fmt="%.3f", delimiter=",", header="a,b,c", comments=""
    )
    (tmp_path / "shared.yaml").write_text(RECIPE)
    done = torchrun(tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    root = tmp_path / "runs" / "shared"
    verify(root, read_manifest(root))
    said = done.stdout + done.stderr
    assert said.count("training: running") == 1  # one process alone speaks
    for folder, seed in ((root / "training", 2), (root / "training" / "members" / "seed_3", 3)):
        assert read_description(folder)["steps_done"] == 12
        assert read_description(folder)["seed"] == seed
        assert load_teacher(folder).n_inputs == 3
