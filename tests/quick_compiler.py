"""A C++ compiler that does not optimise: half the time, for what runs a few thousand times."""

from __future__ import annotations

import shutil
from pathlib import Path


def quick_compiler(folder: Path) -> Path:
    """Write `folder`/g++, which is the g++ on PATH at -O0; its path."""
    found = shutil.which("g++")
    assert found is not None, "the tests need g++"
    script = folder / "g++"
    if found != str(script):
        partial = script.with_name(f"{script.name}.partial")
        partial.write_text(f'#!/bin/sh\nexec {found} "$@" -O0\n')  # the last -O counts
        partial.chmod(0o755)
        partial.replace(script)
    return script
