"""The picture of chains: its plane against sklearn's, files that are none."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from sklearn.decomposition import PCA

from naetrigger.contracts.errors import InputError
from naetrigger.validation.chain_plot import Chains, chains_figure, leading_plane, read_chains
from naetrigger.validation.plots import Style


@pytest.fixture
def chains() -> Chains:
    rng = np.random.default_rng(1)
    return Chains(rng.normal(size=(6, 10, 4)) * [3, 1, 0.2, 2], rng.exponential(size=(6, 10)))


def test_the_plane_is_that_of_the_leading_components(chains: Chains) -> None:
    points = chains.positions.reshape(-1, 4)
    expected = PCA(2).fit_transform(points).reshape(6, 10, 2)
    np.testing.assert_allclose(np.abs(leading_plane(chains.positions)), np.abs(expected))
    one = leading_plane(chains.positions[..., :1])
    assert one.shape == (6, 10, 2)
    assert (one[..., 1] == 0).all()


def test_the_same_chains_give_the_same_picture(chains: Chains) -> None:
    first, second = (chains_figure("chains", Style(), chains) for _ in range(2))
    assert first == second
    assert first.startswith("<svg")


def test_a_file_is_read_or_refused(tmp_path: Path, chains: Chains) -> None:
    path = tmp_path / "trajectories.h5"
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "naetrigger-trajectories"
        file["chain/positions"] = chains.positions.astype(np.float32)
        file["chain/energies"] = chains.energies.astype(np.float32)
    np.testing.assert_allclose(read_chains(path).energies, chains.energies, rtol=1e-6)
    with h5py.File(path, "a") as file:
        file.attrs["format"] = "something else"
    with pytest.raises(InputError, match="not a file of trajectories"):
        read_chains(path)
    path.write_bytes(b"no HDF5")
    with pytest.raises(InputError, match="not a file of trajectories"):
        read_chains(path)
