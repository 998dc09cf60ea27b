"""Arrays of a .npz file, looked at before they are unpacked: none larger than it is, no pickles."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_BYTES = 2**30
MAX_VECTOR_BYTES = 2**37  # 10^7 vectors of 1600 inputs
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def load_arrays(path: Path, max_bytes: int = MAX_BYTES) -> dict[str, npt.NDArray[Any]]:
    """All arrays by name.

    Raises ValueError where they are more than `max_bytes`, where one declares another size than it
    has, or holds Python objects; OSError and zipfile.BadZipFile for what is no such file.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        total = sum(member.file_size for member in members)
        if total > max_bytes:
            raise ValueError(f"{path.name}: {total} bytes when unpacked, at most {max_bytes}")
        for member in members:
            with archive.open(member) as file:
                shape, kind = npy_header(file)
                declared = math.prod(shape) * kind.itemsize
                if kind.hasobject or min(shape, default=0) < 0:
                    raise ValueError(f"{path.name}: {member.filename}: {kind} of shape {shape}")
                if declared != member.file_size - file.tell():
                    raise ValueError(
                        f"{path.name}: {member.filename}: declares {declared} bytes, holds "
                        f"{member.file_size - file.tell()}"
                    )
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def npy_header(file: Any) -> tuple[list[int], np.dtype[Any]]:
    """Shape and dtype of the array that a .npy file holds; `file` then stands at its data."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of the .npy format")
    shape, _, dtype = _HEADERS[version](file)
    return list(shape), dtype
