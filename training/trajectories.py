"""Chains step by step on disk: trajectories.h5 (`format` = "naetrigger-trajectories", version 1).

One group a chain, in the order in which they go on from each other: `chain` in the space of the
inputs, before it `latent_chain` where there is one. In each, for K steps of B chains over F values,
`positions` (K + 1, B, F), the starts first, `energies` (K + 1, B), what the chain takes for E, and
`accepted` (K, B), false where a step was refused. Attributes: `columns`, the names of the inputs,
and `step`, whose weights these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py

from naetrigger.contracts.hdf5 import write_hdf5
from naetrigger.training.langevin import Trajectory

TRAJECTORIES = "trajectories.h5"
FORMAT = "naetrigger-trajectories"
VERSION = 1
NAMES = ("latent_chain", "chain")


def write_trajectories(
    path: Path, chains: Sequence[Trajectory], columns: Sequence[str], step: int
) -> None:
    """Write one or two chains; the last is that of the inputs."""

    def fill(file: h5py.File) -> None:
        file.attrs.update({"format": FORMAT, "version": VERSION, "step": step})
        file.attrs["columns"] = list(columns)
        for name, chain in zip(NAMES[-len(chains) :], chains, strict=True):
            group = file.create_group(name)
            group["positions"] = chain.positions.cpu().numpy()
            group["energies"] = chain.energies.cpu().numpy()
            group["accepted"] = chain.moved.cpu().numpy()

    write_hdf5(path, fill)
