"""Writing HDF5 files whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from naetrigger.contracts.whole_file import whole_file


def write_hdf5(path: Path, fill: Callable[[h5py.File], None]) -> None:
    """Write one file, filled by `fill`, through a temporary file that is renamed when complete.

    The file is put together in memory: where a write fails inside the HDF5 library, as on a full
    disk, the library cannot close its file and takes the process down with it.
    """
    content = io.BytesIO()
    with h5py.File(content, "w") as file:  # no track_order: it would write the time
        fill(file)
    with whole_file(path) as partial:
        partial.write_bytes(content.getbuffer())


@contextmanager
def streamed_hdf5(path: Path) -> Iterator[h5py.File]:
    """One file written piece by piece, renamed when complete; removed if anything goes wrong.

    For files too large for :func:`write_hdf5`.
    """
    with whole_file(path) as partial, h5py.File(partial, "w") as file:
        yield file
