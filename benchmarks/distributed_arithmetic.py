"""hls4ml's strategy distributed_arithmetic on random networks: every layer equal to the network.

    python benchmarks/distributed_arithmetic.py --networks 5

Needs `pip install 'naetrigger[hls-da]'`. The first network waits some minutes for da4ml, which
compiles itself once for each installation.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.export.hls import write_hls
from naetrigger.export.hls_library import HlsLibrary, compile_library
from naetrigger.export.settings import FirmwareSettings
from naetrigger.firmware_configs.board import load_board
from network_generator import random_network
from random_networks import words_of

BOARD = "vu13p-5ns"
EVENTS = 2000


def differing(network: FixedPointNetwork, folder: Path) -> list[str]:
    """Layers of the compiled project that differ from the network's edges on any event."""
    words = words_of(network, EVENTS)
    settings = FirmwareSettings(hls_strategy="distributed_arithmetic")
    write_hls(network, folder, load_board(BOARD), settings, words[:10])
    compile_library(folder)
    library, inputs = HlsLibrary(folder), network.input.type.real(words)
    edges = network.trace(words)
    wrong = [
        layer
        for layer, values in library.trace(inputs).items()
        if not np.array_equal(values, edges[layer])
    ]
    equal = np.array_equal(library.scores(inputs), network.scores(words))
    return wrong if equal else [*wrong, "scores"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=5)
    parser.add_argument("--first", type=int, default=1, help="number of the first network")
    given, failed = parser.parse_args(), False
    for number in range(given.first, given.first + given.networks):
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="naetrigger-da-") as work:
            wrong = differing(random_network(number), Path(work) / "hls")
        seconds = time.monotonic() - start
        print(f"network {number}: {', '.join(wrong) or 'equal'} ({seconds:.0f} s)", flush=True)
        failed |= bool(wrong)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
