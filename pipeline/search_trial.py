"""One trial of a search: what of the recipe is changed, and what the changed student costs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from naetrigger.contracts.errors import EnvironmentProblem, InputError, NaetriggerError
from naetrigger.contracts.manifest import NAME, sha256_of
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.contracts.progress import Silent
from naetrigger.export.student_settings import StudentSettings
from naetrigger.firmware_configs.board import Board
from naetrigger.firmware_configs.problems import problem_lines
from naetrigger.pipeline.recipe import Recipe
from naetrigger.pipeline.search_measure import fidelity
from naetrigger.pipeline.work import Work

Choice = str | int | float
Choices = dict[str, list[Choice]]
Check = dict[str, Any]
"""rank_shift and adder_bits of a student on its way; of a finished one its trial, lut, cycles and
beyond, too."""

SEARCH, STUDENT = "search", "student"
PACKAGES = ("numpy", "scipy", "torch", "tensorflow", "tf_keras", "qkeras", "alkaid")


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


@dataclass(frozen=True)
class TrialJob:
    """Trials of one recipe in one run folder, wherever there is a worker (contracts/workers.py)."""

    recipe: Recipe
    root: Path
    board: Board  # not by its name, which may be a path that a worker sees another file at

    @property
    def what(self) -> str:
        return "it made the student of trial"

    def prepare(self) -> Callable[..., dict[str, Any]]:
        """(choice, checks) -> figures, and the student's files as STUDENT"""
        from naetrigger.pipeline.student_stage import task_of

        task = task_of(Work(self.recipe, self.root, self.root / SEARCH, Silent()))
        kept: dict[str, Any] = {}

        def trial(choice: Mapping[str, Choice], checks: Sequence[Check]) -> dict[str, Any]:
            figures, report = evaluate(self.recipe, task, self.board, choice, kept, checks)
            return figures | ({} if report is None else {STUDENT: packed_student(report)})

        return trial

    def sees(self) -> Mapping[str, str]:
        """The run folder with its teacher, and the programs and processor that decide a student."""
        from naetrigger.pipeline.run import versions
        from naetrigger.training.processor import processor

        manifest = self.root / NAME
        found = sha256_of(manifest) if manifest.is_file() else ""
        return {str(manifest): found, **processor(), **versions(PACKAGES)}


def packed_student(report: Any) -> dict[str, bytes]:
    """The files that `write_trained` writes, by their paths."""
    from naetrigger.export.distil import write_trained

    with tempfile.TemporaryDirectory(prefix="naetrigger-") as place:
        write_trained(report, Path(place))
        files = sorted(path for path in Path(place).rglob("*") if path.is_file())
        return {path.relative_to(place).as_posix(): path.read_bytes() for path in files}


def evaluate(
    recipe: Recipe,
    task: Any,
    board: Board,
    choice: Mapping[str, Choice],
    kept: dict[str, Any],
    checks: Sequence[Check] = (),
) -> tuple[dict[str, Any], Any]:
    """Figures of one student, and the student with its network; a problem instead if it has none.

    What this machine lacks is no problem of a student: EnvironmentProblem goes on.

    kept : students before their quantizers, for the trials of one process
    checks : what students of earlier rounds were like when they were looked at (TrialPruning)
    """
    from naetrigger.export.distil import fit_student
    from naetrigger.export.qkeras_student import libraries

    libraries().keras.backend.clear_session()  # else the graphs of all trials stay in memory
    settings = changed(recipe, choice)
    look = _Look(recipe, task, settings, checks)
    try:
        report = fit_student(
            task, settings, recipe.seed, Silent(), [], kept, look if recipe.search.prune else None
        )
        figures = _figures(recipe, task, board, report)
    except Hopeless as early:
        # What it costs is not known, but that it is no less than what beat it.
        theirs = {name: early.other[name] for name in ("trial", "lut", "cycles", "beyond")}
        beaten = {"beaten_by": theirs.pop("trial"), "pruned": early.epoch}
        return {"rank_shift": look.seen["rank_shift"], **theirs, **beaten, "check": look.seen}, None
    except EnvironmentProblem:
        raise
    except NaetriggerError as error:
        return {"problem": str(error)}, None
    return figures | {"check": look.seen}, report


def _figures(recipe: Recipe, task: Any, board: Board, report: Any) -> dict[str, Any]:
    """What a student is like and costs; `report` of export.distil."""
    from naetrigger.export.rtl import estimates

    cutoffs = (board.latency_cutoff, *recipe.search.latency_cutoffs)
    costs = estimates(report.network, board, recipe.firmware, cutoffs)
    figures: dict[str, Any] = {
        **asdict(fidelity(task, report.network)),
        "saturated": report.saturated,
        "lut": costs[0].lut,
        "ff": costs[0].ff,
        "dsp": costs[0].dsp,
        "cycles": costs[0].latency_cycles,
        "at_cutoff": {str(c): e.latency_cycles for c, e in zip(cutoffs, costs, strict=True)},
    }
    return figures | {"beyond": beyond(figures, board)}


class Hopeless(Exception):
    """Ends the training of a student that another one beat."""

    def __init__(self, epoch: int, other: Check) -> None:
        super().__init__(epoch)
        self.epoch, self.other = epoch, other


class _Look:
    """Looks at a student once on its way; raises Hopeless if an earlier one was much better."""

    def __init__(
        self, recipe: Recipe, task: Any, settings: StudentSettings, checks: Sequence[Check]
    ) -> None:
        self._prune, self._task = recipe.search.prune, task
        self._settings, self._checks = settings, checks
        self.seen: Check = {}

    def __call__(self, epoch: int, student: Callable[[], Any]) -> None:
        """After each epoch with quantizers; student : gives it as it is."""
        last = self._settings.epochs
        if self._prune is None or epoch == last:
            return
        if epoch != max(1, round(self._prune.after * last)):
            return
        from naetrigger.export.distil import reported

        network = reported(student(), self._task, self._settings, epoch).network
        shift = fidelity(self._task, network).rank_shift
        self.seen = {"rank_shift": shift, "adder_bits": adder_bits(network)}
        other = beaten_by(self.seen, self._checks, self._prune.margin)
        if other is not None:
            raise Hopeless(epoch, other)


def beaten_by(seen: Check, checks: Sequence[Check], margin: float) -> Check | None:
    """The first of the others that was nearer to its teacher by `margin`, for no more adders."""
    for other in checks:
        nearer = seen["rank_shift"] > margin * other["rank_shift"]
        if nearer and seen["adder_bits"] >= other["adder_bits"]:
            return other
    return None


def adder_bits(network: FixedPointNetwork) -> float:
    """What a network's products cost as shifts and adds: nonzero digits of the weights in
    non-adjacent form, times the width of what they are multiplied with. In no time, where an
    estimate of LUTs takes longer than a student's training."""
    kinds = {node.name: node.type for node in network.nodes}
    return float(
        sum(
            nonzero_digits(np.asarray(node.weights)).sum() * kinds[node.inputs[0]].width
            for node in network.nodes
            if node.weights is not None
        )
    )


def nonzero_digits(weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Nonzero digits of integers in non-adjacent form: the ones of n xor 3 n."""
    n = np.abs(weights).astype(np.uint64)
    return np.asarray(np.bitwise_count(n ^ (n * np.uint64(3))))


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
