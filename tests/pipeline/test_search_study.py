"""Two processes at one search: one goes on, the other is told, at whatever moment they meet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from naetrigger.contracts.errors import EnvironmentProblem
from naetrigger.pipeline.search_study import Study, Trial, open_study, optuna_library
from naetrigger.pipeline.search_trial import Choices

CHOICES: Choices = {"weight_bits": [3, 4, 5, 6, 7, 8]}
FIGURES = {"rank_shift": 0.1, "lut": 10, "cycles": 3, "beyond": {"lut": -1.0}}


@pytest.fixture
def two(tmp_path: Path) -> tuple[Study, Study]:
    """The same study as two processes have it."""
    optuna = optuna_library()
    one, other = (open_study(optuna, tmp_path / "study.sqlite3", "name") for _ in "ab")
    return one, other


def ask(study: Study) -> list[Trial]:
    return study.ask_round(0, 3, CHOICES, 1, {"weight_bits": 7})


@pytest.mark.parametrize("call", ["set_trial_param", "set_trial_user_attr"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_the_other_starts_while_one_asks(
    two: tuple[Study, Study], monkeypatch: pytest.MonkeyPatch, call: str, nth: int
) -> None:
    """Between a trial and its place, at every place of the round."""
    one, other = two
    theirs: list[Trial] = []
    before(monkeypatch, one._study._storage, call, nth, lambda: theirs.extend(ask(other)))
    with pytest.raises(EnvironmentProblem, match="another process works on the same search"):
        ask(one)
    assert [trial.place for trial in theirs] == [0, 1, 2]
    assert ask(other) == ask(one) == theirs, "nothing that it works on was given up"


def before(
    patch: pytest.MonkeyPatch, place: Any, name: str, nth: int, do: Callable[[], None]
) -> None:
    """Do something before the nth call."""
    real, calls = getattr(place, name), []

    def called(*arguments: Any, **named: Any) -> Any:
        calls.append(name)
        if len(calls) == nth:
            do()
        return real(*arguments, **named)

    patch.setattr(place, name, called)


def test_both_finish_the_same_trial(
    two: tuple[Study, Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    trial = ask(one)[0]
    storage = one._study._storage
    before(monkeypatch, storage, "set_trial_user_attr", 1, lambda: other.tell(trial, FIGURES))
    one.tell(trial, {**FIGURES, "lut": 11})
    assert [trial.figures for trial in one.finished(3)] == [FIGURES]
