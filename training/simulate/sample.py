"""What a file of simulated events says about itself, and a hash over its content."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from naetrigger.contracts.events import Events
from naetrigger.contracts.version import __version__

LABEL = "simulation: Pythia 8 + parametric detector, never collision data"
CITATION = (
    "naetrigger; Pythia 8.3, arXiv:2203.11601; FastJet, arXiv:1111.6097; "
    "choice of inputs: CMS-MLG-24-002, arXiv:2510.02168"
)
# Stored integers count as the floats that readers see.
ARRAYS = {"values": "<f4", "weights": "<f8", "event_ids": "<u8", "context": "<f4"}
HASH_ROWS = 65536
PACKAGES = ("pythia8mc", "fastjet", "awkward", "numpy", "numba")


def versions() -> dict[str, str]:
    """Versions of the packages that can change the rows."""
    found = {"naetrigger": __version__}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def content_hash(samples: Iterable[Events]) -> str:
    """SHA-256 over names and stored values: equal for equal samples in any order."""
    digest = hashlib.sha256()
    for sample in sorted(samples, key=lambda sample: sample.process):
        digest.update(sample.process.encode())
        for name in ARRAYS:
            digest.update(_bytes(getattr(sample, name), name))
    return digest.hexdigest()


def file_content_hash(path: Path) -> str:
    """:func:`content_hash` of a file of any size, read block by block."""
    digest = hashlib.sha256()
    with h5py.File(path, "r") as file:
        for process in sorted(file):
            digest.update(process.encode())
            for name in ARRAYS:
                dataset = file[process][name]
                for start in range(0, len(dataset), HASH_ROWS):
                    digest.update(_bytes(dataset[start : start + HASH_ROWS], name))
    return digest.hexdigest()


def _bytes(rows: npt.NDArray[Any], name: str) -> bytes:
    return np.ascontiguousarray(rows, ARRAYS[name]).tobytes()
