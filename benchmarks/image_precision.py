"""CPU time of a NAE step on images: float32, channels last, and bfloat16 with channels last.

    python benchmarks/image_precision.py

The step is `omi`, batch 64, 10 latent and 10 visible steps, 28 x 28 images, one thread. Counted is
the process's CPU time, the best of `--steps`, the three variants taking turns: so a busy machine
makes little difference.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

from markdown_table import table
from naetrigger.training.models import build_model
from naetrigger.training.objectives import build_objective
from naetrigger.training.precision import tune
from naetrigger.training.settings import Langevin, ModelSettings, NaeObjective, TrainingOptions

PIXELS, BATCH = 784, 64
HIDDEN = ((16, 32), (32, 64), (32, 64, 128))
CHAIN = Langevin(steps=10, bounds=(0.0, 1.0))
VARIANTS = {
    "float32": TrainingOptions(),
    "float32, channels last": TrainingOptions(channels_last=True),
    "bf16, channels last": TrainingOptions(precision="bf16", channels_last=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=4, help="of which the best counts")
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    rows = []
    for hidden in HIDDEN:
        stepped = [step_of(hidden, options) for options in VARIANTS.values()]
        best = [float("inf")] * len(stepped)
        for _ in range(steps + 1):  # the first warms up caches, and is slower
            best = [min(b, cpu_seconds(step)) for b, step in zip(best, stepped, strict=True)]
        rows.append([str(list(hidden)), f"{best[0]:.2f} s", *(ratio(best[0], b) for b in best[1:])])
    print(table(["`hidden`", *VARIANTS], rows))
    print(f"\n{processor()}; bfloat16 instructions: {', '.join(bfloat16_flags()) or 'none'}")


def step_of(hidden: tuple[int, ...], options: TrainingOptions) -> Callable[[], None]:
    """One optimiser step after another, of one training."""
    objective = build_objective(
        NaeObjective(pretrain_steps=0, batch_size=BATCH, chain=CHAIN, latent_chain=CHAIN)
    )
    settings = ModelSettings(kind="conv", hidden=hidden, latent=16)
    network = build_model(settings, PIXELS, torch.Generator().manual_seed(1))
    tune([network], options)
    generator = torch.Generator().manual_seed(2)
    images = torch.rand((BATCH, PIXELS), generator=generator)
    state = objective.start(network, generator)
    optimizer = torch.optim.AdamW(network.parameters())

    def step() -> None:
        optimizer.zero_grad()
        objective.loss(network, images, state, generator).loss.backward()
        optimizer.step()
        state.step += 1

    return step


def cpu_seconds(step: Callable[[], None]) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


def ratio(plain: float, other: float) -> str:
    """'0.67 s, 1.2x faster'"""
    times, word = (plain / other, "faster") if other <= plain else (other / plain, "slower")
    return f"{other:.2f} s, {times:.1f}x {word}"


def processor() -> str:
    """Its name, as Linux tells it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


def bfloat16_flags() -> list[str]:
    """Of the processor, those by which it computes in bfloat16."""
    told = Path("/proc/cpuinfo")
    flags = told.read_text().split() if told.exists() else []
    return [flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags]


if __name__ == "__main__":
    main()
