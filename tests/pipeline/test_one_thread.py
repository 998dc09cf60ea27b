"""Numbers that do not depend on how many threads torch has: the student's task, torch's scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from naetrigger.contracts.progress import Silent
from naetrigger.pipeline.engines import torch_model
from naetrigger.pipeline.run import run_recipe
from naetrigger.pipeline.student_stage import task_of
from naetrigger.pipeline.work import Work
from naetrigger.training import negatives
from naetrigger.training.threads import torch_threads


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads of every multiplication of matrices."""
    found: list[int] = []
    linear = torch.nn.functional.linear

    def recorded(*arguments: Any) -> torch.Tensor:
        found.append(torch.get_num_threads())
        return linear(*arguments)

    monkeypatch.setattr(torch.nn.functional, "linear", recorded)
    return found


def test_the_students_task(
    finished_run: Path, seen: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sampled(model: Any, *rest: Any) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return torch.zeros(5, 4)

    monkeypatch.setattr(negatives, "sample_negatives", sampled)
    with torch_threads(3):
        task_of(Work(run_recipe(finished_run), finished_run, finished_run / "none", Silent()))
        assert torch.get_num_threads() == 3
    assert len(seen) > 2
    assert set(seen) == {1}


def test_scores_of_the_teacher(finished_run: Path, seen: list[int]) -> None:
    engine = torch_model(finished_run, finished_run / "training")
    with torch_threads(3):
        engine.scores(np.zeros((5, 4), np.int64))
        assert torch.get_num_threads() == 3
    assert set(seen) == {1}
