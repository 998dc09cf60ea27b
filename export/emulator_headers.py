"""Which of an HLS project's files a program needs: its source and all that it includes."""

from __future__ import annotations

import re
from pathlib import Path

_INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]', re.MULTILINE)


def included_files(source: Path, folders: tuple[Path, ...]) -> list[Path]:
    """`source` and every file that it includes, directly or not, sorted.

    folders : where an include is looked for after the folder of the file that holds it; what is
        in none of them is the compiler's own. Conditional includes count.
    """
    found: set[Path] = set()
    waiting = [source]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for name in _INCLUDE.findall(path.read_text(encoding="utf-8", errors="replace")):
            places = (folder / name for folder in (path.parent, *folders))
            waiting += [place.resolve() for place in places if place.is_file()][:1]
    return sorted(found)
