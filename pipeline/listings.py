"""What the command line lists: everything shipped or registered, each with a description."""

from __future__ import annotations

import typing
from collections.abc import Callable

from naetrigger.contracts.events import Events, open_events_file, process_names, read_group
from naetrigger.contracts.score import SCORES
from naetrigger.firmware_configs.board import board_names, load_board
from naetrigger.firmware_configs.input_spec import input_spec_names, load_input_spec
from naetrigger.firmware_configs.machine import load_machine, machine_names
from naetrigger.firmware_configs.shipped import shipped_names
from naetrigger.pipeline.engines import ENGINES
from naetrigger.pipeline.recipe import load_recipe
from naetrigger.training.data.readers import shipped_samples, source_path
from naetrigger.training.data.settings import DataSettings
from naetrigger.training.settings import ObjectiveBase, ObjectiveSettings
from naetrigger.training.simulate.processes import PROCESSES

Rows = list[tuple[str, str]]
Listing = list[dict[str, str]]
"""Rows, each with the same columns, the first of which is `name`."""

ANY_SEMIVISIBLE = "svj?_MASS_rNN"
ANY_SEMIVISIBLE_MEANS = "any other mediator mass, 500 to 5000 GeV, and NN = ten times r_inv"


def _recipes() -> Rows:
    return [(name, load_recipe(name).description) for name in shipped_names("recipes")]


def _boards() -> Rows:
    return [(name, load_board(name).description) for name in board_names()]


def _machines() -> Rows:
    return [(name, load_machine(name).description) for name in machine_names()]


def _inputs() -> Rows:
    return [(name, load_input_spec(name).description) for name in input_spec_names()]


def _objectives() -> Listing:
    """A row for each score of each objective."""
    kinds: list[type[ObjectiveBase]] = [*typing.get_args(typing.get_args(ObjectiveSettings)[0])]
    return [
        {
            "name": kind.model_fields["name"].default,
            "score": score,
            "hardware": "by regression" if obstacle else "yes",
            "source": kind.source,
            "description": _first_line(kind.__doc__),
        }
        for kind in kinds
        for score, obstacle in kind.offers.items()
    ]


def _engines() -> Rows:
    return [(name, engine.description) for name, engine in ENGINES.items()]


def _scores() -> Rows:
    return [(name, score.description) for name, score in SCORES.items()]


def _samples() -> Rows:
    return [(name, ", ".join(e.process for e in _of_sample(name))) for name in shipped_samples()]


def _processes() -> Rows:
    views = {name: ", ".join(process.views) for name, process in PROCESSES.items()}
    rows = [(name, f"{p.description} [{views[name]}]") for name, p in PROCESSES.items()]
    return [*rows, (ANY_SEMIVISIBLE, ANY_SEMIVISIBLE_MEANS)]


def _signals() -> Rows:
    """Each once, with the samples that hold it."""
    described: dict[str, str] = {}
    samples: dict[str, list[str]] = {}
    for name in shipped_samples():
        for event in _of_sample(name):
            if event.role == "signal":
                described.setdefault(event.process, str(event.attributes.get("description", "")))
                samples.setdefault(event.process, []).append(name)
    return [(name, f"{said} [{', '.join(samples[name])}]") for name, said in described.items()]


def _described(rows: Callable[[], Rows]) -> Callable[[], Listing]:
    return lambda: [{"name": name, "description": said} for name, said in rows()]


LISTINGS: dict[str, Callable[[], Listing]] = {
    "recipes": _described(_recipes),
    "boards": _described(_boards),
    "machines": _described(_machines),
    "inputs": _described(_inputs),
    "objectives": _objectives,
    "engines": _described(_engines),
    "scores": _described(_scores),
    "samples": _described(_samples),
    "processes": _described(_processes),
    "signals": _described(_signals),
}


def _of_sample(name: str) -> list[Events]:
    """The processes of a shipped sample, without their rows."""
    with open_events_file(source_path(DataSettings(source=name))) as file:
        return [read_group(file[process], slice(0, 0)) for process in process_names(file)]


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
