"""What the shipped samples look like to a physicist: figures, sanity table, rates by pile-up.

    python benchmarks/sample_physics.py [--only NAME ...] [--data FOLDER] [--out docs/figures]

Everything comes from the shipped files, but for the closure of r_inv, which takes 300 events a
point from Pythia (extra `generate`). Background weights are the generator's. Errors: bootstrap
over events; over the pool's collisions where the background is zero bias, since one collision is
the hardest of many crossings.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from sample_figures import FIGURES
from sample_rates import rates_markdown
from sample_sanity import markdown, sanity_lines
from shipped_samples import sample

REPOSITORY = Path(__file__).parents[1]
SHIPPED = REPOSITORY / "training" / "data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=SHIPPED, help="folder of the shipped files")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "figures")
    parser.add_argument("--only", nargs="+", choices=(*FIGURES, "table", "rates"))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    wanted = arguments.only or (*FIGURES, "table", "rates")
    arguments.out.mkdir(parents=True, exist_ok=True)

    for name in FIGURES:
        if name in wanted:
            path = arguments.out / f"{name}.png"
            path.write_bytes(FIGURES[name](arguments.data))
            print(f"{path}: {path.stat().st_size / 1e3:.0f} kB", flush=True)
    if "table" in wanted:
        print(markdown(sanity_lines(arguments.data, np.random.default_rng(arguments.seed))))
    if "rates" in wanted:
        print(rates_markdown(sample(arguments.data, "l1-objects")["zero_bias"]))


if __name__ == "__main__":
    main()
