"""Locks that end with their process."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from naetrigger.contracts.errors import EnvironmentProblem
from naetrigger.contracts.whole_file import no_follow


@contextmanager
def lock(path: Path, taken: str) -> Iterator[None]:
    """Hold a lock file for this process.

    EnvironmentProblem with `taken`, in which `{holder}` stands for pid and host, where another
    process holds it. The lock is the kernel's; pid and host are there for the message.
    FileNotFoundError where its folder is not there, or went while this process came.
    """
    with open(path, "a+", encoding="utf-8", opener=no_follow) as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "just started"
            raise EnvironmentProblem(taken.replace("{holder}", holder)) from error
        if not _lies_at(path, file):  # a lock on it would keep nobody out
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        file.truncate(0)
        file.write(f"pid {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _lies_at(path: Path, file: IO[str]) -> bool:
    """Whether an open file is still the one of that path: its last holder may have removed it."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
