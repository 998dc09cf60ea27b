"""Writing HDF5 files whole or not at all."""

from __future__ import annotations

import errno
import io
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from naetrigger.contracts.errors import EnvironmentProblem, InputError
from naetrigger.contracts.whole_file import whole_file

CACHE_BYTES = 64 * 2**20
MAX_CHUNK_BYTES = 512 * 2**20  # unpacked at once, whatever part of it is read
MAX_RATIO = 4096  # gzip packs no tighter than 1032 to 1
MAX_UNSTORED_BYTES = 2**30
OWN_FILTERS = h5py.h5z.FILTER_LZF  # numbers above are those of plugins


_CONTAINED: set[tuple[int, int, int, int]] = set()


def require_contained(file: h5py.File, path: Path) -> None:
    """Refuse a file whose data lie in others, were never stored, or would fill the memory.

    Large files take a second, so a process looks once at each.
    """
    found = path.stat()
    state = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
    if state in _CONTAINED:
        return

    def linked(name: str, link: Any) -> None:
        if isinstance(link, h5py.ExternalLink):
            problems.append(f"'{name}' lies in another file ({link.filename})")

    def visited(name: str, item: Any) -> None:
        problem = _problem(item) if isinstance(item, h5py.Dataset) else ""
        if problem:
            problems.append(f"dataset '{name}' {problem}")

    problems: list[str] = []
    file.visititems_links(linked)
    file.visititems(visited)
    if problems:
        raise InputError(
            f"{path}: {'; '.join(problems[:3])}. Copy what is needed into one file, say by h5repack"
        )
    _CONTAINED.add(state)


def _problem(dataset: h5py.Dataset) -> str:
    if dataset.is_virtual or dataset.external:
        return "lies in another file"
    bytes_of = dataset.dtype.itemsize
    if dataset.chunks and bytes_of * math.prod(dataset.chunks) > MAX_CHUNK_BYTES:
        return f"is stored in chunks {dataset.chunks}, more than {MAX_CHUNK_BYTES >> 20} MiB each"
    stored, size = dataset.id.get_storage_size(), bytes_of * math.prod(dataset.shape or ())
    defined = dataset.id.get_create_plist().fill_value_defined() == h5py.h5d.FILL_VALUE_USER_DEFINED
    if dataset.shape and size and not stored and not defined:
        return f"declares {dataset.shape} values, and none was ever stored"
    if size > MAX_UNSTORED_BYTES and size > MAX_RATIO * stored and not _packs_tighter(dataset):
        return f"declares {dataset.shape} values, and stores {stored} bytes"
    return ""


def _packs_tighter(dataset: h5py.Dataset) -> bool:
    """Whether a filter of others is at work: zstd makes 30 000 equal values one."""
    plist = dataset.id.get_create_plist()
    return any(plist.get_filter(i)[0] > OWN_FILTERS for i in range(plist.get_nfilters()))


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

    For files too large for :func:`write_hdf5`. Raises EnvironmentProblem where the disk is full,
    InputError where the file cannot be made.
    """
    with whole_file(path) as partial:
        try:
            raw = partial.open("w+b", buffering=0)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from error
        with raw:
            target = _Target(raw)
            try:
                with h5py.File(target, "w", rdcc_nbytes=CACHE_BYTES) as file:
                    yield file
            except Exception:
                target.check(path)  # what the library makes of a failed write explains nothing
                raise
            target.check(path)
            os.fsync(raw.fileno())


class _Target(io.RawIOBase):
    """A file in which writing never fails, but is remembered to have failed.

    Where a write fails inside the HDF5 library, as on a full disk, the library cannot close its
    file and takes the process down with it.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._error: OSError | None = None

    def check(self, path: Path) -> None:
        """Raise what went wrong."""
        if self._error is None:
            return
        if self._error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise EnvironmentProblem(
                f"{path}: no space left to write it ({self._error.strerror}); nothing half-written "
                "is left behind. Make room and start again"
            ) from self._error
        raise EnvironmentProblem(f"{path}: cannot be written ({self._error})") from self._error

    def write(self, data: Any) -> int:
        if self._error is None:
            try:
                rest = memoryview(data).cast("B")
                while len(rest):
                    rest = rest[self._file.write(rest) :]
            except OSError as error:
                self._error = error
        return len(data)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        view[:] = bytes(len(view))
        self._file.readinto(buffer)
        return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return int(self._file.seek(offset, whence))
        except OSError as error:
            self._error = self._error or error
            return offset

    def tell(self) -> int:
        return int(self._file.tell())

    def truncate(self, size: int | None = None) -> int:
        try:
            return int(self._file.truncate(size))
        except OSError as error:
            self._error = self._error or error
            return size or 0

    def flush(self) -> None:
        try:
            self._file.flush()
        except (OSError, ValueError) as error:
            self._error = self._error or (error if isinstance(error, OSError) else None)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
