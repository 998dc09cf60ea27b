"""Members that are trained elsewhere end when nobody waits for them any more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from naetrigger.contracts.errors import EnvironmentProblem
from naetrigger.contracts.progress import Progress
from naetrigger.pipeline import training_stage
from naetrigger.pipeline.training_stage import MemberJob
from naetrigger.training.settings import TrainingSettings

STEPS = 100


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps of trainings that only count; at step 30 whoever asked is gone."""
    steps: list[int] = []

    def train(settings: Any, seed: int, folder: Path, root: Path, progress: Progress) -> None:
        progress.start("training", STEPS)
        for step in range(STEPS):
            if step == 30 and seed == 2:
                next(folder.glob(".asked-*")).unlink()
            progress.update(step)
            steps.append(step)

    monkeypatch.setattr(training_stage, "train_member", train)
    monkeypatch.setattr(training_stage, "LOOK_SECONDS", 0.0)
    return steps


@pytest.mark.parametrize(("seed", "done"), [(1, STEPS), (2, 30)])
def test_a_member_that_nobody_waits_for_ends(
    seed: int, done: int, trained: list[int], tmp_path: Path
) -> None:
    """A later run may write in the same folder; Dask would let this one go on beside it."""
    with training_stage._asked(tmp_path) as mark:
        do = MemberJob(TrainingSettings(), tmp_path, tmp_path, mark).prepare()
        if seed == 1:
            do(seed, "", tmp_path)
        else:
            with pytest.raises(EnvironmentProblem, match="nobody waits for this training"):
                do(seed, "", tmp_path)
    assert len(trained) == done
    assert list(tmp_path.iterdir()) == []
