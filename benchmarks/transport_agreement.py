"""Exact transport against POT on random problems: value, gradient, and what is to be refused.

    python benchmarks/transport_agreement.py                 1000 problems of 1 to 2048 points
    python benchmarks/transport_agreement.py --problems 100 --largest 200

Every problem is solved by POT's `emd2`, by `wasserstein2_squared` as training calls it, and by the
assignment solver with its compiled and with its numba auction, whatever the size. Values must agree
within 1e-9 of POT's; gradients with respect to both samples wherever POT's plan is the only optimal
one, which its dual potentials decide (`is_unique`). Problems are made from seed and number alone;
those done are kept, so an interrupted run goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from naetrigger.contracts.errors import InputError
from naetrigger.training import assignment as solver
from naetrigger.training.transport import ot, wasserstein2_squared

Floats = npt.NDArray[np.float64]

TOLERANCE = 1e-9  # relative, of values; of gradients relative to their largest component
MARGIN = 1e-8  # of the mean cost, after centring: plans closer to the best are not told apart
SAMPLES_OF_ONE_SIZE = 0.9  # of the problems; the rest go to network simplex in any case


@dataclass(frozen=True)
class Problem:
    """Two samples (N, F) and (M, F), equally weighted each."""

    kind: str
    x: Floats
    y: Floats


@dataclass(frozen=True)
class Verdict:
    """How far one problem's solutions are from POT's, and what was wrong with them."""

    number: int
    kind: str
    sizes: tuple[int, int]
    features: int
    unique: bool
    value: float
    """Greatest relative difference of values, over the solvers."""
    gradient: float | None
    """Greatest relative difference of gradients; none: the optimum is not unique."""
    gave_up: tuple[str, ...]
    """Solvers that left the problem to network simplex."""

    @property
    def wrong(self) -> bool:
        return not (self.value <= TOLERANCE and (self.gradient or 0) <= TOLERANCE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--largest", type=int, default=2048, help="points of a sample")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/transport_agreement"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    kept = arguments.out / f"{arguments.seed}-{arguments.largest}.jsonl"
    kept.parent.mkdir(parents=True, exist_ok=True)
    verdicts = _kept(kept)
    with kept.open("a", encoding="utf-8") as file:
        for number in range(len(verdicts), arguments.problems):
            verdicts.append(check(number, arguments.seed, arguments.largest))
            file.write(json.dumps(asdict(verdicts[-1])) + "\n")
            file.flush()
    print(table(verdicts[: arguments.problems]))
    print(f"\nBad input: {refusals()}")
    wrong = [verdict for verdict in verdicts if verdict.wrong]
    for verdict in wrong:
        print(f"DISAGREES: {verdict}")
    raise SystemExit(bool(wrong))


def _kept(path: Path) -> list[Verdict]:
    """The verdicts of whole lines; a line that a crash cut short is made again."""
    if not path.exists():
        return []
    lines = [line for line in path.read_text(encoding="utf-8").split("\n")[:-1] if line]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    found = [json.loads(line) for line in lines]
    pairs = ("sizes", "gave_up")
    return [Verdict(**(one | {key: tuple(one[key]) for key in pairs})) for one in found]


def check(number: int, seed: int, largest: int) -> Verdict:
    """One problem, solved by POT and by all of ours."""
    problem = make(number, seed, largest)
    x, y = problem.x, problem.y
    value, plan, unique = pot(x, y)
    scale = max(abs(value), np.finfo(float).tiny)
    values, gradients, gave_up = [], [], []
    for name, solve in SOLVERS.items():
        found = solve(x, y)
        if found is None:
            gave_up.append(name)
            continue
        mine, slopes = found
        values.append(abs(mine - value) / scale if mine != value else 0.0)
        if unique:
            gradients.append(_distance(slopes, gradients_of(plan, x, y)))
    return Verdict(
        number=number,
        kind=problem.kind,
        sizes=(len(x), len(y)),
        features=x.shape[1],
        unique=unique,
        value=max(values),
        gradient=max(gradients) if gradients else None,
        gave_up=tuple(gave_up),
    )


def _distance(found: tuple[Floats, Floats], wanted: tuple[Floats, Floats]) -> float:
    scale = max(np.abs(g).max() for g in wanted)
    far = max(np.abs(a - b).max() for a, b in zip(found, wanted, strict=True))
    return float(far / scale) if far else 0.0


def make(number: int, seed: int, largest: int) -> Problem:
    """Problem `number`: its kind by turns, all else drawn; every fiftieth has the largest size."""
    rng = np.random.default_rng((seed, number))
    kind = list(KINDS)[number % len(KINDS)]
    n = m = largest if number % 50 == 0 else round(float(np.exp(rng.uniform(0, np.log(largest)))))
    if rng.random() > SAMPLES_OF_ONE_SIZE:
        m = int(rng.integers(1, n + 1))
    x, y = KINDS[kind](rng, n, m, int(rng.integers(1, 17)))
    return Problem(kind, x, y)


def _clouds(rng: np.random.Generator, n: int, m: int, f: int) -> tuple[Floats, Floats]:
    """Correlated Gaussians of different widths."""
    mix = rng.normal(size=(f, f))
    return rng.normal(size=(n, f)) @ mix, 1.3 * rng.normal(size=(m, f)) @ mix + 0.2


def _ties(rng: np.random.Generator, n: int, m: int, f: int) -> tuple[Floats, Floats]:
    """Points of a small grid: costs are whole numbers, many of them the same."""
    return rng.integers(0, 4, (n, f)).astype(float), rng.integers(0, 4, (m, f)).astype(float)


def _duplicates(rng: np.random.Generator, n: int, m: int, f: int) -> tuple[Floats, Floats]:
    """Points that come several times in either sample, a third of them in both."""
    shared = rng.normal(size=(max(1, n // 6), f))
    own = [rng.normal(size=(max(1, k // 3), f)) for k in (n, m)]
    pools = [np.concatenate([shared, one]) for one in own]
    x, y = (pool[rng.integers(len(pool), size=k)] for pool, k in zip(pools, (n, m), strict=True))
    return x, y


def _far_apart(rng: np.random.Generator, n: int, m: int, f: int) -> tuple[Floats, Floats]:
    """A distance of up to ten thousand widths."""
    direction = rng.normal(size=f)
    away = direction / np.linalg.norm(direction) * 10 ** rng.uniform(1, 4)
    return rng.normal(size=(n, f)), rng.normal(size=(m, f)) + away


def _clusters(rng: np.random.Generator, n: int, m: int, f: int) -> tuple[Floats, Floats]:
    """Tight groups, far from each other, shared unequally: mass must cross from group to group."""
    centres = 100 * rng.normal(size=(5, f))
    shares = rng.dirichlet(np.ones(5), 2)
    x, y = (
        centres[rng.choice(5, k, p=p)] + 0.1 * rng.normal(size=(k, f))
        for k, p in zip((n, m), shares, strict=True)
    )
    return x, y


def _nearly_the_same(rng: np.random.Generator, n: int, m: int, f: int) -> tuple[Floats, Floats]:
    """One sample and itself in another order, a little moved, some of it not at all."""
    x = rng.normal(size=(n, f))
    moved = x + 1e-3 * rng.normal(size=(n, f)) * (rng.random((n, 1)) < 0.7)
    return x, rng.permutation(moved)[:m]


KINDS: dict[str, Callable[[np.random.Generator, int, int, int], tuple[Floats, Floats]]] = {
    "clouds": _clouds,
    "ties": _ties,
    "duplicates": _duplicates,
    "far apart": _far_apart,
    "clusters": _clusters,
    "nearly the same": _nearly_the_same,
}


def pot(x: Floats, y: Floats) -> tuple[float, Floats, bool]:
    """POT's emd2, an optimal plan, and whether it is the only one.

    A shift of one sample changes all plans' costs alike; the plan is sought with both centred, so
    that a great distance does not eat the digits that tell plans apart.
    """
    a, b = np.full(len(x), 1 / len(x)), np.full(len(y), 1 / len(y))
    value = float(ot.emd2(a, b, cdist(x, y, "sqeuclidean"), numItermax=10**8))
    costs = cdist(x - x.mean(axis=0), y - y.mean(axis=0), "sqeuclidean")
    plan, log = ot.emd(a, b, costs, numItermax=10**8, log=True)
    return value, plan, is_unique(plan, costs, log["u"], log["v"])


def is_unique(plan: Floats, costs: Floats, u: Floats, v: Floats) -> bool:
    """Whether every other plan costs more, by MARGIN of the mean cost for a unit it moves.

    Two optimal plans differ by a circulation on tight cells (c - u - v = 0) that takes mass only
    from cells of this plan. So it is the only one if no cell without mass closes a directed cycle
    (its row and column are then in one strongly connected part of the residual graph), and the
    cells with mass form a forest. Raises ValueError if u, v do not prove the plan optimal.
    """
    slack = costs - u[:, None] - v[None, :]
    margin = MARGIN * float(costs.mean())
    used = plan > 0
    if slack.min() < -margin or np.abs(slack[used]).max() > margin:
        raise ValueError("the dual potentials do not prove the plan optimal")
    n, m = plan.shape
    rows, columns = np.nonzero(slack <= margin)
    back_rows, back_columns = np.nonzero(used)
    tail = np.concatenate([rows, back_columns + n])
    head = np.concatenate([columns + n, back_rows])
    graph = coo_array((np.ones(len(tail)), (tail, head)), shape=(n + m, n + m)).tocsr()
    _, part = connected_components(graph, connection="strong")
    spare = ~used[rows, columns]
    if (part[rows[spare]] == part[columns[spare] + n]).any():
        return False
    forest = coo_array((np.ones(used.sum()), (back_rows, back_columns + n)), shape=(n + m, n + m))
    trees, _ = connected_components(forest.tocsr(), directed=False)
    return bool(used.sum() == n + m - trees)


def gradients_of(plan: Floats, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Of sum_ij P_ij |x_i - y_j|^2 with respect to x and y, at fixed P."""
    to_x = 2 * (plan.sum(axis=1)[:, None] * x - plan @ y)
    return to_x, 2 * (plan.sum(axis=0)[:, None] * y - plan.T @ x)


