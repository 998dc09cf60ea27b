"""A search's study in Optuna's storage: what was asked, what came of it, what is asked next.

Trials are asked for in rounds of `search.at_once`; a round knows the trials of the rounds before it
alone. So its choices do not depend on how many workers there are, on which of them is faster, nor
on where a search was killed: a trial's *place* and the places before its round decide. Trials are
found again by their place, from any machine that reaches the storage.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from naetrigger.contracts.errors import EnvironmentProblem, MissingExtra
from naetrigger.pipeline.search_storage import Place, database, shown, storage_needed
from naetrigger.pipeline.search_trial import Choice, Choices

OBJECTIVES = ("rank_shift", "lut", "cycles")
NOTHING = (1.0, 1e9, 1e9)  # of a student that could not be made
STARTUP = 10  # trials drawn at random before the sampler learns
PLACE, FIGURES = "place", "figures"


@dataclass(frozen=True)
class Trial:
    """One trial: its choice, and its figures when it is finished.

    number : Optuna's, which counts what was asked for in vain, too
    """

    place: int
    number: int
    choice: dict[str, Choice]
    figures: dict[str, Any] | None

    @property
    def key(self) -> str:
        """Equal for equal choices."""
        return json.dumps(self.choice, sort_keys=True)


class Study:
    """The trials of one search by their places."""

    def __init__(self, optuna: Any, study: Any, place: Place) -> None:
        self._optuna, self._study, self._place = optuna, study, place

    @property
    def name(self) -> str:
        """Of the study, by what it depends on."""
        return str(self._study.study_name)

    def trials(self) -> dict[int, Trial]:
        """Every trial by its place; of two at one place the first counts."""
        states = self._optuna.trial.TrialState
        found: dict[int, Trial] = {}
        with storage_needed(self._place):
            every = self._study.get_trials(deepcopy=False, states=(states.COMPLETE, states.RUNNING))
        for one in every:
            place = one.user_attrs.get(PLACE)
            if place is not None and place not in found:
                finished = one.state == states.COMPLETE
                figures = one.user_attrs[FIGURES] if finished else None
                found[place] = Trial(place, one.number, dict(one.params), figures)
        return found

    def finished(self, until: int) -> list[Trial]:
        """Finished trials before a place, in their order."""
        trials = self.trials()
        return [trials[p] for p in sorted(trials) if p < until and trials[p].figures is not None]

    def ask_round(
        self, first: int, size: int, choices: Choices, seed: int, own: Mapping[str, Choice]
    ) -> list[Trial]:
        """The trials at places first ... first + size - 1, asked for unless they have been.

        own : the choice at place 0

        Raises EnvironmentProblem where another process asks at the same time.
        """
        places = range(first, first + size)
        with storage_needed(self._place):
            self._drop_half_asked()
            there = self.trials()
            asked = [
                self._ask(place, choices, seed, own if place == 0 else {})
                for place in places
                if place not in there
            ]
            self._refuse_company(asked)
        trials = self.trials()
        if any(place not in trials for place in places):
            raise self._company()
        return [trials[place] for place in places]

    def tell(self, trial: Trial, figures: Mapping[str, Any]) -> None:
        """What came of a trial; that of another process at the same trial stays."""
        values = NOTHING if "problem" in figures else [figures[name] for name in OBJECTIVES]
        with storage_needed(self._place), suppress(self._finished_elsewhere):
            one = self._study.get_trials(deepcopy=False)[trial.number]
            if not one.state.is_finished():
                self._study.sampler = sampler(self._optuna, 0, {})
                self._study._storage.set_trial_user_attr(one._trial_id, FIGURES, dict(figures))
                self._study.tell(trial.number, values, skip_if_finished=True)

    def _ask(
        self, place: int, choices: Choices, seed: int, fixed: Mapping[str, Choice]
    ) -> tuple[int, int]:
        """A new trial; its place is written last, so that a trial without one is a half one."""
        self._study.sampler = sampler(self._optuna, (seed * 1_000_003 + place) % 2**31, fixed)
        try:
            trial = self._study.ask(_distributions(self._optuna, choices))
            trial.set_user_attr(PLACE, place)
        except self._finished_elsewhere as error:  # another process took it for a dead one's
            raise self._company() from error
        return place, int(trial.number)

    def _drop_half_asked(self) -> None:
        """Trials of a process that was killed while it asked."""
        states = self._optuna.trial.TrialState
        for one in self._study.get_trials(deepcopy=False, states=(states.RUNNING,)):
            if PLACE not in one.user_attrs:
                self._fail(one.number)

    def _refuse_company(self, asked: list[tuple[int, int]]) -> None:
        """Two processes that ask at once would see each other's trials: the later one ends.

        What it was first at stays: the other one may be at work on it already.
        """
        numbers = {place: trial.number for place, trial in self.trials().items()}
        late = [number for place, number in asked if numbers.get(place) != number]
        for number in late:
            self._fail(number)
        if late:
            raise self._company()

    def _fail(self, number: int) -> None:
        """Give up a trial, unless another process has."""
        with suppress(self._finished_elsewhere):
            state = self._optuna.trial.TrialState.FAIL
            self._study.tell(number, state=state, skip_if_finished=True)

    def _company(self) -> EnvironmentProblem:
        return EnvironmentProblem(
            f"{shown(self._place)}: another process works on the same search; wait for it, and "
            "the same command goes on"
        )

    @property
    def _finished_elsewhere(self) -> type[Exception]:
        found: type[Exception] = self._optuna.exceptions.UpdateFinishedTrialError
        return found


def open_study(optuna: Any, place: Place, name: str) -> Study:
    """The study of that name, new or as it is.

    Raises what :func:`database` raises.
    """
    storage = database(optuna, place)
    with storage_needed(place):
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=["minimize"] * len(OBJECTIVES),
            load_if_exists=True,
        )
    return Study(optuna, study, place)


def optuna_library() -> Any:
    """Optuna, quiet."""
    try:
        import optuna
    except ImportError as error:
        raise MissingExtra("optuna", "search") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def sampler(optuna: Any, seed: int, fixed: Mapping[str, Choice]) -> Any:
    """A sampler of its own for each trial, so that nothing is lost when a process ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of its options are called experimental
        tpe = optuna.samplers.TPESampler(
            seed=seed,
            multivariate=True,
            n_startup_trials=STARTUP,
            constraints_func=_constraints,
            constant_liar=True,  # trials of one round keep away from each other
        )
        return optuna.samplers.PartialFixedSampler(dict(fixed), tpe) if fixed else tpe


def _constraints(trial: Any) -> list[float]:
    figures = trial.user_attrs.get(FIGURES, {})
    return list(figures.get("beyond", {"": 1.0}).values())


def _distributions(optuna: Any, choices: Choices) -> dict[str, Any]:
    """Numbers in steps of one are integers to the sampler, all else are categories."""
    found = {}
    for name, allowed in choices.items():
        low, high = allowed[0], allowed[-1]
        if isinstance(low, int) and isinstance(high, int):
            found[name] = optuna.distributions.IntDistribution(low, high)
        else:
            found[name] = optuna.distributions.CategoricalDistribution(allowed)
    return found
