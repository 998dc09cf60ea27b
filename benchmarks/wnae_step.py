"""One training step of a WNAE against the public implementation: time, loss, gradient.

    python benchmarks/wnae_step.py --reference PATH      PATH holds the public package `wnae`
    python benchmarks/wnae_step.py                       ours alone

Both do the same work in one process with one thread: the same network (8-32-16-3-16-32-8, ReLU),
the same batch, the same starts and the same noise for the comparison of values; for the times
each fills its own replay buffer. Runs alternate between the two, so a busy machine slows both;
quote the ratios. The table goes to standard output as markdown.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from naetrigger.training.langevin import differentiable_sample
from naetrigger.training.models import build_model
from naetrigger.training.models.autoencoder import Autoencoder
from naetrigger.training.objectives import build_objective
from naetrigger.training.settings import Langevin, ModelSettings, WnaeObjective
from naetrigger.training.transport import wasserstein2_squared

FEATURES = 8
MODEL = ModelSettings(hidden=(32, 16), latent=3)
BATCHES = 5  # for the comparison of values
NOISE, TEMPERATURE, BOUNDS = 0.2, 0.05, (-4.0, 4.0)


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    batch: int
    steps: int

    @property
    def chain(self) -> Langevin:
        return Langevin(steps=self.steps, noise=NOISE, temperature=TEMPERATURE, bounds=BOUNDS)


@dataclass(frozen=True)
class Gate:
    """What the project promises of a step, and what was found."""

    what: str
    wanted: str
    found: str
    met: bool

    @property
    def verdict(self) -> str:
        return "met" if self.met else "NOT MET"


FASTER = {("train step", 512): 5, ("train step", 1024): 7, ("train step", 2048): 10}
FASTER[("transport", 2048)] = 10  # times; the median ratio over the runs, chains of 10 steps
CLOSE = {"loss": 1e-6, "gradient": 1e-5}
"""Relative. A gradient is held to the public code's in float64, whose rounding does not count."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--reference", type=Path, help="folder that holds the package wnae")
    parser.add_argument("--batches", type=int, nargs="+", default=[512, 1024, 2048])
    parser.add_argument("--chain-steps", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--runs", type=int, default=5, help="timed runs; medians and spread")
    parser.add_argument("--seconds", type=float, default=1.5, help="about, of each run")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    reference = load_reference(arguments.reference) if arguments.reference else None
    gates: list[Gate] = []
    for steps in arguments.chain_steps:
        print(f"\nChain of {steps} steps, milliseconds (least and greatest of {arguments.runs}):\n")
        print("| batch | what | ours | reference | ratio | least | greatest |")
        print("|---|---|---|---|---|---|---|")
        for batch in arguments.batches:
            gates += report(Case(batch, steps), reference, arguments.runs, arguments.seconds)
    if reference is not None:
        print(f"\nSame batch, starts and noise; {BATCHES} batches each, relative differences:\n")
        print("| batch | steps | type | loss | gradient, median | gradient | to float64 | theirs |")
        print("|---|---|---|---|---|---|---|---|")
        for steps in arguments.chain_steps:
            for dtype in (torch.float32, torch.float64):
                for batch in arguments.batches:
                    gates += compare(Case(batch, steps), reference, dtype)
        print("\n| gate | wanted | found | |")
        print("|---|---|---|---|")
        for gate in gates:
            print(f"| {gate.what} | {gate.wanted} | {gate.found} | {gate.verdict} |")
        raise SystemExit(not all(gate.met for gate in gates))


def load_reference(folder: Path) -> type[nn.Module]:
    """The class WNAE of the public package."""
    if not (folder / "wnae").is_dir():
        raise SystemExit(f"{folder}: holds no package wnae")
    sys.path.insert(0, str(folder))
    from wnae import WNAE

    return WNAE  # type: ignore[no-any-return]


def report(
    case: Case, reference: type[nn.Module] | None, runs: int, seconds: float
) -> Iterator[Gate]:
    """Three lines: the whole step, the chain with its gradient, the transport with its own."""
    ours: dict[str, Callable[[], Any]] = {
        "train step": our_step(case),
        "chain": our_chain(case),
        "transport": our_transport(case),
    }
    theirs: dict[str, Callable[[], Any]] = {}
    if reference is not None:
        theirs = {
            "train step": their_step(case, reference),
            "chain": their_chain(case, reference),
            "transport": their_transport(case, reference),
        }
    for what, work in ours.items():
        times = alternate([work, *([theirs[what]] if theirs else [])], runs, seconds)
        mine = statistics.median(times[0])
        line = f"| {case.batch} | {what} | {mine:.1f} |"
        if theirs:
            ratios = [b / a for a, b in zip(*times, strict=True)]
            found = statistics.median(ratios)
            wanted = FASTER.get((what, case.batch)) if case.steps == 10 else None
            if wanted is not None:
                name = f"{what}, batch {case.batch}"
                yield Gate(name, f"{wanted} times", f"{found:.1f} times", found >= wanted)
            line += (
                f" {statistics.median(times[1]):.1f} | **{found:.1f}** "
                f"| {min(ratios):.1f} | {max(ratios):.1f} |"
            )
        else:
            line += f" | | {min(times[0]):.1f} | {max(times[0]):.1f} |"
        print(line, flush=True)


def alternate(works: list[Callable[[], Any]], runs: int, seconds: float) -> list[list[float]]:
    """Milliseconds a call, one value a run, for each work in turn; CPU time of the process."""
    for work in works:
        work()  # compiles, fills caches
        work()
    times: list[list[float]] = [[] for _ in works]
    for _ in range(runs):
        for work, found in zip(works, times, strict=True):
            start, calls = time.process_time(), 0
            while calls < 2 or time.process_time() - start < seconds:
                work()
                calls += 1
            found.append(1e3 * (time.process_time() - start) / calls)
    return times


def model_of(dtype: torch.dtype = torch.float32) -> Autoencoder:
    """Ours, with weights from a fixed seed."""
    return build_model(MODEL, FEATURES, torch.Generator().manual_seed(1)).to(dtype)


def data(case: Case, dtype: torch.dtype = torch.float32, seed: int = 2) -> Tensor:
    """A curved, correlated cloud, standardised; shape (batch, 8)."""
    generator = torch.Generator().manual_seed(seed)
    latent = torch.randn(case.batch, 3, generator=generator, dtype=torch.float64)
    mix = torch.randn(3, FEATURES, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    noise = torch.randn(case.batch, FEATURES, generator=generator, dtype=torch.float64)
    x = torch.tanh(latent @ mix) + 0.2 * noise
    return ((x - x.mean(0)) / x.std(0)).to(dtype)


def starts(case: Case, dtype: torch.dtype = torch.float32, seed: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(case.batch, FEATURES, generator=generator, dtype=torch.float64).to(dtype)


def our_step(case: Case) -> Callable[[], None]:
    model = model_of()
    settings = WnaeObjective(chain=case.chain, batch_size=case.batch)
    objective = build_objective(settings)
    generator = torch.Generator().manual_seed(5)
    state = objective.start(model, generator)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-4, fused=True)
    batch = data(case)

    def step() -> None:
        result = objective.loss(model, batch, state, generator)
        optimiser.zero_grad()
        result.loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return step


def their_step(case: Case, reference: type[nn.Module]) -> Callable[[], None]:
    wnae = theirs_of(case, model_of(), reference)
    optimiser = torch.optim.AdamW(wnae.parameters(), lr=3e-4)
    batch = data(case)

    def step() -> None:
        optimiser.zero_grad()
        loss, _ = wnae.train_step(batch)
        loss.backward()
        optimiser.step()

    return step


def theirs_of(case: Case, model: Autoencoder, reference: type[nn.Module]) -> Any:
    """The public class around the same encoder and decoder."""
    return reference(
        model.encoder,
        model.decoder,
        sampling="pcd",
        n_steps=case.steps,
        step_size=None,
        noise=NOISE,
        temperature=TEMPERATURE,
        bounds=BOUNDS,
        initial_distribution="gaussian",
        replay_ratio=0.95,
        buffer_size=10_000,
    )


def our_chain(case: Case) -> Callable[[], None]:
    model, x0, generator = model_of(), starts(case), torch.Generator().manual_seed(6)

    def chain() -> None:
        model.zero_grad()
        differentiable_sample(model.energy, x0, case.chain, generator).sum().backward()  # type: ignore[no-untyped-call]

    return chain


def their_chain(case: Case, reference: type[nn.Module]) -> Callable[[], None]:
    from wnae._mcmc_utils import sample_langevin

    model, x0 = model_of(), starts(case)
    wnae = theirs_of(case, model, reference)

    def chain() -> None:
        model.zero_grad()
        found = sample_langevin(
            x0.clone(),
            wnae.forward,
            n_steps=case.steps,
            step_size=NOISE**2 / 2,
            noise_scale=NOISE,
            temperature=TEMPERATURE,
            clip=BOUNDS,
        )
        found["sample"].sum().backward()

    return chain


def our_transport(case: Case) -> Callable[[], None]:
    x, y = data(case), data(case, seed=7) * 1.1

    def transport() -> None:
        y.grad = None
        wasserstein2_squared(x, y.requires_grad_()).backward()  # type: ignore[no-untyped-call]

    return transport


def their_transport(case: Case, reference: type[Any]) -> Callable[[], None]:
    x, y = data(case), data(case, seed=7) * 1.1

    def transport() -> None:
        y.grad = None
        reference.compute_wasserstein_distance(x, y.requires_grad_()).backward()

    return transport


def compare(case: Case, reference: type[nn.Module], dtype: torch.dtype) -> Iterator[Gate]:
    """One line of the second table."""
    found = [differences(case, reference, dtype, seed) for seed in range(BATCHES)]
    loss, same = max(f.loss for f in found), [f.same_type for f in found]
    exact, rounding = max(f.ours_to_float64 for f in found), max(f.theirs_to_float64 for f in found)
    name = str(dtype).removeprefix("torch.")
    print(
        f"| {case.batch} | {case.steps} | {name} | {loss:.1e} | {statistics.median(same):.1e} "
        f"| {max(same):.1e} | {exact:.1e} | {rounding:.1e} |",
        flush=True,
    )
    if case.steps == 10 or dtype == torch.float64:
        name = f"{name}, {case.steps} steps, batch {case.batch}"
        for what, far in (("loss", loss), ("gradient", exact)):
            wanted = CLOSE[what]
            yield Gate(f"{what}, {name}", f"within {wanted:g}", f"{far:.1e}", far <= wanted)


@dataclass(frozen=True)
class Differences:
    """Relative; of gradients, the largest component's over the largest component.

    loss, same_type : ours against the public code, both in one type
    ours_to_float64 : our gradient against the public code's in float64
    theirs_to_float64 : its own gradient in the type against its own in float64: its rounding
    """

    loss: float
    same_type: float
    ours_to_float64: float
    theirs_to_float64: float


def differences(
    case: Case, reference: type[nn.Module], dtype: torch.dtype, seed: int
) -> Differences:
    """Ours and the public code on the same batch, starts and noise, all drawn in `dtype`."""
    batch, x0 = data(case, dtype, seed=100 + seed), starts(case, dtype, seed=200 + seed)
    model = model_of(dtype)
    ends = differentiable_sample(model.energy, x0, case.chain, torch.Generator().manual_seed(8))
    ours = wasserstein2_squared(batch, ends)
    ours.backward()  # type: ignore[no-untyped-call]
    mine = gradient(model)
    loss, public = their_gradient(case, reference, batch, x0, dtype)
    _, exact = their_gradient(case, reference, batch, x0, torch.float64)
    return Differences(
        abs(ours.item() - loss) / abs(loss),
        distance(mine, public),
        distance(mine, exact),
        distance(public, exact),
    )


def their_gradient(
    case: Case, reference: type[nn.Module], batch: Tensor, x0: Tensor, dtype: torch.dtype
) -> tuple[float, Tensor]:
    """Loss and gradient of the public code computed in `dtype`; noise is drawn in the batch's."""
    other = model_of(dtype)
    wnae = theirs_of(case, other, reference)
    wnae._WNAE__initial_sample = lambda n, device=None: x0.to(dtype, copy=True)
    torch.manual_seed(8)  # their noise is torch's global one: the same numbers
    torch.set_default_dtype(dtype)  # of the weights that they give to emd2
    randn_like = torch.randn_like
    torch.randn_like = lambda x: torch.randn(x.shape, dtype=batch.dtype).to(x.dtype)  # type: ignore[assignment]
    try:
        loss, _ = wnae.train_step(batch.to(dtype))
    finally:
        torch.set_default_dtype(torch.float32)
        torch.randn_like = randn_like
    loss.backward()
    return loss.item(), gradient(other)


def gradient(model: nn.Module) -> Tensor:
    """All of it, in float64."""
    parts = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return torch.cat(parts).double()


def distance(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


if __name__ == "__main__":
    main()
