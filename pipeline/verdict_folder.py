"""Where the commands put what they found of a finished run.

A verdict of an earlier call, which the same command makes again, is replaced, and that is said.
"""

from __future__ import annotations

from pathlib import Path

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.manifest import read_manifest


def verdict_folder(root: Path, out: Path | None) -> Path:
    """`out`, made if missing, else the run's validation folder, which must be there.

    Raises InputError for a folder that is no run.
    """
    read_manifest(root)
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


class Verdict:
    """The files of one verdict; made before they are written, it knows whether they were there.

    out : where they go; None: into the run's validation folder
    """

    def __init__(self, root: Path, out: Path | None, document: str, *others: str) -> None:
        self._document = (out or root / "validation") / document
        self._others = others
        self._replaced = self._document.exists()

    def __str__(self) -> str:
        names = ", ".join((str(self._document), *self._others))
        return f"{names} (replaced)" if self._replaced else names
