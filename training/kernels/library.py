"""Compiled kernels: built once with the machine's own C++ compiler, kept in the user's cache.

The package itself stays pure Python: where there is no compiler, or NAETRIGGER_KERNELS=off is
set, callers go on with numba or torch, a few times slower and equal to rounding.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path

COMPILERS = ("g++", "clang++", "c++")
OPTIONS = ("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC")
SECONDS = 120  # a build takes two to five

log = logging.getLogger(__name__)


@functools.cache
def kernel_library(name: str, *defines: str) -> ctypes.CDLL | None:
    """The library of `NAME.cpp` beside this file, built with these macros (REAL=double).

    None where it cannot be built or loaded.
    """
    if _switched_off():
        return None
    compiler = _compiler()
    if compiler is None:
        log.info("no C++ compiler (%s): kernel %s goes without", ", ".join(COMPILERS), name)
        return None
    source = resources.files("naetrigger.training.kernels") / f"{name}.cpp"
    try:
        with resources.as_file(source) as path:
            return _loaded(compiler, path, defines)
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("kernel %s could not be built, going without: %s", name, error)
        return None


def arithmetic() -> str:
    """What rounds here: 'compiled' or 'torch'. Results of the two differ in their last digits."""
    return "torch" if _switched_off() or _compiler() is None else "compiled"


def _switched_off() -> bool:
    return os.environ.get("NAETRIGGER_KERNELS", "on").lower() in ("off", "0", "no")


def _compiler() -> str | None:
    return next((found for c in COMPILERS if (found := shutil.which(c))), None)


def _loaded(compiler: str, source: Path, defines: tuple[str, ...]) -> ctypes.CDLL:
    """The library, built again if a crash left a damaged one."""
    built = _built(compiler, source, defines)
    try:
        return ctypes.CDLL(str(built))
    except OSError:
        built.unlink(missing_ok=True)
        return ctypes.CDLL(str(_built(compiler, source, defines)))


def _built(compiler: str, source: Path, defines: tuple[str, ...]) -> Path:
    """The shared library, from the cache if this machine built it before."""
    folder = _cache()
    options = [*OPTIONS, *(f"-D{define}" for define in defines)]
    target = folder / f"{source.stem}-{_key(compiler, source, options)}.so"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _require_own(folder)
    if target.exists():
        return target
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        partial = Path(scratch) / target.name
        _run([compiler, *options, str(source), "-o", str(partial)])
        os.replace(partial, target)
    return target


def _key(compiler: str, source: Path, options: list[str]) -> str:
    """Changes with the source, the compiler, and what `native` means on this machine."""
    target = _run([compiler, "-march=native", "-E", "-v", "-x", "c++", os.devnull])
    parts = (source.read_bytes(), compiler.encode(), target.encode(), " ".join(options).encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")
    return done.stdout + done.stderr


def _cache() -> Path:
    """Where built kernels are kept; a relative XDG_CACHE_HOME is ignored, as its standard says."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        base = Path(os.path.expanduser("~"), ".cache")
    return base / "naetrigger" / "kernels"


def _require_own(folder: Path) -> None:
    """OSError where somebody else could put a library into the folder: loading it runs its code."""
    found = folder.stat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise OSError(f"{folder}: others may write to it; delete it, or chmod go-w {folder}")
