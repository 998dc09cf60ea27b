"""What is told while the test sample is scored."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from naetrigger.contracts.progress import Silent
from naetrigger.pipeline import engines, validation_stage


def test_the_engine_at_work_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []
    listener = Silent()
    monkeypatch.setattr(listener, "start", lambda label, total: told.append((label, total)))
    monkeypatch.setattr(engines, "available", lambda root: ["torch", "rtl"])
    monkeypatch.setattr(validation_stage, "_scores_of", lambda root, name, words: {})
    spec = SimpleNamespace(mantissas=lambda events: [])
    work: Any = SimpleNamespace(root=tmp_path, progress=listener, spec=spec, student_spec=spec)
    assert set(validation_stage._all_scores(work, [])) == {"teacher", "student"}
    assert told == [("scoring: torch", 2), ("scoring: rtl", 2)]
