"""Data that pack tightly are taken, data that were never stored are not."""

from __future__ import annotations

from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest

from naetrigger.contracts import hdf5
from naetrigger.contracts.errors import InputError
from naetrigger.contracts.hdf5 import require_contained


@pytest.fixture(autouse=True)
def small_files_count_as_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "MAX_UNSTORED_BYTES", 2**20)


def test_equal_values_packed_by_zstd_are_taken(tmp_path: Path) -> None:
    ones = np.ones(2**20)
    with h5py.File(tmp_path / "ones.h5", "w") as file:
        weights = file.create_dataset("w", data=ones, chunks=ones.shape, **hdf5plugin.Zstd())
        assert ones.nbytes > hdf5.MAX_RATIO * weights.id.get_storage_size()
    with h5py.File(tmp_path / "ones.h5") as file:
        require_contained(file, tmp_path / "ones.h5")


def test_a_large_shape_with_one_chunk_stored_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "thin.h5", "w") as file:
        thin = file.create_dataset("w", (2**40,), "f8", chunks=(64,), compression="gzip")
        thin[:64] = 1
    with (
        h5py.File(tmp_path / "thin.h5") as file,
        pytest.raises(InputError, match=r"thin\.h5: .*declares \(1099511627776,\) values"),
    ):
        require_contained(file, tmp_path / "thin.h5")
