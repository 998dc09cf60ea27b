"""Where the commands put what they found of a finished run."""

from __future__ import annotations

from pathlib import Path

from naetrigger.contracts.errors import InputError


def verdict_folder(root: Path, out: Path | None) -> Path:
    """`out`, made if missing, else the run's validation folder, which must be there."""
    folder = out or root / "validation"
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{out}: cannot be made a folder ({error.strerror})") from error
    elif not folder.is_dir():
        raise InputError(
            f"{folder}: the run is not validated yet; finish it with: naetrigger run, or say --out"
        )
    return folder
