"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from naetrigger.contracts.regular_file import require_regular


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its name when the block ends well.

    It is this process's own, so that of two that write the same file the last one wins, and
    neither spoils the other's. Where the block fails, nothing is left and `path` is as it was.
    Raises InputError for a folder, a FIFO or a device, which a file would take the place of.
    """
    if path.exists():
        require_regular(path)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def no_follow(name: str, flags: int) -> int:
    """An opener for `open`: of a link that lies where a file is to be written, nothing is written.

    A run folder from elsewhere may hold links to anything.
    """
    return os.open(name, flags | os.O_NOFOLLOW, 0o666)
