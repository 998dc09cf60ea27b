"""Locks that end with their process."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from naetrigger.contracts.errors import EnvironmentProblem
from naetrigger.contracts.whole_file import no_follow


@contextmanager
def lock(path: Path, taken: str) -> Iterator[None]:
    """Hold a lock file for this process.

    EnvironmentProblem with `taken`, in which `{holder}` stands for pid and host, where another
    process holds it. The lock is the kernel's; pid and host are there for the message.
    """
    with open(path, "a+", encoding="utf-8", opener=no_follow) as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "just started"
            raise EnvironmentProblem(taken.replace("{holder}", holder)) from error
        file.truncate(0)
        file.write(f"pid {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
