"""Files from outside: a regular one, or an error that says what is there instead.

Whoever opens a FIFO or a device waits for ever, or reads without end.
"""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from naetrigger.contracts.errors import InputError

MAX_JSON_BYTES = 256 * 2**20
KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def require_regular(path: Path) -> int:
    """The size of a file in bytes; InputError for all else, and for a path that can be none."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:  # too long, a circle of links, a folder that may not be entered
        raise InputError(f"{_short(path)}: cannot be opened ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{_short(path)!r}: no path can hold a NUL") from error
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{path}: is a folder; give the path of a file")
    if not stat.S_ISREG(found.st_mode):
        kind = KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise InputError(f"{path}: is no regular file but {kind}; write it to disk first")
    return found.st_size


def read_json(path: Path) -> Any:
    """A JSON document; ValueError for a text that is none, InputError for a file that is none.

    Nesting that Python cannot follow, and files beyond 256 MiB, are no documents of ours.
    """
    if require_regular(path) > MAX_JSON_BYTES:
        raise ValueError(f"larger than {MAX_JSON_BYTES >> 20} MiB")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _short(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 200 else f"{text[:97]}...{text[-100:]}"
