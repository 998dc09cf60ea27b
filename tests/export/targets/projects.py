"""What the tests of the targets do with projects on disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from naetrigger.contracts.fixed_point import Integers
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.export.vectors import agreement_vectors

Projects = Callable[..., Path]


def vectors_of(network: FixedPointNetwork, n: int = 10_000) -> Integers:
    """The vectors on which every target must agree."""
    return agreement_vectors(network, n, np.random.default_rng(5))


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def copy_sources(source: Path, target: Path) -> Path:
    """A copy of an HLS project without what was compiled from it."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.so", "compile.log"))
    return target
