"""What a search gives: front.json, front.md and front.svg in the run folder's `search/`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from naetrigger.contracts.manifest import write_atomically
from naetrigger.contracts.network_file import load_network
from naetrigger.contracts.progress import Silent
from naetrigger.contracts.whole_file import whole_file
from naetrigger.pipeline import engines
from naetrigger.pipeline.recipe import Recipe
from naetrigger.pipeline.search import Row, SearchResult
from naetrigger.pipeline.search_trial import SEARCH
from naetrigger.pipeline.work import Work

FORMAT, VERSION = "naetrigger-search", 1
FIGURES = ("lut", "cycles", "ff", "rank_shift", "auc_shift", "spearman", "kept", "saturated")


def write_front(result: SearchResult, recipe: Recipe) -> dict[str, Any]:
    """Write the three files; the document of front.json."""
    folder = result.root / SEARCH
    differences = signal_differences(result, recipe)
    board = result.board
    document = {
        "format": FORMAT,
        "version": VERSION,
        "recipe": recipe.name,
        "seed": recipe.seed,
        "board": board.name,
        "clock_ns": board.clock_ns,
        "source": "estimate",
        "students": result.students.name,
        "trials": len(result.rows) + result.failed,
        "failed": result.failed,
        "problems": {str(trial): said for trial, said in result.problems.items()},
        "pruned": result.pruned,
        "front": [_entry(row, differences.get(row.trial, {})) for row in result.front],
        "all": [_entry(row, {}) for row in result.rows],
    }
    write_atomically(folder / "front.json", json.dumps(document, indent=1) + "\n")
    write_atomically(folder / "front.md", _markdown(result, recipe, differences))
    _draw(result, folder / "front.svg")
    return document


def signal_differences(result: SearchResult, recipe: Recipe) -> dict[int, dict[str, float]]:
    """trial -> signal -> AUC of the student less that of the teacher, of the front alone.

    The front stands before this is looked at.
    """
    from naetrigger.validation.efficiency import auc, scored

    work = Work(recipe, result.root, result.root / SEARCH, Silent())
    background, *signals = sorted(work.events("test"), key=lambda events: events.role)
    teachers = {
        events.process: scored(
            engines.score(result.root, "torch", work.spec.mantissas(events)), events.weights
        )
        for events in (background, *signals)
    }
    found: dict[int, dict[str, float]] = {}
    for row in result.front:
        network = load_network(result.students / _folder(result, row) / "network")
        own = scored(network.scores(work.student_spec.mantissas(background)), background.weights)
        found[row.trial] = {
            events.process: auc(
                own,
                scored(network.scores(work.student_spec.mantissas(events)), events.weights),
            )
            - auc(teachers[background.process], teachers[events.process])
            for events in signals
        }
    return found


def _folder(result: SearchResult, row: Row) -> str:
    """Where the student of a row is; of equal choices the first was trained."""
    first = next(other for other in result.rows if other.choice == row.choice)
    return f"trial_{first.trial}"


def _entry(row: Row, differences: dict[str, float]) -> dict[str, Any]:
    entry = {
        "trial": row.trial,
        "choice": row.choice,
        "figures": row.figures,
        "fits_board": row.fits,
        "options": row.options,
    }
    return entry | ({"auc_less_teacher": differences} if differences else {})


def _markdown(
    result: SearchResult, recipe: Recipe, differences: dict[int, dict[str, float]]
) -> str:
    board = result.board
    head = ["trial", "LUT", "cycles", "ff", "rank shift", "AUC shift", "spearman", "kept 1%"]
    worst = "worst signal"
    lines = [
        f"# {recipe.name}: students of one teacher",
        "",
        f"{len(result.rows) + result.failed} trials, {result.failed} without a student, "
        f"{result.pruned} given up on the way. LUTs, "
        f"flip-flops and cycles are alkaid's estimates for {board.name} at {board.clock_ns} ns, "
        "before any synthesis.",
        "Chosen by rank shift, LUTs and cycles, on background and on points around it. "
        f"*{worst}* is the largest loss of AUC against the teacher among the signals, looked at "
        "when the front stood.",
    ]
    if not any(row.fits for row in result.rows):
        lines += ["", f"**No student keeps the budget of {board.name}**; the front is of all."]
    if result.problems:
        lines += ["", "Without a student:", "", *_problems(result)]
    names = list(result.front[0].choice) if result.front else []
    lines += ["", "| " + " | ".join([*head, worst, *names]) + " |"]
    lines += ["|" + "---|" * (len(head) + 1 + len(names))]
    for row in result.front:
        f = row.figures
        signals = differences.get(row.trial, {})
        lowest = f"{min(signals.values()):+.4f}" if signals else ""
        cells = [
            str(row.trial), str(f["lut"]), str(f["cycles"]), str(f["ff"]),
            f"{f['rank_shift']:.4f}", f"{f['auc_shift']:.4f}", f"{f['spearman']:.4f}",
            f"{f['kept']:.3f}", lowest, *(str(row.choice[name]) for name in names),
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "A row's student is made by `naetrigger run` with:", ""]
    lines += [f"- trial {row.trial}: `{_in_a_shell(row.options)}`" for row in result.front]
    return "\n".join(lines) + "\n"


def _problems(result: SearchResult) -> list[str]:
    """Each problem once, with its trials."""
    trials: dict[str, list[str]] = {}
    for trial, said in result.problems.items():
        trials.setdefault(" ".join(said.split()), []).append(str(trial))
    return [f"- {said} (trials {', '.join(numbers)})" for said, numbers in trials.items()]


def _in_a_shell(options: list[str]) -> str:
    """Options as a shell takes them: brackets are patterns there."""
    values = (option.removeprefix("--set ") for option in options)
    return " ".join(f"--set {shlex.quote(value)}" for value in values)


def _draw(result: SearchResult, path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    whole = tuple(row for row in result.rows if not row.figures.get("pruned"))
    with mpl.rc_context({"svg.hashsalt": "naetrigger", "svg.fonttype": "none"}):
        figure = Figure(figsize=(6.4, 4.4), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        for rows, style in ((whole, {"alpha": 0.35, "s": 18}), (result.front, {"s": 48})):
            points = axes.scatter(
                [row.figures["lut"] for row in rows],
                [row.figures["rank_shift"] for row in rows],
                c=[row.figures["cycles"] for row in rows],
                cmap="viridis",
                vmin=min((r.figures["cycles"] for r in whole), default=0),
                vmax=max((r.figures["cycles"] for r in whole), default=1),
                **style,
            )
        for row in result.front:
            at = (row.figures["lut"], row.figures["rank_shift"])
            axes.annotate(str(row.trial), at, xytext=(4, 4), textcoords="offset points", size=7)
        limit = result.board.budget.lut
        largest = max((row.figures["lut"] for row in whole), default=0)
        if limit is not None and limit.value <= 1.5 * largest:
            axes.axvline(limit.value, color="grey", linestyle=":")
        axes.set(
            xlabel="LUTs (estimate)",
            ylabel="rank shift against the teacher",
            xscale=_scale(whole, "lut"),
            yscale=_scale(whole, "rank_shift"),
        )
        figure.colorbar(points, ax=axes, label=f"cycles of {result.board.clock_ns} ns")
        with whole_file(path) as partial:
            figure.savefig(partial, format="svg", metadata={"Date": None})


def _scale(rows: tuple[Row, ...], figure: str) -> str:
    """Logarithms need something to show: there may be no student, or none that differs."""
    return "log" if any(row.figures[figure] > 0 for row in rows) else "linear"
