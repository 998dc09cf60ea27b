"""Opening HDF5 files of any layout and reading datasets in slices, with errors that name them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import InputError, MissingExtra, NaetriggerError, suggestion
from naetrigger.contracts.hdf5 import require_contained
from naetrigger.training.data.formats.format import CHUNK_VALUES, head, reading

SIGNATURE = b"\x89HDF\r\n\x1a\n"
FILTER_MISSING = ("filter", "can't open directory")  # HDF5's words for a compression it lacks


def is_hdf5(path: Path) -> bool:
    """Whether the file begins as an HDF5 file does."""
    return head(path, len(SIGNATURE)) == SIGNATURE


def recognised(path: Path, test: Callable[[h5py.File], bool]) -> bool:
    """Whether the file can be opened and passes the test; False for anything damaged."""
    if not is_hdf5(path):
        return False
    try:
        with h5py.File(path, "r") as file:
            return test(file)
    except Exception:  # of damaged files: whoever reads them will say so
        return False


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file for reading; every error inside becomes an InputError."""
    _add_filters()
    with reading(path, "HDF5"):
        try:
            with h5py.File(path, "r") as file:
                require_contained(file, path)
                yield file
        except NaetriggerError:
            raise
        except OSError as error:
            if any(word in str(error) for word in FILTER_MISSING):
                if find_spec("hdf5plugin") is None:
                    raise MissingExtra("hdf5plugin", "readers") from error
                raise InputError(
                    f"{path}: is compressed in a way that cannot be read here ({error}); "
                    "write it again with gzip: ptrepack --complib=zlib --complevel=5 OLD NEW"
                ) from error
            raise


def _add_filters() -> None:
    """Compressions beyond HDF5's own, such as the blosc of pandas files, where installed."""
    if find_spec("hdf5plugin") is not None:
        importlib.import_module("hdf5plugin")


def numbers(file: h5py.Group, name: str, path: Path) -> h5py.Dataset:
    """A dataset of numbers."""
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise InputError(
            f"{path}: no dataset '{name}'{suggestion(name, file)} (has {', '.join(file)})"
        )
    if found.dtype.kind not in "iufb":
        raise InputError(f"{path}: dataset '{name}' holds {found.dtype}, expected numbers")
    return found


def slices(n_rows: int, size: int, width: int = 1) -> Iterator[slice]:
    """Row ranges of at most `size` rows and CHUNK_VALUES values."""
    rows = max(1, min(size, CHUNK_VALUES // max(width, 1)))
    for start in range(0, n_rows, rows):
        yield slice(start, min(start + rows, n_rows))


def unsigned_ids(dataset: h5py.Dataset, rows: slice, path: Path) -> npt.NDArray[np.uint64]:
    """Event ids of some rows; InputError unless they are whole numbers from 0."""
    ids = np.asarray(dataset[rows])
    whole = ids.astype(np.uint64) if ids.dtype.kind in "iu" else None
    if whole is None or ids.ndim != 1 or (ids.size and ids.min() < 0):
        raise InputError(
            f"{path}: dataset '{dataset.name.strip('/')}' must hold whole numbers from 0, one an "
            f"event, got {ids.dtype} of shape {dataset.shape}"
        )
    return whole


def texts(values: Any) -> list[str]:
    """Strings of an array of bytes or str."""
    flat = np.asarray(values).ravel().tolist()
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in flat]
