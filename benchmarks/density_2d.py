"""Which systems learn a density in the plane, and which reconstruct what they have never seen.

    .venv/bin/python benchmarks/density_2d.py --seeds 1 2 3

For every system of density_systems.py and every set of toy_densities.py it trains a teacher by
`naetrigger.training.loop.train` and judges its energy E on a grid: KL(truth || exp(-E/T) / Z) at
the temperature of its training and at the one that fits validation points best; the Wasserstein
distance of points drawn by the system's own chain to the truth; the share of points away from the
truth that it scores as points of the truth. Each finished one is a file in OUT, and a training that
was cut short goes on from its checkpoint. Tables go to OUT/density_2d.md, maps to OUT/*.png.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from density_figure import draw
from density_systems import CHAIN, SYSTEMS, settings_of, stem, temperature_of
from markdown_table import counted, over_seeds, table
from naetrigger.contracts.errors import TrainingDiverged
from naetrigger.training.langevin import fresh_starts, sample
from naetrigger.training.loop import train
from naetrigger.training.models.energy_model import EnergyModel
from naetrigger.training.settings import TrainingSettings
from naetrigger.training.teacher import load_teacher
from naetrigger.training.transport import wasserstein2_squared
from toy_densities import BOX, CELLS, TOYS, Floats, Toy, cell_centres, divergence, normalised

TRAIN, VALIDATION, TEST = 8000, 2000, 1000
CHAIN_STEPS = 200  # twenty times the chain of one training step
EMPTY = 1e-3  # of the greatest density: below, a point is away from the truth
ACCEPTED = 0.95  # of the truth's points score below the threshold


def main() -> None:
    """Train and judge what is missing, then print the tables and draw the maps."""
    arguments = _arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for seed in [] if arguments.tables else arguments.seeds:
        for toy in arguments.sets:
            _floor(arguments.out, toy, seed)
            for system in arguments.systems:
                _judged(arguments, toy, system, seed)
    text = "\n\n".join(_tables(arguments))
    (arguments.out / "density_2d.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    draw(arguments.out, arguments.systems, arguments.sets, arguments.seeds[0])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
    parser.add_argument("--sets", nargs="+", default=list(TOYS), choices=list(TOYS))
    parser.add_argument("--steps", type=int, default=500, help="of systems with chains")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/density_2d"))
    parser.add_argument("--tables", action="store_true", help="of what is there; train nothing")
    return parser.parse_args()


def _judged(arguments: argparse.Namespace, toy: str, system: str, seed: int) -> None:
    name = stem(toy, system, seed)
    kept = arguments.out / f"{name}.json"
    if kept.exists():
        return
    truth, settings = TOYS[toy], settings_of(system, arguments.steps, seed)
    rng = np.random.default_rng([seed, 1])
    points, validation = truth.sample(TRAIN, rng), truth.sample(VALIDATION, rng)
    begun = time.process_time()
    try:
        train(settings, points, validation, arguments.out / name)
        result = _measure(load_teacher(arguments.out / name), settings, truth, validation, seed)
    except TrainingDiverged as error:
        result = {"diverged": str(error)}
    maps = {key: result.pop(key) for key in ("log_density", "samples") if key in result}
    np.savez_compressed(arguments.out / f"{name}.npz", **maps)
    result["cpu_seconds"] = time.process_time() - begun
    print(f"{toy}, {system}, seed {seed}: {result}", flush=True)
    _write(kept, result)


def _measure(
    model: EnergyModel, settings: TrainingSettings, truth: Toy, validation: Any, seed: int
) -> dict[str, Any]:
    grid = cell_centres()
    energies = _energies(model, grid)
    p = truth.density(grid)
    fitted = _best_temperature(energies, _energies(model, validation))
    own = temperature_of(settings)
    temperature = fitted if own is None else own
    rng = np.random.default_rng([seed, 2])
    drawn = _draw(model, settings, temperature, seed)
    apart = wasserstein2_squared(torch.from_numpy(truth.sample(TEST, rng)), drawn).item()
    threshold = np.quantile(_energies(model, truth.sample(TEST, rng)), ACCEPTED)
    away = p < EMPTY * p.max()
    cells = p / p.sum()
    return {
        "kl": None if own is None else divergence(cells, normalised(-energies / own)),
        "kl_fitted": divergence(cells, normalised(-energies / fitted)),
        "temperature": own,
        "temperature_fitted": fitted,
        "distance": apart**0.5,
        "reconstructed": float((energies[away] <= threshold).mean()),
        "log_density": (-energies / temperature).astype(np.float32),
        "samples": drawn.numpy(),
    }


def _energies(model: EnergyModel, points: Any) -> Floats:
    x = torch.from_numpy(np.asarray(points, np.float32))
    return np.asarray(model.scores(x).double().numpy())


def _best_temperature(grid: Floats, validation: Floats) -> float:
    """T of the greatest likelihood of validation points: min over T of mean E / T + log Z(T)."""
    lowest = grid.min()

    def loss(log_t: float) -> float:
        t = np.exp(log_t)
        log_z = np.log(np.sum(np.exp(-(grid - lowest) / t)))
        return float(np.mean(validation - lowest) / t + log_z)

    best = minimize_scalar(loss, bounds=(np.log(1e-7), np.log(1e4)), method="bounded")
    return float(np.exp(best.x))


def _draw(
    model: EnergyModel, settings: TrainingSettings, temperature: float, seed: int
) -> torch.Tensor:
    """Ends of long chains from uniform starts, (TEST, 2): the system's own chain, or CHAIN at T."""
    chain = getattr(settings.objective, "chain", CHAIN)
    chain = chain.model_copy(update={"steps": CHAIN_STEPS, "temperature": temperature})
    generator = torch.Generator().manual_seed(seed)
    like = torch.zeros(1)
    starts = fresh_starts("uniform", (TEST, 2), chain, like, generator)
    return sample(model.energy, starts, chain, generator)


