"""What students of l1-objects cost: the front of fidelity against LUTs, in docs/benchmarks/.

    python benchmarks/l1_pareto.py                # some hours on one core; goes on where it stopped
    python benchmarks/l1_pareto.py --trials 20    # a first look

Two searches of one teacher: the teacher's own shape with its weights (`quantize`), and smaller
shapes taught from the start (`distil`). Their fronts are put together. Signals choose nothing:
their AUCs are looked at when the front stands.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from naetrigger.firmware_configs.board import Board, load_board
from naetrigger.pipeline.recipe import Recipe, load_recipe
from naetrigger.pipeline.search import SEARCH, search
from naetrigger.pipeline.search_front import write_front

RECIPE = "l1-objects"
ALLOWED_LOSSES = (0.01, 0.001)  # of AUC on every signal
LIMIT = 15_000  # LUTs of the acceptance
PUBLIC = (17_700, 16)  # LUTs and cycles of the public 2025 production network, by this estimate
SEARCHES = {
    "quantize": {"search.sparsity": [0.0, 0.3, 0.5, 0.65, 0.8, 0.9]},
    "distil": {
        "student.mode": "distil",
        "search.hidden": [[4], [6], [8], [12], [16]],
        "search.sparsity": [0.0, 0.3, 0.5, 0.7],
    },
}


def main() -> None:
    """Search, put the fronts together, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/bench/l1_pareto"))
    parser.add_argument("--page", type=Path, default=Path("docs/benchmarks/l1-pareto.md"))
    parser.add_argument("--trials", type=int, default=60, help="of each search")
    parser.add_argument("--epochs", type=int, default=20, help="with quantizers, a trial")
    parser.add_argument("--searches", nargs="+", choices=SEARCHES, default=list(SEARCHES))
    arguments = parser.parse_args()
    rows = []
    for name in arguments.searches:
        changes = SEARCHES[name]
        recipe = recipe_of(changes, arguments.trials, arguments.epochs)
        result = search(recipe, arguments.out, notify=print)
        document = write_front(result, recipe)
        rows += [{**entry, "search": name} for entry in document["front"]]
        keep(arguments.out / SEARCH, name)
    arguments.page.parent.mkdir(parents=True, exist_ok=True)
    options = f"--trials {arguments.trials} --epochs {arguments.epochs}"
    if arguments.searches != list(SEARCHES):
        options += f" --searches {' '.join(arguments.searches)}"
    text = page(front(rows), options, load_board(recipe.firmware.board))
    arguments.page.write_text(text, encoding="utf-8")
    print(arguments.page)


def recipe_of(changes: dict[str, Any], trials: int, epochs: int) -> Recipe:
    """The recipe with a search's settings."""
    settings = {**changes, "search.trials": trials, "search.epochs": epochs}
    settings |= {"search.weight_bits": [2, 7], "search.activation_bits": [3, 8]}
    settings |= {"search.reconstruction_bits": [7, 10]}
    return load_recipe(RECIPE, [f"{key}={json.dumps(value)}" for key, value in settings.items()])


def keep(folder: Path, name: str) -> None:
    """Each search's front beside the other's."""
    for suffix in ("json", "md", "svg"):
        shutil.copy(folder / f"front.{suffix}", folder / f"front-{name}.{suffix}")


def front(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows that no other beats in rank shift, LUTs and cycles; cheapest first."""

    def key(row: dict[str, Any]) -> tuple[float, ...]:
        return tuple(row["figures"][name] for name in ("lut", "rank_shift", "cycles"))

    kept = [
        row
        for row in rows
        if not any(
            key(o) != key(row) and all(a <= b for a, b in zip(key(o), key(row), strict=True))
            for o in rows
        )
    ]
    return sorted(kept, key=key)


def page(rows: list[dict[str, Any]], options: str, board: Board) -> str:
    """The benchmark's page."""
    limit = board.budget.lut
    bound = f", within its budget of {limit.value:.0f} LUTs" if limit else ""
    lines = [
        "# l1-objects: LUTs against fidelity",
        "",
        f"Made by `python benchmarks/l1_pareto.py {options}`: students of one teacher "
        f"([search.md](../search.md)), LUTs and cycles by alkaid's estimate for {board.name}"
        f"{bound}, before any synthesis. *Worst signal* is the largest loss of AUC against the "
        "teacher among the signals; it chose nothing.",
        "",
        *verdict(rows),
        "",
        "| LUT | cycles | rank shift | worst signal | mode | choice |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        f = row["figures"]
        choice = ", ".join(f"{name} {value}" for name, value in row["choice"].items())
        lines.append(
            f"| {f['lut']} | {f['cycles']} | {f['rank_shift']:.4f} | {worst(row):+.4f} | "
            f"{row['search']} | {choice} |"
        )
    return "\n".join(lines) + "\n"


def worst(row: dict[str, Any]) -> float:
    """The largest loss of AUC against the teacher, as a negative number."""
    return min(row["auc_less_teacher"].values())


def verdict(rows: list[dict[str, Any]]) -> list[str]:
    """The smallest students that lose so much, and what the public network needs."""
    lines = [smallest(rows, loss) for loss in ALLOWED_LOSSES]
    return [
        *lines,
        f"The public 2025 production network needs {PUBLIC[0]} LUTs and {PUBLIC[1]} cycles by the "
        "same estimate.",
    ]


def smallest(rows: list[dict[str, Any]], loss: float) -> str:
    within = [row["figures"] for row in rows if worst(row) >= -loss]
    if not within:
        return f"No student is within {loss} AUC of the teacher on every signal."
    least = min(within, key=lambda figures: figures["lut"])
    return (
        f"The smallest student within {loss} AUC of the teacher on every signal needs "
        f"{least['lut']} LUTs and {least['cycles']} cycles, {least['lut'] / LIMIT:.0%} of {LIMIT}."
    )


if __name__ == "__main__":
    main()