def as_trained(x: Floats, y: Floats) -> tuple[float, tuple[Floats, Floats]]:
    """Value and gradients of `wasserstein2_squared`."""
    a, b = (torch.from_numpy(z.copy()).requires_grad_() for z in (x, y))
    value = wasserstein2_squared(a, b)
    slopes = torch.autograd.grad(value, (a, b))
    return value.item(), (slopes[0].numpy(), slopes[1].numpy())


def by_assignment(kernel: bool, x: Floats, y: Floats) -> tuple[float, tuple[Floats, Floats]] | None:
    """The same by the assignment solver alone; none where it gives up, or sizes differ."""
    if len(x) != len(y):
        return None
    costs = cdist(x - x.mean(axis=0), y - y.mean(axis=0), "sqeuclidean")
    with _auction(kernel):
        match = solver.assignment(costs)
    if match is None:
        return None
    n = len(x)
    far = x - y[match]
    to_y = np.empty_like(y)
    to_y[match] = -2 * far / n
    return float(np.square(far).sum() / n), (2 * far / n, to_y)


@contextmanager
def _auction(kernel: bool) -> Iterator[None]:
    """The compiled auction, which must then be there, or numba's."""
    before: Any = solver._compiled_auction
    if kernel and before() is None:
        raise SystemExit("no compiled auction: a C++ compiler is needed, and NAETRIGGER_KERNELS on")
    solver._compiled_auction = before if kernel else lambda: None
    try:
        yield
    finally:
        solver._compiled_auction = before


