"""One trial of a search: what of the recipe is changed, and what the changed student costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from naetrigger.contracts.errors import InputError, NaetriggerError
from naetrigger.contracts.progress import Silent
from naetrigger.export.student_settings import StudentSettings
from naetrigger.firmware_configs.board import Board
from naetrigger.firmware_configs.shipped import problem_lines
from naetrigger.pipeline.recipe import Recipe
from naetrigger.pipeline.search_measure import fidelity

Choice = str | int | float
Choices = dict[str, list[Choice]]


def space(recipe: Recipe, layers: list[str]) -> Choices:
    """Every choice there is, by its name; one with a single value is none.

    layers : the student's layers
    """
    search = recipe.search
    choices: Choices = {
        "rounding": list(search.rounding),
        "sparsity": list(search.sparsity),
        "activation_bits": _range(search.activation_bits),
        "latent_bits": _range(search.latent_bits),
    }
    if search.per_layer and not search.hidden:
        choices |= {f"weight_bits.{name}": _range(search.weight_bits) for name in layers}
    else:
        choices["weight_bits"] = _range(search.weight_bits)
    if search.reconstruction_bits:
        choices["reconstruction_bits"] = _range(search.reconstruction_bits)
    if search.hidden:
        choices["hidden"] = ["-".join(map(str, shape)) for shape in search.hidden]
    return choices


def _range(bits: tuple[int, int]) -> list[Choice]:
    return list(range(bits[0], bits[1] + 1))


def own_choice(recipe: Recipe, choices: Choices) -> dict[str, Choice]:
    """The recipe's own values, each brought to the nearest that may be chosen."""
    student = recipe.student
    values: dict[str, Any] = {
        "rounding": student.rounding,
        "sparsity": student.pruning.sparsity,
        "activation_bits": student.activation_bits,
        "latent_bits": student.latent_bits,
        "weight_bits": student.weight_bits,
        "reconstruction_bits": student.reconstruction_bits,
        "hidden": "-".join(map(str, student.hidden)),
    }
    found = {}
    for name, allowed in choices.items():
        value = values[name.partition(".")[0]]
        numbers = isinstance(value, int | float)
        found[name] = (
            min(allowed, key=lambda one: abs(float(one) - value)) if numbers
            else (value if value in allowed else allowed[0])
        )  # fmt: skip
    return found


def changed(recipe: Recipe, choice: Mapping[str, Choice]) -> StudentSettings:
    """The student's settings with a choice made; InputError if there is no such student."""
    student: dict[str, Any] = recipe.student.model_dump(mode="json")
    for name, value in choice.items():
        head, _, layer = name.partition(".")
        if layer:
            student["layers"].setdefault(layer, {})["weight"] = value
        elif head == "sparsity":
            student["pruning"]["sparsity"] = value
        elif head == "hidden":
            student["hidden"] = [int(width) for width in str(value).split("-")]
        else:
            student[head] = value
    if recipe.search.epochs:
        student["epochs"] = recipe.search.epochs
    try:
        return StudentSettings.model_validate(student)
    except ValidationError as error:
        made = ", ".join(f"{name} {value}" for name, value in choice.items())
        source = f"search: the student with {made}"
        raise InputError("\n".join(problem_lines(StudentSettings, error, source))) from error


def overrides(recipe: Recipe, choice: Mapping[str, Choice]) -> list[str]:
    """The choice as options of `naetrigger run RECIPE`."""
    found = []
    for name, value in choice.items():
        head, _, layer = name.partition(".")
        key = {"sparsity": "pruning.sparsity"}.get(head, head)
        shown: Choice = f"[{str(value).replace('-', ',')}]" if head == "hidden" else value
        found.append(f"--set student.{f'layers.{layer}.weight' if layer else key}={shown}")
    if recipe.search.epochs:
        found.append(f"--set student.epochs={recipe.search.epochs}")
    return found


def evaluate(
    recipe: Recipe, task: Any, board: Board, choice: Mapping[str, Choice], kept: dict[str, Any]
) -> tuple[dict[str, Any], Any]:
    """Figures of one student, and the student with its network; a problem instead if it has none.

    kept : students before their quantizers, for the trials of one process
    """
    from naetrigger.export.distil import fit_student
    from naetrigger.export.qkeras_student import libraries
    from naetrigger.export.rtl import estimates

    libraries().keras.backend.clear_session()  # else the graphs of all trials stay in memory
    cutoffs = (board.latency_cutoff, *recipe.search.latency_cutoffs)
    try:
        report = fit_student(task, changed(recipe, choice), recipe.seed, Silent(), [], kept)
        costs = estimates(report.network, board, recipe.firmware, cutoffs)
    except NaetriggerError as error:
        return {"problem": str(error)}, None
    figures: dict[str, Any] = {
        **asdict(fidelity(task, report.network)),
        "saturated": report.saturated,
        "lut": costs[0].lut,
        "ff": costs[0].ff,
        "dsp": costs[0].dsp,
        "cycles": costs[0].latency_cycles,
        "at_cutoff": {str(c): e.latency_cycles for c, e in zip(cutoffs, costs, strict=True)},
    }
    return figures | {"beyond": beyond(figures, board)}, report


def beyond(figures: Mapping[str, Any], board: Board) -> dict[str, float]:
    """By what part each bound of the board's budget is exceeded; <= 0 is within."""
    seen = {
        "latency_ns": figures["cycles"] * board.clock_ns,
        "lut": figures["lut"],
        "ff": figures["ff"],
        "dsp": figures["dsp"],
    }
    limits = {name: getattr(board.budget, name) for name in seen}
    return {
        name: value / max(limits[name].value, 1.0) - (limits[name].value > 0)
        for name, value in seen.items()
        if limits[name] is not None
    }
