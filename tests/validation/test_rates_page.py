"""rates.html and the lines of the terminal: what they say of thresholds that do not hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from naetrigger.validation.plots import Style
from naetrigger.validation.rates_document import Crossings, Question, passed, rates_document
from naetrigger.validation.rates_page import rates_page
from naetrigger.validation.rates_tables import problems
from naetrigger.validation.tail import Sample

N = 20_000


def document(request_khz: float, shift: int = 0, step: int = 1) -> dict[str, Any]:
    """Of exponential scores; `shift` raises those of the test half, `step` makes scores coarse."""
    rng = np.random.default_rng(1)
    calibration = rng.random(N) < 0.5
    scores = rng.exponential(300, N).astype(np.int64) // step * step + shift * ~calibration
    found = Crossings(Sample(scores, np.ones(N)), calibration, ~calibration)
    says = ("naetrigger", "recipe", "engine", "file", "process")
    return {
        **dict.fromkeys(says, "-"),
        "machine": {"name": "m"},
        "notes": [],
        **rates_document(found, Question((request_khz,), 30_000.0, 4095, 0.1)),
    }


def test_halves_that_agree_are_no_problem() -> None:
    found = document(500.0)
    assert passed(found)
    assert [*problems(found)] == []
    assert "1 of 1 requested rates have a threshold" in rates_page(found, Style())


def test_halves_that_disagree_are_said() -> None:
    found = document(500.0, shift=200)
    assert not passed(found)
    (line,) = problems(found)
    pull = found["rates"][0]["halves_pull"]
    assert line.startswith(f"500 kHz: the halves differ by {pull:.1f} sigma (limit 4): ")
    assert line in rates_page(found, Style())


def test_a_rate_that_no_threshold_gives_has_none() -> None:
    """The threshold of an unreachable rate gives another one, and is not counted."""
    found = document(900.0, step=300)
    assert found["rates"][0]["status"] == "unreachable"
    assert found["rates"][0]["threshold_hw"] is not None
    assert not passed(found)
    assert "0 of 1 requested rates have a threshold" in rates_page(found, Style())