SOLVERS: dict[str, Callable[[Floats, Floats], tuple[float, tuple[Floats, Floats]] | None]] = {
    "as trained": as_trained,
    "compiled": lambda x, y: by_assignment(True, x, y),
    "numba": lambda x, y: by_assignment(False, x, y),
}


def refusals() -> str:
    """What bad samples are refused with; raises AssertionError if one is taken."""
    good = torch.zeros(3, 2, dtype=torch.float64)
    bad = {
        "NaN": good * float("nan"),
        "infinity": good + float("inf"),
        "another width": torch.zeros(3, 4, dtype=torch.float64),
        "no points": good[:0],
        "no features": torch.zeros(3, dtype=torch.float64),
    }
    for what, sample in bad.items():
        for pair in ((good, sample), (sample, good)):
            try:
                wasserstein2_squared(*pair)
            except InputError:
                continue
            raise AssertionError(f"{what} was not refused")
    return f"{', '.join(bad)} refused, in either sample."


def table(verdicts: list[Verdict]) -> str:
    """A line a kind."""
    lines = [
        "| kind | problems | of two sizes | one optimum | value, greatest | gradient, greatest "
        "| left to network simplex: compiled, numba |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in (*KINDS, "all"):
        some = [v for v in verdicts if kind in (v.kind, "all")]
        if not some:
            continue
        single = [v for v in some if v.sizes[0] == v.sizes[1]]
        left = Counter(name for v in single for name in v.gave_up)
        gradients = [v.gradient for v in some if v.gradient is not None]
        lines.append(
            f"| {kind} | {len(some)} | {len(some) - len(single)} | {len(gradients)} "
            f"| {max(v.value for v in some):.1e} | {max(gradients, default=0):.1e} "
            f"| {left['compiled']}, {left['numba']} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