def _floor(out: Path, toy: str, seed: int) -> None:
    """What two samples of the truth, the uniform density and one Gaussian come to."""
    kept = out / f"{stem(toy, 'floor', seed)}.json"
    if kept.exists():
        return
    truth, grid = TOYS[toy], cell_centres()
    rng = np.random.default_rng([seed, 3])
    one, other = (torch.from_numpy(truth.sample(TEST, rng)) for _ in range(2))
    many = truth.sample(TRAIN, rng).astype(np.float64)
    uniform = torch.from_numpy(rng.uniform(-BOX, BOX, (TEST, 2)).astype(np.float32))
    centred, inverse = grid - many.mean(axis=0), np.linalg.inv(np.cov(many.T))
    gaussian = -0.5 * np.einsum("ni,ij,nj->n", centred, inverse, centred)
    normal = rng.multivariate_normal(many.mean(axis=0), np.cov(many.T), TEST).astype(np.float32)
    p = truth.density(grid)
    cells = p / p.sum()
    result = {
        "truth": {"kl": 0.0, "distance": wasserstein2_squared(one, other).item() ** 0.5},
        "one Gaussian": {
            "kl": divergence(cells, normalised(gaussian)),
            "distance": wasserstein2_squared(one, torch.from_numpy(normal)).item() ** 0.5,
        },
        "uniform": {
            "kl": divergence(cells, normalised(np.zeros(len(grid)))),
            "distance": wasserstein2_squared(one, uniform).item() ** 0.5,
        },
    }
    _write(kept, result)


def _tables(arguments: argparse.Namespace) -> list[str]:
    seeds, systems, sets = arguments.seeds, arguments.systems, arguments.sets
    titles = {
        "kl": "KL(truth || model) in nats, at the temperature of the training",
        "kl_fitted": "KL(truth || model) in nats, at the temperature that fits validation points",
        "distance": f"W2 between {TEST} samples of the model's chain and {TEST} of the truth",
        "reconstructed": "Share of the empty plane that scores below 95% of the truth",
        "cpu_seconds": "CPU seconds of one training, with its judgement",
    }
    blocks = []
    for key, title in titles.items():
        rows = [[s, *(_cell(arguments.out, toy, s, seeds, key) for toy in sets)] for s in systems]
        rows = [row for row in rows if set(row[1:]) != {""}]
        if key in ("kl", "kl_fitted", "distance"):
            measure = "distance" if key == "distance" else "kl"
            rows += [
                [name, *(_floor_cell(arguments.out, toy, seeds, name, measure) for toy in sets)]
                for name in ("truth", "one Gaussian", "uniform")
            ]
        blocks.append(f"{title}, {counted(seeds)}\n\n" + table(["system", *sets], rows))
    rows = [[s, *(_exact_cell(arguments.out, toy, s, seeds) for toy in sets)] for s in systems]
    title = f"W2 between {TEST} independent samples of exp(-E/T) and {TEST} of the truth"
    return [*blocks, f"{title}, {counted(seeds)}\n\n" + table(["system", *sets], rows)]


def _cell(out: Path, toy: str, system: str, seeds: list[int], key: str) -> str:
    results = _read_all([out / f"{stem(toy, system, seed)}.json" for seed in seeds])
    values = [r[key] for r in results if r.get(key) is not None]
    diverged = sum("diverged" in r for r in results)
    return over_seeds(values) + (f" ({diverged} diverged)" if diverged else "")


def _exact_cell(out: Path, toy: str, system: str, seeds: list[int]) -> str:
    """W2 as for the chain, of independent samples of exp(-E/T) on the grid."""
    distances = []
    for seed in seeds:
        path = out / f"{stem(toy, system, seed)}.npz"
        if not path.exists():
            continue
        with np.load(path) as kept:
            if "log_density" not in kept.files:
                continue
            cells = normalised(kept["log_density"].astype(np.float64))
        rng = np.random.default_rng([seed, 4])
        drawn = cell_centres()[rng.choice(len(cells), TEST, p=cells)]
        drawn = drawn + rng.uniform(-BOX / CELLS, BOX / CELLS, drawn.shape)
        truth = torch.from_numpy(TOYS[toy].sample(TEST, rng))
        apart = wasserstein2_squared(truth, torch.from_numpy(drawn.astype(np.float32)))
        distances.append(apart.item() ** 0.5)
    return over_seeds(distances)


def _floor_cell(out: Path, toy: str, seeds: list[int], name: str, key: str) -> str:
    results = _read_all([out / f"{stem(toy, 'floor', seed)}.json" for seed in seeds])
    return over_seeds([r[name][key] for r in results])


def _read_all(paths: list[Path]) -> list[dict[str, Any]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def _write(path: Path, content: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content), encoding="utf-8")
    partial.replace(path)


if __name__ == "__main__":
    main()
